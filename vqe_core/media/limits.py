"""What a video file may ask for before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from vqe_core.errors import InputError

# Formats that hold pictures or sound in one file. Playlists, concat scripts, DASH, SDP and image sequences
# stay out: they make FFmpeg open other files.
ALLOWED_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpegts,mpeg,flv,ogg,asf,ivf,h264,hevc,mpegvideo,m4v,"
    "wav,flac,mp3"
)


@dataclass(frozen=True)
class MediaLimits:
    """Bounds on what one video may cost and reach.

    Attributes:
        max_pixels: pixels of one frame, width times height. Default: 8192 x 4320.
        max_frames_in_table: frames of one video, decoded or not. Default: two million (18 hours at 30 fps).
        formats: comma-separated FFmpeg demuxer names that may be opened.
        protocols: comma-separated FFmpeg protocol names that a path may use. Encoded bytes may use none.
    """

    max_pixels: int = 8192 * 4320
    max_frames_in_table: int = 2_000_000
    formats: str = ALLOWED_FORMATS
    protocols: str = "file"

    def __post_init__(self) -> None:
        for name in ("max_pixels", "max_frames_in_table"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} ({value!r}) must be a whole number of at least 1")


DEFAULT_LIMITS = MediaLimits()
