"""Judge a video against its words and its sound.

Public names are resolved on first use, so that ``import vqe_core`` loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vqe_core.version import __version__ as __version__

if TYPE_CHECKING:
    from vqe_core.integrations.datasets import score_dataset as score_dataset
    from vqe_core.integrations.datasets import summarise as summarise
    from vqe_core.integrations.metric_scripts import metrics_path as metrics_path
    from vqe_core.integrations.sql import score_sql as score_sql
    from vqe_core.integrations.trainer import make_compute_metrics as make_compute_metrics
    from vqe_core.report.compare import compare as compare
    from vqe_core.report.explain import explain_emscore as explain_emscore
    from vqe_core.scorers.caption_judge import CaptionJudgeScore as CaptionJudgeScore
    from vqe_core.scorers.clip_score import CLIPScore as CLIPScore
    from vqe_core.scorers.emscore.scorer import EMScore as EMScore
    from vqe_core.scorers.emscore.scorer import fit_baseline as fit_baseline
    from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity as VideoAudioSimilarity

_PUBLIC = {
    "EMScore": "vqe_core.scorers.emscore.scorer",
    "CLIPScore": "vqe_core.scorers.clip_score",
    "CaptionJudgeScore": "vqe_core.scorers.caption_judge",
    "Scorer": "vqe_core.scorers.base",
    "VideoAudioSimilarity": "vqe_core.scorers.video_audio.scorer",
    "score_dataset": "vqe_core.integrations.datasets",
    "summarise": "vqe_core.integrations.datasets",
    "score_sql": "vqe_core.integrations.sql",
    "metrics_path": "vqe_core.integrations.metric_scripts",
    "compare": "vqe_core.report.compare",
    "explain_emscore": "vqe_core.report.explain",
    "fit_baseline": "vqe_core.scorers.emscore.scorer",
    "make_compute_metrics": "vqe_core.integrations.trainer",
    "MediaSource": "vqe_core.types",
    "ScoreReport": "vqe_core.scorers.report",
    "VqeError": "vqe_core.errors",
    "InputError": "vqe_core.errors",
    "MediaError": "vqe_core.errors",
    "ModelNotFoundError": "vqe_core.errors",
    "InternalError": "vqe_core.errors",
    "NothingScoredWarning": "vqe_core.errors",
    "EnvironmentWarning": "vqe_core.errors",
}
__all__ = ["__version__", "evaluate_inputs", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name == "evaluate_inputs":  # a module, for the metric scripts
        return importlib.import_module("vqe_core.integrations.evaluate")
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'vqe_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
