"""Sources and texts to embeddings: looked up, or sampled, decoded and encoded, each distinct input once."""

from __future__ import annotations

from vqe_core.embed.crew import DecodeCrew, many_files
from vqe_core.embed.progress import progress_bar, show_progress
from vqe_core.embed.settings import EmbedSettings
from vqe_core.embed.texts import embed_texts
from vqe_core.embed.videos import embed_videos
from vqe_core.embed.views import FrameViews

__all__ = [
    "DecodeCrew",
    "EmbedSettings",
    "FrameViews",
    "embed_texts",
    "embed_videos",
    "many_files",
    "progress_bar",
    "show_progress",
]
