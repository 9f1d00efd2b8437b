"""CLIPScore of a caption and a video: their cosine as wholes, and with reference captions RefCLIPScore."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from vqe_core.errors import InputError
from vqe_core.options import option
from vqe_core.scorers.caption_scorer import CaptionScorer
from vqe_core.scorers.report import ResultNames
from vqe_core.scorers.rows import CaptionRow

if TYPE_CHECKING:
    from vqe_core.scorers.embedded_rows import EmbeddedRow


@dataclass(frozen=True, kw_only=True)
class CLIPScore(CaptionScorer):
    """CLIPScore: does a caption as a whole fit a video as a whole?

    ``clip_score`` is 2.5 (``weight``) x max(cos, 0) of the caption and the mean frame, ``ref_clip_score`` the harmonic
    mean of that and the cosine with the best reference.

    Source:
        Hessel et al., "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", EMNLP 2021. The paper
        scores images and puts "A photo depicts" before each text: ``preset="clipscore"``.

    Example:
        >>> import numpy as np
        >>> red = np.zeros((4, 64, 64, 3), np.uint8) + np.array([220, 40, 40], np.uint8)
        >>> result = CLIPScore(clip_model_path="toy").compute(predictions=["a red square"], videos=[red])
        >>> 0 <= result["clip_score"] <= 2.5
        True
    """

    name: ClassVar[str] = "clip_score"

    weight: float = option(2.5, "factor of the cosine: 2.5 (the paper's), or 2 as PAC-S has it", rule="number")
    prefix: str = option("", "earlier name of prompt")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prefix and self.prompt not in ("", self.prefix):
            raise InputError(f"prompt ({self.prompt!r}) and prefix ({self.prefix!r}) exclude each other; give prompt")
        object.__setattr__(self, "prompt", self.prompt or self.prefix)
        object.__setattr__(self, "prefix", "")
        if self.weight <= 0:
            raise InputError(f"weight ({self.weight!r}) must be positive")

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the names of the scores that the inputs allow."""
        if "videos" not in given:
            raise InputError("clip_score compares captions with videos; give videos")
        ranked = () if self.reference_bank is None else self.bank_names[1:]
        return ResultNames(("clip_score", *(("ref_clip_score",) if "references" in given else ()), *ranked))

    def writes_score(self, name: str) -> bool:
        """Tell whether a score is called ``name``."""
        return name in ("clip_score", "ref_clip_score", *self.bank_names)

    def read_row(self, cells: Mapping[str, Any], given: Collection[str]) -> CaptionRow:
        """Check one row; see ``Scorer.read_row``."""
        row = super().read_row(cells, given)
        if row.video is None:
            raise InputError("videos (None) must hold a video; leave the row out", code="no_input")
        return row

    def score_row(self, row: EmbeddedRow) -> dict[str, float]:
        """Score one embedded row; without a reference there is no ``ref_clip_score``."""
        import torch
        from torch.nn.functional import normalize

        from vqe_core.functional.clip_score import clip_score, ref_clip_score

        assert row.video is not None  # read_row
        caption = row.candidate.pooled
        score = clip_score(caption @ normalize(row.video.values.mean(dim=0), dim=0), self.weight)
        if not row.references:
            return {"clip_score": float(score)}
        similarities = torch.stack([text.pooled for text in row.references]) @ caption
        return {"clip_score": float(score), "ref_clip_score": float(ref_clip_score(score, similarities))}

    def own_signature(self) -> dict[str, Any]:
        """Return the options that can change a score; see ``Scorer.own_signature``."""
        return {name: getattr(self, name) for name in ("long_text", "prompt", "weight")}
