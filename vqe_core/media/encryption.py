"""Recognise encrypted files by what they say of themselves: decoders take what is encrypted for damage.

Source: ISO/IEC 23001-7 (Common Encryption), RFC 9559 (Matroska), ISO/IEC 13818-1 (transport streams), the ASF
specification.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

from vqe_core.errors import MediaError
from vqe_core.media.structure import Part, boxes, content_of, elements, find_boxes, find_elements, opened, size_of
from vqe_core.types import MediaSource

ENCRYPTED = "encrypted"

Kind = Literal["video", "audio"]

# Sample entries of Common Encryption, and of Apple's FairPlay.
_SAMPLE_ENTRIES = {"encv", "enca", "drmi", "drms"}
_HANDLERS = {"vide": "video", "soun": "audio"}

_SEGMENT, _TRACKS, _TRACK, _TRACK_TYPE = "18538067", "1654ae6b", "ae", "83"
_ENCODINGS, _ENCODING, _ENCRYPTION = "6d80", "6240", "5035"
_TRACK_TYPES = {1: "video", 2: "audio"}

# Objects of an ASF (WMV, WMA) header: content encryption, extended, advanced.
_ASF_OBJECTS = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
    bytes.fromhex("338505438169e649ad1274cb86d58c01"),
)
_ASF_HEAD = 65536

_TS_SIZES = (188, 192, 204)  # bytes of a packet: plain, with a time before it (M2TS), with a checksum
_TS_HEAD = 2**20


def check_not_encrypted(source: MediaSource, kind: Kind, stream: Any = None) -> None:
    """Raise where the images or the sound of a file are encrypted.

    Args:
        source: with ``path`` or ``data``.
        kind: what is to be read.
        stream: of a transport stream, where it was opened.

    Raises:
        MediaError: code ``encrypted``.
    """
    try:
        with opened(source) as file:
            found = kind in _encrypted_kinds(file, stream)
    except OSError:
        return
    if found:
        what = "images" if kind == "video" else "sound"
        raise MediaError(
            f"{source.name!r} is encrypted: its {what} cannot be decoded without the key; decrypt it first",
            code=ENCRYPTED,
        )


def _encrypted_kinds(file: BinaryIO, stream: Any) -> set[str]:
    """Return the kinds of which every track is encrypted."""
    head = file.read(16)
    if head[4:8].isalpha() and head[4:8].islower():
        tracks = list(_iso_tracks(file))
    elif head.startswith(b"\x1aE\xdf\xa3"):
        tracks = list(_matroska_tracks(file))
    elif head.startswith(b"\x30\x26\xb2\x75"):
        file.seek(0)
        text = file.read(_ASF_HEAD)
        tracks = [(kind, True) for kind in _HANDLERS.values() if any(guid in text for guid in _ASF_OBJECTS)]
    else:
        tracks = [] if stream is None else [(stream.type, _is_scrambled(file, stream.id))]
    kinds = {kind for kind, _ in tracks}
    return {kind for kind in kinds if all(hidden for other, hidden in tracks if other == kind)}


def _iso_tracks(file: BinaryIO) -> Iterator[tuple[str, bool]]:
    for track in find_boxes(file, ["moov", "trak"], 0, size_of(file)):
        handlers = [content_of(file, box)[8:12] for box in find_boxes(file, ["mdia", "hdlr"], track.start, track.end)]
        kind = _HANDLERS.get(handlers[0].decode("latin-1")) if handlers else None
        tables = find_boxes(file, ["mdia", "minf", "stbl", "stsd"], track.start, track.end)
        # Eight bytes of version and number come before the entries.
        entries = [entry for table in tables for entry in boxes(file, table.start + 8, table.end)]
        if kind is not None and entries:
            yield kind, any(entry.name in _SAMPLE_ENTRIES and _is_protected(file, entry) for entry in entries)


def _is_protected(file: BinaryIO, entry: Part) -> bool:
    """Tell False if the entry says that its samples are in clear, as an unlocked file may."""
    content = content_of(file, entry)
    place = content.find(b"tenc")
    return place < 0 or content[place + 10 : place + 11] != b"\0"


def _matroska_tracks(file: BinaryIO) -> Iterator[tuple[str, bool]]:
    for track in find_elements(file, [_SEGMENT, _TRACKS, _TRACK], 0, size_of(file)):
        kinds = [content_of(file, part) for part in elements(file, track.start, track.end) if part.name == _TRACK_TYPE]
        kind = _TRACK_TYPES.get(int.from_bytes(kinds[0], "big")) if kinds else None
        path = [_ENCODINGS, _ENCODING, _ENCRYPTION]
        if kind is not None:
            yield kind, any(True for _ in find_elements(file, path, track.start, track.end))


def _is_scrambled(file: BinaryIO, stream_id: int) -> bool:
    """Tell whether most packets of a transport stream's elementary stream are scrambled."""
    file.seek(0)
    head = file.read(_TS_HEAD)
    for size in _TS_SIZES:
        for first in range(size):
            if len(head) > first + 4 * size and all(head[first + size * n] == 0x47 for n in range(5)):
                return _share_scrambled(head[first:], size, stream_id) > 0.5
    return False


def _share_scrambled(head: bytes, size: int, stream_id: int) -> float:
    scrambled = total = 0
    for place in range(0, len(head) - 3, size):
        number = int.from_bytes(head[place + 1 : place + 3], "big") & 0x1FFF
        if head[place] == 0x47 and number == stream_id and head[place + 3] & 0x10:
            total += 1
            scrambled += head[place + 3] >> 6 != 0
    return scrambled / total if total else 0.0
