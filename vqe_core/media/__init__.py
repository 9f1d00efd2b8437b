"""Read videos and sounds: the only code that opens files.

Conventions: times in seconds, ranges half-open ``[start, end)``; frames are uint8 ``(H, W, 3)`` RGB, upright;
waveforms are float32 ``(C, T)``, full scale 1.
"""

from __future__ import annotations

from vqe_core.media.audio.errors import NoSoundThereError
from vqe_core.media.audio.reader import audio_versions, ffmpeg_version, read_audio
from vqe_core.media.audio.signal import audio_status, check_finite, is_silent, resample, slice_seconds, to_mono
from vqe_core.media.audio.source import as_audio_source
from vqe_core.media.content_hash import content_digest, source_identity
from vqe_core.media.file_checks import check_file
from vqe_core.media.limits import AudioLimits, MediaLimits
from vqe_core.media.remote import at_hand, is_address
from vqe_core.media.source import as_media_source
from vqe_core.media.video.reader import TableMismatchError, VideoReader
from vqe_core.media.video.sizes import gathered, of_one_size
from vqe_core.media.video.video import (
    Video,
    choose_reader,
    decoders_of,
    open_video,
    reader_for,
    reader_versions,
    shrunk,
)

__all__ = [
    "AudioLimits",
    "MediaLimits",
    "NoSoundThereError",
    "TableMismatchError",
    "Video",
    "VideoReader",
    "as_audio_source",
    "as_media_source",
    "at_hand",
    "audio_status",
    "audio_versions",
    "ffmpeg_version",
    "check_file",
    "choose_reader",
    "check_finite",
    "content_digest",
    "decoders_of",
    "gathered",
    "is_address",
    "is_silent",
    "of_one_size",
    "open_video",
    "read_audio",
    "reader_for",
    "reader_versions",
    "resample",
    "shrunk",
    "slice_seconds",
    "source_identity",
    "to_mono",
]
