"""Still and animated images, orientation and what else goes with an image."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from tests.clips import coded_frame
from tests.media.bombs import images_in_mov
from tests.media.corpus.cases import Case, add, case, numbered
from tests.media.corpus.making import EXACT, find_box, patched, write

# Degrees clockwise that the image is shown turned by, and mirrored from left to right before that.
TURNS = [(turn, mirrored) for turn in (0, 90, 180, 270) for mirrored in (False, True)]


def stored(pixels: np.ndarray, turn: int, mirrored: bool) -> np.ndarray:
    """Return the image that looks like ``pixels`` once it has been turned (and mirrored) for display."""
    back = np.rot90(pixels, turn // 90)
    if mirrored:
        back = back[::-1] if turn in (90, 270) else back[:, ::-1]
    return np.ascontiguousarray(back)


def _turned(suffix: str, turn: int, mirrored: bool, **options: Any) -> None:
    def make(path: Path) -> None:
        def turned(container: Any, video: Any, audio: Any) -> None:
            video.set_display_rotation(-turn, hflip=mirrored)

        frames = [stored(coded_frame(n), turn, mirrored) for n in range(10)]
        write(path, frames, prepare=turned if turn or mirrored else None, **options)

    name = f"turned_{turn}{'_mirrored' * mirrored}{suffix}"
    what = f"shown turned by {turn} degrees" + ", mirrored" * mirrored
    add(Case(name, what, make, numbered(10, sizes=((64, 48),)), "no_audio", plain=False))


for _turn, _mirrored in TURNS[1:]:
    _turned(".mp4", _turn, _mirrored)
_turned(".mkv", 90, False)
_turned(".mov", 180, False, codec="mjpeg", pix_fmt="yuvj420p")


def _matrix(name: str, what: str, matrix: tuple[int, ...], **expected: Any) -> None:
    def make(path: Path) -> None:
        write(path, 10)
        data = path.read_bytes()
        begin, _ = find_box(data, b"moov", b"trak", b"tkhd")
        path.write_bytes(patched(data, (begin + 40, struct.pack(">9i", *matrix))))

    add(Case(name, what, make, numbered(10, sizes=((64, 48),)), "no_audio", **expected))


_ONE = 1 << 16
_matrix("zero_matrix.mp4", "a matrix of zeros is none", (0,) * 9, plain=False)
_matrix("moved_matrix.mp4", "a matrix that moves the image", (_ONE, 0, 0, 0, _ONE, 0, 7 * _ONE, 9 * _ONE, 1 << 30))
_matrix("scaled_matrix.mp4", "a matrix that scales the image", (2 * _ONE, 0, 0, 0, 2 * _ONE, 0, 0, 0, 1 << 30))
_matrix(
    "huge_matrix.mp4",
    "a matrix of the largest numbers",
    (2**31 - 1,) * 9,
    plain=False,
    may_warn=frozenset({"rotation_rounded"}),
)


@case(
    "tilted.mp4",
    "turned by 30 degrees: stays, with a warning",
    video=numbered(10),
    sound="no_audio",
    plain=False,
    warned=frozenset({"rotation_rounded"}),
)
def _(path: Path) -> None:
    write(path, 10, prepare=lambda container, video, audio: video.set_display_rotation(30))


@case(
    "sei_turned.h264",
    "orientation in the stream, said at keyframes, holds for all frames",
    plain=False,
    sound="no_audio",
    video=numbered(20, 25, sizes=((64, 48),)),
)
def _(path: Path) -> None:
    plain = path.with_suffix(".plain.h264")
    frames = [stored(coded_frame(n), 90, False) for n in range(20)]
    write(
        plain,
        frames,
        times=[n / 25 for n in range(20)],
        clock=25,
        container_format="h264",
        options={"x264-params": "keyint=10:bframes=0:force-cfr=1"},
    )
    _inserted(plain, path, "h264_metadata=display_orientation=insert:rotate=-90")
    plain.unlink()


def _inserted(plain: Path, path: Path, filters: str) -> None:
    """Run the packets of a bare stream through a bitstream filter of FFmpeg."""
    with av.open(str(plain)) as container, open(path, "wb") as out:
        stream = container.streams.video[0]
        chosen = av.bitstream.BitStreamFilterContext(filters, stream)
        for packet in container.demux(stream):
            if packet.size:
                for filtered in chosen.filter(packet):
                    out.write(bytes(filtered))
        for filtered in chosen.filter(None):
            out.write(bytes(filtered))


def _exif(orientation: int) -> bytes:
    """The content of an EXIF part that says nothing but an orientation."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + bytes(4)


def _jpeg_with_exif(pixels: np.ndarray, orientation: int) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, "JPEG", quality=95, exif=b"Exif\0\0" + _exif(orientation))
    return memory.getvalue()


@case("exif.mov", "Motion JPEG with EXIF in each frame", video=numbered(5), sound="no_audio")
def _(path: Path) -> None:
    images_in_mov(path, [_jpeg_with_exif(coded_frame(n), 1) for n in range(5)], "mjpeg", EXACT)


@case(
    "exif_turned.mov",
    "Motion JPEG whose EXIF says it is turned",
    video=numbered(5, sizes=((64, 48),)),
    sound="no_audio",
    plain=False,
)
def _(path: Path) -> None:
    images_in_mov(path, [_jpeg_with_exif(stored(coded_frame(n), 90, False), 6) for n in range(5)], "mjpeg", EXACT)


@case("exif.apng", "an animated PNG with EXIF", video=numbered(5), sound="no_audio")
def _(path: Path) -> None:
    frames = [Image.fromarray(coded_frame(n)) for n in range(5)]
    frames[0].save(path, "PNG", save_all=True, append_images=frames[1:], duration=100, exif=b"Exif\0\0" + _exif(1))


@case("slow.gif", "a GIF of 2 s a frame", video=numbered(4, 0.5), sound="no_audio")
def _(path: Path) -> None:
    frames = [Image.fromarray(coded_frame(n)).quantize(16) for n in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=2000, loop=0)


@case("interlaced.gif", "a GIF whose lines are interlaced", video=numbered(4), sound="no_audio")
def _(path: Path) -> None:
    frames = [Image.fromarray(coded_frame(n)).quantize(16) for n in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, interlace=1)


NOT_VIDEO = "format_not_allowed"


def _still(name: str, what: str, pixels: Any = None, **options: Any) -> None:
    def make(path: Path) -> None:
        Image.fromarray(coded_frame(5)).save(path, **options)

    add(Case(name, what, make, NOT_VIDEO, NOT_VIDEO, plain=False))


_still("still.jpg", "a JPEG image")
_still("still.webp", "a WebP image")
_still("still.bmp", "a BMP image")
_still("jpeg_called.mp4", "a JPEG image called MP4", format="JPEG")


@case("still.png", "a PNG image", video=(NOT_VIDEO, "decode_error"), sound=(NOT_VIDEO, "decode_error", "no_audio"))
def _(path: Path) -> None:
    Image.fromarray(coded_frame(5)).save(path)


@case("animated.webp", "an animated WebP image", video=NOT_VIDEO, sound=NOT_VIDEO)
def _(path: Path) -> None:
    frames = [Image.fromarray(coded_frame(n)) for n in range(5)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)


@case("still.tiff", "a TIFF image", video=(NOT_VIDEO, "decode_error"), sound=(NOT_VIDEO, "decode_error"))
def _(path: Path) -> None:
    Image.fromarray(coded_frame(5)).save(path)
