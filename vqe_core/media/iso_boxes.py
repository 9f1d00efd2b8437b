"""Look at the tables of an MP4 or MOV file before FFmpeg does: it takes their word, and memory for every frame claimed.

A file of 2 kB can say that it has 2^26 frames, in runs of equal ones, and opening it would take 3 GB. The boxes are
those of ISO/IEC 14496-12, walked as FFmpeg does. A table that is merely wrong is left to FFmpeg, if it is small.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from vqe_core.errors import MediaError
from vqe_core.media.limits import MediaLimits
from vqe_core.media.structure import boxes, opened, size_of
from vqe_core.types import MediaSource

# Boxes that hold boxes, on the way to the tables.
_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex", b"udta", b"meta"}

# Tables that say how many entries follow: where the number stands in the box, and the least bytes of an entry. Of
# what can be said in runs or by a default, the entries are counted elsewhere.
_COUNTED = {
    b"stts": (4, 8),
    b"ctts": (4, 8),
    b"stsc": (4, 12),
    b"stco": (4, 4),
    b"co64": (4, 8),
    b"stss": (4, 4),
    b"stps": (4, 4),
    b"elst": (4, 12),
    b"dref": (4, 8),
    b"sbgp": (8, 8),
}

# Entries, frames and boxes that can do no harm whatever is said of them.
_HARMLESS = 100_000

# A frame in a table takes some 100 bytes of memory, and in a file hardly ever less than 4.
_LEAST_BYTES_A_FRAME = 4

# Sound, captions and time codes have tables too; sound has more entries than the video that it belongs to.
_TRACKS = 3

_MOST_BOXES = 2_000_000  # more of them are not looked at
_DEEPEST = 12
_MOST_UNPACKED = 64 * 2**20
_FEW_EDITS = 4
_PCM_BLOCK = 1024  # samples that FFmpeg takes as one entry, of sound without compression


@dataclass
class _Track:
    """Claims of one track."""

    samples: int = 0  # by its table of sizes
    chunks: int = 0
    runs: list[tuple[int, int]] = field(default_factory=list)  # first chunk, samples a chunk
    edits: list[int] = field(default_factory=list)  # length of each, in ticks of the movie
    is_sound: bool = False
    steps: list[int] = field(default_factory=list)  # of each table of times: its one step, or 0
    ticks: int = 0  # of all samples together
    keyframes: int = 0  # 0: each sample is one
    timescale: int = 0

    def entries(self, movie_timescale: int) -> int:
        """Entries of the index that FFmpeg makes of it."""
        if not (self.is_sound and self.steps == [1]):
            few = len(self.edits) <= _FEW_EDITS
            return self.samples * max(1, len(self.edits)) if few else self._edited(movie_timescale)
        # Samples of sound that are a tick long are taken in blocks, chunk by chunk.
        total = 0
        for i, (first, samples) in enumerate(self.runs):
            last = self.runs[i + 1][0] if i + 1 < len(self.runs) else self.chunks + 1
            total += max(0, last - first) * -(-samples // _PCM_BLOCK)
        return total

    def _edited(self, movie_timescale: int) -> int:
        """Entries where the track is shown in pieces: each has its samples, and those from the keyframe before."""
        before = self.samples / self.keyframes if self.keyframes else 1
        of_media = self.timescale / movie_timescale if movie_timescale else math.inf
        total = 0.0
        for length in self.edits:
            share = length * of_media / self.ticks if length and self.ticks else 1.0
            total += min(self.samples, share * self.samples + before)
        return int(total)


@dataclass
class _Walk:
    """One walk through a file, with what it has met so far."""

    name: str
    size: int
    limits: MediaLimits
    tracks: list[_Track] = field(default_factory=list)
    fragments: int = 0
    boxes: int = 0
    timescale: int = 0

    def look(self, file: BinaryIO, start: int, end: int, depth: int = 0) -> None:
        """Walk the boxes between two places, and those inside them."""
        if depth > _DEEPEST:
            return
        for name, first, last in self._boxes(file, start, end):
            if name == b"trak":
                self.tracks.append(_Track())
            if name in _CONTAINERS:
                # The box of an image file's items has a version before its boxes.
                self.look(file, first + (4 if name == b"meta" else 0), last, depth + 1)
            elif name == b"cmov":
                self._unpack(file, first, last)
            else:
                self._table(file, name, first, last)

    def _boxes(self, file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        for box in boxes(file, start, end):
            if self.boxes >= _MOST_BOXES:
                return
            self.boxes += 1
            yield box.name.encode("latin-1"), box.start, min(box.end, end)

    def _unpack(self, file: BinaryIO, start: int, end: int) -> None:
        """Walk an index that is compressed."""
        for name, first, last in self._boxes(file, start, end):
            if name != b"cmvd" or last - first < 4:
                continue
            file.seek(first + 4)
            try:
                unpacked = zlib.decompressobj().decompress(file.read(last - first - 4), _MOST_UNPACKED)
            except zlib.error:
                continue
            if len(unpacked) == _MOST_UNPACKED:
                raise self._impossible("its compressed index", _MOST_UNPACKED, self.size)
            self.look(io.BytesIO(unpacked), 0, len(unpacked), _DEEPEST - 6)

    def _table(self, file: BinaryIO, name: bytes, first: int, last: int) -> None:
        if name not in _COUNTED and name not in _READERS:
            return
        file.seek(first)
        head = file.read(min(32, last - first))
        if name in _COUNTED:
            place, least = _COUNTED[name]
            count = int.from_bytes(head[place : place + 4], "big")
            self._check_room(name, count, least, last - first)
        if name in _READERS:
            _READERS[name](self, file, head, first, last)

    def _check_room(self, name: bytes, count: int, least: float, length: int) -> None:
        if count > _HARMLESS and count * least > length:
            raise self._impossible(f"its table {name.decode('latin-1')!r}", count, length)

    def _impossible(self, what: str, count: int, length: int) -> MediaError:
        return MediaError(
            f"{self.name!r}: {what} claims {count} entries and is {length} bytes long; the file is damaged",
            code="decode_error",
        )

    @property
    def _track(self) -> _Track:
        if not self.tracks:
            self.tracks.append(_Track())
        return self.tracks[-1]

    def sizes(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take a table of the sizes of frames, ``stsz``."""
        size, count = _numbers(head, 4, 2)
        if size == 0:
            self._check_room(b"stsz", count, 4, last - first)
        self._track.samples = max(self._track.samples, count)

    def compact_sizes(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take a table of sizes of 4, 8 or 16 bits, ``stz2``."""
        bits, count = _numbers(head, 4, 2)
        self._check_room(b"stz2", count, (bits & 255) / 8, last - first)
        self._track.samples = max(self._track.samples, count)

    def times(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take a table of durations in runs, ``stts``."""
        count, _, step = _numbers(head, 4, 3)
        self._track.steps.append(step if count == 1 else 0)
        file.seek(first + 8)
        body = file.read(min(count * 8, max(last - first - 8, 0)))
        runs = np.frombuffer(body[: len(body) // 8 * 8], dtype=">u4").reshape(-1, 2).astype(np.float64)
        self._track.ticks = int((runs[:, 0] * runs[:, 1]).sum())

    def keyframes(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take the number of keyframes, ``stss``."""
        self._track.keyframes = _numbers(head, 4, 1)[0]

    def scale(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take the ticks a second of a track, ``mdhd``, or of the movie, ``mvhd``."""
        ticks = _numbers(head, 20 if head[:1] == b"\1" else 12, 1)[0]
        if self.tracks:
            self._track.timescale = ticks
        else:
            self.timescale = ticks

    def places(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take the number of chunks, ``stco`` or ``co64``."""
        self._track.chunks = max(self._track.chunks, _numbers(head, 4, 1)[0])

    def runs(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take the runs of chunks with equally many samples, ``stsc``."""
        file.seek(first + 8)
        body = file.read(min(_numbers(head, 4, 1)[0] * 12, max(last - first - 8, 0)))
        self._track.runs = [(run[0], run[1]) for run in struct.iter_unpack(">III", body[: len(body) // 12 * 12])]

    def edits(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take the lengths of the edits, ``elst``."""
        width = 20 if head[:1] == b"\1" else 12
        file.seek(first + 8)
        body = file.read(min(_numbers(head, 4, 1)[0] * width, max(last - first - 8, 0)))
        longs = 8 if width == 20 else 4
        self._track.edits += [
            int.from_bytes(body[place : place + longs], "big") for place in range(0, len(body) - width + 1, width)
        ]

    def handler(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take what kind of track it is, ``hdlr``."""
        if head[8:12] in (b"vide", b"soun"):
            self._track.is_sound = head[8:12] == b"soun"

    def fragment(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take a run of frames of a fragment, ``trun``, which may say nothing of each."""
        flags, count = _numbers(head, 0, 2)
        each = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
        self._check_room(b"trun", count, each, last - first)
        self.fragments += count
        self.check()

    def items(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take the table of places of items of an image file, ``iloc``."""
        width = 4 if head[:1] >= b"\2" else 2
        self._check_room(b"iloc", int.from_bytes(head[6 : 6 + width], "big"), 6, last - first)

    def item_names(self, file: BinaryIO, head: bytes, first: int, last: int) -> None:
        """Take the table of items of an image file, ``iinf``."""
        width = 2 if head[:1] == b"\0" else 4
        self._check_room(b"iinf", int.from_bytes(head[4 : 4 + width], "big"), 12, last - first)

    def check(self) -> None:
        """Raise if all that was claimed so far is too much.

        Raises:
            MediaError: code ``too_many_frames``, or ``decode_error`` where the file cannot hold that many.
        """
        frames = self.fragments + sum(track.entries(self.timescale) for track in self.tracks)
        if frames <= _HARMLESS:
            return
        most = _TRACKS * self.limits.max_frames_in_table
        if frames > most:
            raise MediaError(
                f"{self.name!r}: its tables claim {frames} frames, more than {most} (three times "
                "MediaLimits.max_frames_in_table); cut it into pieces or raise the limit",
                code="too_many_frames",
            )
        if frames * _LEAST_BYTES_A_FRAME > self.size:
            raise MediaError(
                f"{self.name!r}: its tables claim {frames} frames, and the whole file has {self.size} bytes; "
                "it is damaged or cut off",
                code="too_many_frames",
            )


_READERS = {
    b"stsz": _Walk.sizes,
    b"stz2": _Walk.compact_sizes,
    b"stts": _Walk.times,
    b"stss": _Walk.keyframes,
    b"mvhd": _Walk.scale,
    b"mdhd": _Walk.scale,
    b"stco": _Walk.places,
    b"co64": _Walk.places,
    b"stsc": _Walk.runs,
    b"elst": _Walk.edits,
    b"hdlr": _Walk.handler,
    b"trun": _Walk.fragment,
    b"iloc": _Walk.items,
    b"iinf": _Walk.item_names,
}


def _numbers(head: bytes, place: int, count: int) -> list[int]:
    """Return big-endian 32-bit numbers; those that are cut off are 0."""
    return [int.from_bytes(head[place + 4 * i : place + 4 * i + 4].ljust(4, b"\0"), "big") for i in range(count)]


def check_tables(source: MediaSource, limits: MediaLimits) -> None:
    """Refuse an MP4 or MOV file whose tables claim more than there can be, or more than the limits allow.

    Args:
        source: with ``path`` or ``data``; any other format passes.
        limits: of the frames.

    Raises:
        MediaError: code ``too_many_frames`` or ``decode_error``.
    """
    with opened(source) as file:
        size = size_of(file)
        walk = _Walk(source.name, size, limits)
        walk.look(file, 0, size)
        walk.check()
