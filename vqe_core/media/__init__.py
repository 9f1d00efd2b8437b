"""Read videos: the only code that opens files.

Conventions: times in seconds, ranges half-open ``[start, end)``; frames are uint8 ``(H, W, 3)`` RGB, upright.
"""

from __future__ import annotations

from vqe_core.media.checks import check_file
from vqe_core.media.identity import source_identity
from vqe_core.media.limits import MediaLimits
from vqe_core.media.reader import TableMismatchError, VideoReader
from vqe_core.media.source import as_media_source
from vqe_core.media.video import Video, open_video, reader_for, reader_versions

__all__ = [
    "MediaLimits",
    "TableMismatchError",
    "Video",
    "VideoReader",
    "as_media_source",
    "check_file",
    "open_video",
    "reader_for",
    "reader_versions",
    "source_identity",
]
