"""VATEX-EVAL: captions of six systems for videos of VATEX, each rated by three people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vqe_core.errors import InputError
from vqe_core.meta_eval.base import (
    Benchmark,
    IdfCorpus,
    Item,
    Observations,
    Part,
    Published,
    Release,
    SourceKind,
    between_raters,
    needed,
)
from vqe_core.meta_eval.correlations import correlation
from vqe_core.meta_eval.reading import read_json, read_pickle

RATERS = 3
NUM_FRAMES = 10
DECIMALS = 4  # of scores before they are ranked, and of figures

_VC_INSPECTOR = "Dipta et al., VC-Inspector, arXiv 2509.16538"
_EVQA = "Liang et al., EVQAScore, arXiv 2411.06908"


def _published(metric: str, tau: float, rho: float | None, source: str) -> Published:
    values = {"tau_b": tau / 100} if rho is None else {"tau_b": tau / 100, "rho": rho / 100}
    return Published(metric, "V", values, source)


@dataclass(frozen=True)
class VatexEval(Benchmark):
    """VATEX-EVAL: captions of VATEX videos, each rated by three people.

    Scores are rounded to 4 decimals, which makes ties, and correlated with each rater; the mean of the three is rounded
    to 4 decimals.

    Attributes:
        num_references: the first so many of nine are used; 0: none, as in the published comparison.

    Raises:
        InputError: ``num_references`` is negative.

    Source:
        Shi et al., "EMScore", CVPR 2022, section 4, and the published code (VATEX-EVAL-demo.py, utils.py): 10 of all
        stored frames by ``int(linspace(0, n - 1, 10))``, ViT-B/32, idf from the captions of VATEX's training set, the
        end token weighing the mean of the table with the padding id in it, full_F.
    """

    name: ClassVar[str] = "vatex-eval"
    title: ClassVar[str] = "VATEX-EVAL"
    source: ClassVar[str] = "Shi et al., EMScore, CVPR 2022; github.com/ShiYaya/emscore"
    layout: ClassVar[tuple[Part, ...]] = (
        Part("candidates_list.pkl", "captions"),
        Part("gts_list.pkl", "reference captions"),
        Part("human_scores.pkl", "ratings"),
        Part("video_ids.pkl", "the video of each caption"),
        Part("VATEX-EVAL_video_feats/*.pt", "embeddings of all frames by ViT-B/32", optional=True),
        Part("vatex_train_en_annotations.json", "captions for idf"),
    )
    statistics: ClassVar[tuple[str, ...]] = ("tau_b", "rho")
    published: ClassVar[tuple[Published, ...]] = (
        _published("CLIPScore", 22.3, 29.1, _VC_INSPECTOR),
        _published("EMScore", 22.9, 29.8, _VC_INSPECTOR),
        _published("EMScore", 23.2, 30.3, "by difference from Sarto et al., PAC-S, CVPR 2023"),
        _published("PAC-S", 25.1, 32.6, "Sarto et al., PAC-S, CVPR 2023"),
        _published("PAC-S++", 28.1, 36.4, _EVQA),
        _published("EVQAScore", 28.9, 37.4, f"{_EVQA} v3; v2 said 32.8 and 42.3"),
        _published("ViCLIPScore, no training", 30.9, 39.9, _VC_INSPECTOR),
        _published("Qwen2.5-VL-7B as a judge, zero-shot", 34.7, 39.4, _VC_INSPECTOR),
        _published("VC-Inspector-3B", 38.0, 42.5, _VC_INSPECTOR),
        _published("G-VEval (GPT-4o)", 39.4, None, _VC_INSPECTOR),
        _published("VC-Inspector-7B", 42.6, 46.0, _VC_INSPECTOR),
    )
    embeddings_of: ClassVar[str] = "ViT-B/32"
    idf_file: ClassVar[str] = "vatex_train_en_annotations.json"
    headlines: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "emscore": ("EMScore(X,V)_full_F", "EMScore(X,X*)_full_F", "EMScore(X,V,X*)_full_F"),
        "clip_score": ("clip_score", "ref_clip_score"),
    }

    num_references: int = 0

    def __post_init__(self) -> None:
        if self.num_references < 0:
            raise InputError(f"num_references ({self.num_references}) must be 0 or more")

    def load(self, folder: Path, *, partial: bool = False) -> Release:
        """Read the four pickles, and what lies beside them; see ``Benchmark.load``."""
        names = ["candidates_list.pkl", "gts_list.pkl", "human_scores.pkl", "video_ids.pkl"]
        captions, references, ratings, videos = map(read_pickle, needed(folder, names, self.layout))
        captions, references, videos = map(_listed, (captions, references, videos))
        count = len(captions)
        ratings = np.asarray(ratings, dtype=float)
        if not len(references) == len(videos) == count or ratings.size != RATERS * count:
            raise InputError(
                f"{str(folder)!r} has {count} captions, references of {len(references)}, videos of {len(videos)} and "
                f"{ratings.size} ratings ({RATERS} a caption are needed); download it again"
            )
        items = tuple(
            Item(str(i), str(captions[i]), tuple(map(str, references[i][: self.num_references])), str(videos[i]))
            for i in range(count)
        )
        embeddings = {path.stem: path for path in sorted((folder / "VATEX-EVAL_video_feats").glob("*.pt"))}
        return Release(items, ratings.reshape(RATERS, -1).T, embeddings)

    def read_corpus(self, path: Path) -> IdfCorpus:
        """Read the captions of VATEX's training set."""
        return IdfCorpus(tuple(text for texts in read_json(path).values() for text in texts))

    def options_for(self, scorer: str, kind: SourceKind) -> dict[str, Any]:
        """Return model and frames; see ``Benchmark.options_for``."""
        frames = {"frame_num": NUM_FRAMES} if kind == "files" else {}
        return {"clip_model_path": "ViT-B/32", "resize": "pil", **frames}

    def frames_of(self, item: Item, count: int) -> np.ndarray:
        """Return 10 positions, evenly spread and cut to whole numbers; see ``Benchmark.frames_of``."""
        return np.linspace(0, count - 1, NUM_FRAMES).astype(np.int64)

    def observe(self, release: Release, scores: np.ndarray) -> Observations:
        """Round the scores to 4 decimals."""
        return super().observe(release, np.around(scores, DECIMALS))

    def figures(self, observations: Observations) -> dict[str, float]:
        """Return means over raters, rounded to 4 decimals; see ``Benchmark.figures``."""
        return {name: round(correlation(name, *observations[:2]), DECIMALS) for name in self.statistics}

    def agreement(self, release: Release) -> dict[str, float]:
        """Return the correlations of the raters with each other, the mean over pairs."""
        return between_raters(release.labels, self.statistics)


def _listed(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)
