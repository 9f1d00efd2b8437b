"""Sources and texts to embeddings: looked up, or sampled, decoded and encoded, each distinct input once."""

from __future__ import annotations

from vqe_core.embed.settings import EmbedSettings, FrameViews, progress_bar, show_progress
from vqe_core.embed.sounds import SoundBatcher
from vqe_core.embed.texts import embed_texts
from vqe_core.embed.videos import embed_videos

__all__ = [
    "EmbedSettings",
    "FrameViews",
    "SoundBatcher",
    "embed_texts",
    "embed_videos",
    "progress_bar",
    "show_progress",
]
