"""Banks that the pages compare with: those that a checkpoint brings along, and those that the owner names."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_core.encoders.checkpoints import find_checkpoint
from vqe_core.errors import VqeError
from vqe_core.report.verdict import Verdict, verdict_of
from vqe_core.scorers.caption_bank import CaptionBank, load_captions
from vqe_core.scorers.caption_scorer import CaptionScorer
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity

if TYPE_CHECKING:
    from vqe_core.functional.reference_bank import ReferenceBank

BANKS_VARIABLE = "VQE_APP_BANKS"  # files that vqe bank build wrote, separated by commas
CAPTIONS, SOUNDS = "bank_captions.json", "bank_{method}.safetensors"  # beside the weights of a checkpoint
_LOG = logging.getLogger(__name__)


def caption_bank_for(scorer: CaptionScorer) -> CaptionBank | None:
    """Return other captions for the model of a scorer, None where there are none.

    Args:
        scorer: its model is loaded.

    Raises:
        VqeError: the model cannot be had.
    """
    signature = scorer.load_encoder().signature()
    for path in _files(scorer.model, CAPTIONS, ".json"):
        bank = _read(load_captions, path)
        if bank is not None and bank.fits(signature):
            return bank
    return None


def sound_bank_for(scorer: VideoAudioSimilarity, given: Collection[str]) -> ReferenceBank | None:
    """Return other sounds, heard as a scorer hears, None where there are none.

    Args:
        scorer: its models are loaded.
        given: inputs of the call, by which it chooses its method.

    Raises:
        VqeError: a model cannot be had.
    """
    from vqe_core.scorers.call import Call
    from vqe_core.scorers.video_audio.calibration import bank_space, load_bank
    from vqe_core.scorers.video_audio.scoring import VideoAudioScoring

    scoring = VideoAudioScoring.of(scorer, Call({}, frozenset(given), (), whole=False))
    space, signature = bank_space(scoring.comparison), scoring.signature(None)
    for path in _files(scorer.model, SOUNDS.format(method=scoring.comparison.name), ".safetensors"):
        bank = _read(load_bank, path)
        if bank is not None and bank.space == space and not bank.differing(signature):
            return bank
    return None


def _files(model: Any, name: str, ending: str) -> Iterator[Path]:
    """Yield the files of the owner, then that of the checkpoint."""
    named = [Path(part.strip()) for part in os.environ.get(BANKS_VARIABLE, "").split(",") if part.strip()]
    yield from (path for path in named if path.suffix == ending)
    beside = find_checkpoint(model).folder / name
    if beside.is_file():
        yield beside


def _read(load: Any, path: Path) -> Any:
    try:
        return load(path)
    except VqeError as error:  # the owner's mistake, and no visitor's
        _LOG.warning("a bank is left out: %s", error)
        return None


def caption_verdicts(captions: Sequence[str], percentiles: Sequence[float], bank: CaptionBank) -> list[Verdict | None]:
    """Return the verdict on each caption among those of a bank, itself left out.

    Args:
        captions: as typed.
        percentiles: of each, [0, 1]; NaN where there is none.
        bank: the others.
    """
    return [
        verdict_of(share, len(bank) - bank.captions.count(caption))
        for caption, share in zip(captions, percentiles, strict=True)
    ]
