"""EMScore in the shape of the scorers of pycocoevalcap: captions by id in, a mean and a score an id out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vqe_core.errors import InputError
from vqe_core.functional.emscore import METRICS
from vqe_core.scorers.emscore.score_types import BOTH, REFERENCE, SCORE_TYPES, VIDEO
from vqe_core.scorers.emscore.scorer import EMScore

SHOWN_IDS = 5  # in one message


class EMScoreCoco:
    """Scorer for a loop that already runs Bleu, Rouge and Cider.

    Args:
        videos: video by id, in any form that ``vqe_core.EMScore`` takes. Default: none, and captions are compared
            with the reference captions only.
        names: ``"<score type>_<metric>"``; a single name gives a number and an array, a list gives a list of each,
            as Bleu does. Default: ``"EMScore(X,V,X*)_full_F"``, without videos ``"EMScore(X,X*)_full_F"``.
        options: of ``vqe_core.EMScore``.

    Raises:
        InputError: a name that no score has.

    Example:
        >>> scorer = EMScoreCoco(clip_model_path="toy")  # a teaching model
        >>> mean, scores = scorer.compute_score(gts={7: ["a red circle"]}, res={7: ["a red circle"]})
        >>> scorer.method(), round(mean, 3), scores.shape
        ('EMScore(X,X*)_full_F', 1.0, (1,))
    """

    def __init__(
        self, videos: Mapping[Any, Any] | None = None, names: str | Sequence[str] | None = None, **options: Any
    ) -> None:
        self.videos = videos
        self.names = names if names is not None else f"{REFERENCE if videos is None else BOTH}_full_F"
        wanted = [_split(name) for name in self._listed()]
        if videos is None and any(score_type != REFERENCE for score_type, _ in wanted):
            raise InputError(f"names ({self.names!r}) compare with videos; give videos={{id: path}}")
        score_types, metrics = ([*dict.fromkeys(part)] for part in zip(*wanted, strict=True))
        self.scorer = EMScore(**{**options, "score_types": score_types, "metrics": metrics})

    def method(self) -> str:
        """Return the name that the loop prints."""
        return self.names if isinstance(self.names, str) else "EMScore"

    def compute_score(self, gts: Mapping[Any, Sequence[Any]], res: Mapping[Any, Sequence[Any]]) -> tuple[Any, Any]:
        """Score one caption for each id.

        Args:
            gts: reference captions by id, each a string or ``{"caption": string}``; may be empty lists where only
                videos are compared.
            res: the same for the one caption that is judged.

        Returns:
            The mean, and float64 scores in the order of ``gts``; of a list of names, lists of both. A row that
            cannot be scored is NaN where ``on_error`` lets it pass, and not part of the mean.

        Raises:
            InputError: ids that differ, no or several captions for an id, an id without a video.
            VqeError: as ``vqe_core.EMScore``.
        """
        ids = self._checked_ids(gts, res)
        references = [[_text(caption) for caption in gts[key]] for key in ids]
        report = self.scorer.score(
            predictions=[_text(res[key][0]) for key in ids],
            references=references if any(references) else None,
            videos=None if self.videos is None else [self.videos[key] for key in ids],
        )
        means = [report.scores[name] for name in self._listed()]
        rows = [np.asarray(report.rows[name], dtype=np.float64) for name in self._listed()]
        return (means[0], rows[0]) if isinstance(self.names, str) else (means, rows)

    def _listed(self) -> list[str]:
        return [self.names] if isinstance(self.names, str) else list(self.names)

    def _checked_ids(self, gts: Mapping[Any, Any], res: Mapping[Any, Any]) -> list[Any]:
        if gts.keys() != res.keys():
            differing = sorted(gts.keys() ^ res.keys(), key=str)
            raise InputError(f"gts and res must have the same ids; only one of them has {_shown(differing)}")
        several = [key for key in gts if isinstance(res[key], str) or len(res[key]) != 1]
        if several:
            raise InputError(f"res must hold a list of one caption for each id; not so for {_shown(several)}")
        bare = [key for key in gts if isinstance(gts[key], str)]
        if bare:
            raise InputError(f"gts must hold a list of captions for each id; a bare string for {_shown(bare)}")
        without = [] if self.videos is None else [key for key in gts if key not in self.videos]
        if without:
            raise InputError(f"videos has no entry for {_shown(without)}; ids must be of one type, as 7 is not '7'")
        return list(gts)


def _split(name: str) -> tuple[str, str]:
    score_type, _, metric = name.partition("_")
    if score_type not in SCORE_TYPES or metric not in METRICS:
        raise InputError(f"names ({name!r}) must be such as {VIDEO}_full_F: {SCORE_TYPES}, then {METRICS}")
    return score_type, metric


def _text(caption: Any) -> Any:
    """Return the text of a caption, which COCO keeps as ``{"caption": ...}``; the row check tells what is no string."""
    return caption["caption"] if isinstance(caption, Mapping) else caption


def _shown(ids: Sequence[Any]) -> str:
    more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
    return ", ".join(map(repr, ids[:SHOWN_IDS])) + more
