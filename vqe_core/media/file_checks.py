"""Look at a file before any codec does, so that nothing hangs and the message is plain."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from vqe_core.errors import MediaError, MediaNotFoundError
from vqe_core.media.structure import boxes, opened, size_of
from vqe_core.types import MediaSource, RowWarning

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
_SHOWN_PATH = 200  # characters of a path in a message


def check_file(path: str, kind: str = "video") -> None:
    """Raise unless ``path`` is a regular, non-empty file that does not start like a text.

    Returns at once for a FIFO or a device, which would otherwise block the reader.

    Args:
        path: a local path.
        kind: what the file should hold, for the messages: ``"video"`` or ``"sound"``.

    Raises:
        MediaNotFoundError: code ``not_found``.
        MediaError: code ``is_directory``, ``not_regular_file``, ``empty_file``, ``format_not_allowed``,
            ``bad_path`` (it cannot name a file) or ``not_readable``.
    """
    try:
        info = os.stat(path)
    except (OSError, ValueError) as error:
        raise unreadable(path, error, kind) from error
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
        raise unreadable(path, error, kind) from error


# What the system says of a path that cannot name a file, whatever there is on the disk.
_BAD_PATHS = {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ}


def unreadable(path: str, error: OSError | ValueError, kind: str = "video") -> MediaError:
    """Return the error that says why the system cannot open a file.

    Args:
        path: of the file.
        error: what the system raised; ValueError: the path holds NUL, or what its names cannot be written in.
        kind: what the file should hold.
    """
    shown = repr(path) if len(path) <= _SHOWN_PATH else f"{path[:_SHOWN_PATH]!r}... ({len(path)} characters)"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return MediaNotFoundError(f"no {kind} file at {shown}; check the path and the working directory")
    if isinstance(error, ValueError):
        return MediaError(f"{shown} cannot be the path of a file: {error}", code="bad_path")
    reason = error.strerror or str(error)
    if error.errno in _BAD_PATHS:
        return MediaError(f"{shown} cannot be the path of a file: {reason}", code="bad_path")
    return MediaError(f"cannot read {shown}: {reason}; check its permissions and the disk", code="not_readable")


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

# Boxes without which images or sound are missing. Others may be cut, and bytes after the last box look like one.
_NEEDED_BOXES = {"moov", "mdat", "moof", "imda"}
# An ISO file begins with one of these; QuickTime knew no ftyp.
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")


def truncation_warning(source: MediaSource) -> RowWarning | None:
    """Tell what is missing at the end of an MP4, MOV, HEIF or GIF file, or None if nothing seems to be.

    Args:
        source: with ``path`` or ``data``.

    Returns:
        For example ``"cut off: 5210 bytes of the part 'mdat' are missing"``.
    """
    try:
        with opened(source) as file:
            head = file.read(12)
            words = None
            if head[4:8] in _FIRST_BOXES:
                words = _missing_boxes(file)
            elif head.startswith(b"GIF8"):
                words = None if _gif_has_end(file) else "the end mark of the GIF is missing"
    except OSError:
        return None
    return None if words is None else RowWarning(f"cut off: {words}", code="truncated")


def _missing_boxes(file: BinaryIO) -> str | None:
    """Walk the boxes at the top level of an ISO file. An image (HEIF, AVIF) has its index in 'meta'."""
    size, end, names = size_of(file), 0, set()
    for box in boxes(file, 0, size):
        if box.end > size and box.name in _NEEDED_BOXES:
            return f"{box.end - size} bytes of the part {box.name!r} are missing"
        names.add(box.name)
        end = box.end
    if names & {"moov", "meta"} or size - end >= _BOX_HEADER:
        return None
    if "moof" in names:
        return "it is a later part of a stream, and the index ('moov') is in the part before it"
    return "the index ('moov') is missing, so the upload was probably not complete"


def _gif_has_end(file: BinaryIO) -> bool:
    """Tell whether the blocks of a GIF lead to its trailer; what follows that belongs to no image."""
    file.seek(0)
    _skip_colours(file, file.read(13)[10:11])
    while kind := file.read(1):
        if kind == b"\x3b":
            return True
        if kind == b"\x21":  # an extension: its label, then blocks
            file.seek(1, os.SEEK_CUR)
            _skip_blocks(file)
        elif kind == b"\x2c":  # an image: its place and colours, the size of its codes, then blocks
            _skip_colours(file, file.read(9)[8:])
            file.seek(1, os.SEEK_CUR)
            _skip_blocks(file)
    return False


def _skip_colours(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << (flags[0] & 7) + 1, os.SEEK_CUR)


def _skip_blocks(file: BinaryIO) -> None:
    while (length := file.read(1)) and length[0]:
        file.seek(length[0], os.SEEK_CUR)
