"""Sources and texts to embeddings: looked up, or sampled, decoded and encoded, each distinct input once."""

from __future__ import annotations

from vqe_core.embed.settings import EmbedSettings, FrameViews, progress_bar, show_progress
from vqe_core.embed.sharing import sharing_frames
from vqe_core.embed.sounds import SoundBatcher
from vqe_core.embed.texts import embed_texts
from vqe_core.embed.videos import FrameRecipe, embed_videos

__all__ = [
    "EmbedSettings",
    "FrameRecipe",
    "FrameViews",
    "SoundBatcher",
    "embed_texts",
    "embed_videos",
    "progress_bar",
    "sharing_frames",
    "show_progress",
]
