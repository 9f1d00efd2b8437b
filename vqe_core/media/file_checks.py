"""Look at a file before any codec does, so that nothing hangs and the message is plain."""

from __future__ import annotations

import io
import os
import stat
from typing import BinaryIO

from vqe_core.errors import MediaError, MediaNotFoundError
from vqe_core.types import MediaSource

# How a text begins -> what it is. FFmpeg would follow the first four to other files or hosts.
_TEXT_STARTS = {
    b"#EXTM3U": "an HLS playlist",
    b"ffconcat": "an FFmpeg concat script",
    b"<MPD": "a DASH manifest",
    b"v=0": "an SDP session description",
    b"version https://git-lfs": "a Git LFS pointer, not the video itself; run: git lfs pull",
    b"<!doctype html": "an HTML page, not a video; the download was probably refused",
    b"<html": "an HTML page, not a video; the download was probably refused",
    b"<?xml": "an XML text, not a video",
}

_IMAGE_STARTS = {
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89PNG": "a PNG image",
    b"BM": "a BMP image",
}

_HEAD_BYTES = 1024


def check_file(path: str, kind: str = "video") -> None:
    """Raise unless ``path`` is a regular, non-empty file that does not start like a text.

    Returns at once for a FIFO or a device, which would otherwise block the reader.

    Args:
        path: a local path.
        kind: what the file should hold, for the messages: ``"video"`` or ``"sound"``.

    Raises:
        MediaNotFoundError: code ``not_found``.
        MediaError: code ``is_directory``, ``not_regular_file``, ``empty_file``, ``format_not_allowed`` or
            ``decode_error``.
    """
    try:
        info = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MediaNotFoundError(f"no {kind} file at {path!r}; check the path and the working directory") from error
    except OSError as error:
        raise MediaError(f"cannot read {path!r}: {error.strerror or error}", code="decode_error") from error
    if stat.S_ISDIR(info.st_mode):
        raise MediaError(f"{path!r} is a directory; give the path of one {kind} file", code="is_directory")
    if not stat.S_ISREG(info.st_mode):
        raise MediaError(
            f"{path!r} is not a regular file (pipe, socket or device); write it to a file first",
            code="not_regular_file",
        )
    if info.st_size == 0:
        raise MediaError(f"{path!r} is empty (0 bytes); the download or copy was probably cut off", code="empty_file")
    try:
        with open(path, "rb") as file:
            check_head(file.read(_HEAD_BYTES), path)
    except OSError as error:
        raise MediaError(f"cannot read {path!r}: {error.strerror or error}", code="decode_error") from error


def check_head(head: bytes, name: str) -> None:
    """Raise ``format_not_allowed`` if the first bytes of a file are those of a known text.

    Args:
        head: the first bytes of the file, up to about 1 kB.
        name: what to call the file in the message.
    """
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:32].lower()
    for prefix, kind in _TEXT_STARTS.items():
        if start.startswith(prefix.lower()):
            raise MediaError(f"{name!r} is {kind}; give one video file", code="format_not_allowed")


def describe_unreadable(head: bytes) -> tuple[str, str]:
    """Why a file that FFmpeg refused was refused, from its first bytes.

    Args:
        head: the first bytes of the file.

    Returns:
        The error code and the reason in words.
    """
    for prefix, kind in _IMAGE_STARTS.items():
        if head.startswith(prefix):
            return "format_not_allowed", f"it is {kind}; pass images as a list of PIL images or one uint8 array"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "format_not_allowed", "it is a WebP image, which FFmpeg cannot animate; convert it to GIF or MP4"
    if head and b"\0" not in head and _is_text(head):
        return "format_not_allowed", "it is a text file, not a video"
    return "decode_error", "it is damaged or cut off, or its format is unknown or not allowed"


def _is_text(head: bytes) -> bool:
    try:
        # The cut at _HEAD_BYTES may fall inside a character.
        text = head.decode("utf-8", errors="ignore" if len(head) == _HEAD_BYTES else "strict")
    except UnicodeDecodeError:
        return False
    return len(text.encode()) > len(head) - 4 and all(c.isprintable() or c in "\t\r\n" for c in text)


_BOX_HEADER = 8
_GIF_TRAILER = b"\x3b"


def truncation_warning(source: MediaSource) -> str | None:
    """Tell what is missing at the end of an MP4, MOV or GIF file, or None if nothing seems to be.

    Args:
        source: with ``path`` or ``data``.

    Returns:
        For example ``"cut off: 5210 bytes of the part 'mdat' are missing"``.
    """
    try:
        with io.BytesIO(source.data) if source.data is not None else open(source.path or "", "rb") as file:
            head = file.read(12)
            size = file.seek(0, os.SEEK_END)
            if head[4:8] == b"ftyp":
                return _missing_boxes(file, size)
            if head.startswith(b"GIF8"):
                file.seek(max(0, size - 64))
                ended = file.read().rstrip(b"\0").endswith(_GIF_TRAILER)
                return None if ended else "cut off: the end mark of the GIF is missing"
    except OSError:
        pass
    return None


def _missing_boxes(file: BinaryIO, size: int) -> str | None:
    """Walk the parts at the top level of an ISO file (ISO/IEC 14496-12), each a size, a name and content."""
    offset, names = 0, set()
    while offset + _BOX_HEADER <= size:
        file.seek(offset)
        header = file.read(2 * _BOX_HEADER)
        length, name = int.from_bytes(header[:4], "big"), header[4:8].decode("latin-1")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:
            # The last part may run to the end of the file.
            length = size - offset
        if length < _BOX_HEADER:
            return None
        names.add(name)
        offset += length
        if offset > size:
            return f"cut off: {offset - size} bytes of the part {name!r} are missing"
    return (
        None if "moov" in names else "cut off: the index ('moov') is missing, so the upload was probably not complete"
    )
