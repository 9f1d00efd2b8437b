"""Columns of videos, sounds and descriptions to checked rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vqe_core.errors import InputError, VqeError, attempt
from vqe_core.media import as_audio_source, as_media_source, check_file
from vqe_core.scorers.rows import check_text, is_missing, is_several_videos
from vqe_core.types import AudioSamples, MediaSource

SoundSource = MediaSource | AudioSamples


@dataclass(frozen=True)
class SoundRow:
    """One row: its videos, the sound they share (None: each video's own track), and the sound in words."""

    videos: tuple[MediaSource, ...]
    audio: SoundSource | None
    description: str | None


def read_sound_rows(
    videos: Sequence[Any], audios: Sequence[Any] | None, descriptions: Sequence[Any] | None
) -> list[SoundRow | VqeError]:
    """Check every row; a row that cannot be scored gives its error."""
    return [
        attempt(_read_row, video, audios[i] if audios else None, descriptions[i] if descriptions else None)
        for i, video in enumerate(videos)
    ]


def _read_row(video: Any, audio: Any, description: Any) -> SoundRow:
    for cell in (video, audio):
        if isinstance(cell, VqeError):
            raise cell
    if is_missing(video):
        raise InputError("videos (None) must hold a video or a list of videos; leave the row out", code="no_input")
    sources = tuple(_checked_video(item) for item in (video if is_several_videos(video) else [video]))
    sound = None
    if not is_missing(audio):
        sound = as_audio_source(audio)
        if isinstance(sound, MediaSource) and sound.path is not None:
            check_file(sound.path, kind="sound")
    text = None if is_missing(description) else check_text(description, "audio_descriptions")
    return SoundRow(sources, sound, text)


def _checked_video(value: Any) -> MediaSource:
    if isinstance(value, VqeError):
        raise value
    source = as_media_source(value)
    if source.path is not None:
        check_file(source.path)
    return source
