"""Columns of videos, sounds and descriptions to checked rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vqe_core.errors import InputError, VqeError
from vqe_core.scorers.rows import check_text, is_missing, is_several_videos, read_audio_cell, read_video
from vqe_core.types import AudioSamples, MediaSource

SoundSource = MediaSource | AudioSamples


@dataclass(frozen=True)
class SoundRow:
    """One row: its videos, the sound they share (None: each video's own track), and the sound in words."""

    videos: tuple[MediaSource, ...]
    audio: SoundSource | None
    description: str | None


def read_sound_row(video: Any, audio: Any, description: Any) -> SoundRow:
    """Check one row.

    Raises:
        VqeError: of the kind and code of what is wrong.
    """
    for cell in (video, audio):
        if isinstance(cell, VqeError):
            raise cell
    if is_missing(video):
        raise InputError("videos (None) must hold a video or a list of videos; leave the row out", code="no_input")
    videos = [read_video(item) for item in (video if is_several_videos(video) else [video])]
    sound = read_audio_cell(audio)
    text = None if is_missing(description) else check_text(description, "audio_descriptions")
    return SoundRow(tuple(source for source in videos if source is not None), sound, text)
