"""One clock for a file: where its second 0 is, and what follows where its times jump.

Conventions: second 0 is the start of the file as FFmpeg counts it, the earliest start of its streams. Images, audio,
segments and sound files beside a video are all on that clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition

from vqe_core.types import RowWarning

# Seconds. FFmpeg's own thresholds (``-dts_delta_threshold``, and a tenth of a second back) in formats whose clock may
# start anew, as where recordings are joined.
FORWARD_JUMP = 10.0
BACKWARD_JUMP = 0.1

# Bytes of a file within which the packets of one stream may come out later than their place, and how many may wait.
_REORDERED_BYTES, _REORDERED_PACKETS = 4 * 2**20, 2_000


@dataclass
class ClockRepair:
    """Follow the times of a file's packets, and tell by how much those after a jump are to be moved.

    A jump is a step of more than 10 s forward that no other stream makes good, or of more than .1 s back. What comes
    after it follows where everything before it ended, in all streams by the same shift. One stream that pauses while
    another goes on has a gap, which is content.

    Attributes:
        shift: seconds to add to times.
        jumps: how often the clock has jumped so far.

    Example:
        >>> repair = ClockRepair()
        >>> [float(repair.place(0, Fraction(time), Fraction(1))) for time in (0, 1, 2, 1000, 1001)]
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """

    shift: Fraction = Fraction(0)
    jumps: int = 0
    _next: dict[int, Fraction] = field(default_factory=dict)  # by stream: where its next packet belongs
    _last: dict[int, Fraction] = field(default_factory=dict)
    _step: dict[int, Fraction] = field(default_factory=dict)
    _end: Any = None  # where everything so far ends

    def place(self, stream: int, time: Fraction, duration: Fraction, shown: Fraction | None = None) -> Fraction:
        """Return the repaired time of the next packet.

        Args:
            stream: its index.
            time: decoding time, seconds as the file has it.
            duration: seconds, 0 where it is not known; then the step from the packet before counts.
            shown: presentation time, seconds as the file has it. Default: as ``time``.
        """
        shown = time if shown is None else shown
        if self._jumped(stream, time + self.shift):
            self.shift = self._end - shown
            self.jumps += 1
        elif not duration and stream in self._last:
            self._step[stream] = max(time + self.shift - self._last[stream], Fraction(0))
        duration = duration or self._step.get(stream, Fraction(0))
        placed = time + self.shift
        self._last[stream], self._next[stream] = placed, placed + duration
        end = shown + self.shift + duration
        self._end = end if self._end is None else max(self._end, end)
        return placed

    def _jumped(self, stream: int, placed: Fraction) -> bool:
        if stream in self._last and placed < self._last[stream] - BACKWARD_JUMP:
            return True
        # Also the first packet of a stream is expected near the others.
        return bool(self._next) and all(abs(placed - expected) > FORWARD_JUMP for expected in self._next.values())


def in_file_order(packets: Iterable[Any], streams: int) -> Iterator[Any]:
    """Return packets by their place in the file, those of each stream in the order they come.

    A demuxer hands out the last image of a recording only when the next one begins, so after the first sound of the
    next.

    Args:
        packets: with ``stream_index`` and ``pos`` (bytes, or None), of several streams.
        streams: how many streams.
    """
    places: dict[int, int] = {}
    waiting: list[tuple[int, int, Any]] = []
    damage: av.FFmpegError | None = None
    try:
        for number, packet in enumerate(packets):
            index = packet.stream_index
            place = places[index] = max(packet.pos or 0, places.get(index, 0))
            heapq.heappush(waiting, (place, number, packet))
            passed = min(places.values()) if len(places) == streams else 0
            passed = max(passed, place - _REORDERED_BYTES)
            while waiting and (waiting[0][0] < passed or len(waiting) > _REORDERED_PACKETS):
                yield heapq.heappop(waiting)[2]
    except av.FFmpegError as error:
        damage = error
    while waiting:
        yield heapq.heappop(waiting)[2]
    if damage is not None:
        raise damage


@dataclass
class FileClock:
    """The clock of one open file.

    Attributes:
        container: open for reading, nothing read yet.
        streams: those that are read of it, video or audio or both; the same ones whichever of them is decoded, so that
            both are moved alike.
        origin: seconds on the container's own clock at which the file starts.
        repair: where the container's clock may jump, else None.
    """

    container: InputContainer
    streams: tuple[Any, ...]
    origin: Fraction
    repair: ClockRepair | None

    @classmethod
    def of(cls, container: InputContainer, streams: Sequence[Any]) -> FileClock:
        """Return the clock of a file that was just opened."""
        jumps = bool(container.format.flags & Flags.ts_discont.value)
        # Programmes of one transport stream have clocks of their own.
        origin = _earliest(streams if jumps else container.streams)
        return cls(container, tuple(streams), origin, ClockRepair() if jumps else None)

    @property
    def warnings(self) -> tuple[RowWarning, ...]:
        """Warnings of the packets read so far."""
        jumps = self.repair.jumps if self.repair is not None else 0
        if not jumps:
            return ()
        words = f"the file's clock jumps {jumps} times, as in joined recordings; each part follows the one before it"
        return (RowWarning(words.replace(" 1 times", " once"), code="clock_jumps", count=jumps),)

    def seconds(self, ticks: int | None, base: Any) -> float | None:
        """Return the time (s) of ``ticks`` of ``base`` (s), None where either is not stated.

        The same ticks give the same float everywhere, so times can be compared with ``==``.
        """
        if ticks is None or not base:
            return None
        start, parts = self.origin.numerator, self.origin.denominator
        return (ticks * base.numerator * parts - start * base.denominator) / (base.denominator * parts)

    def packets(self) -> Iterator[Any]:
        """Return the packets of all ``streams`` that have content, with times repaired, which their frames then have.

        Raises:
            av.FFmpegError: the file cannot be read on.
        """
        packets = (packet for packet in self.container.demux(*self.streams) if packet.size)
        if self.repair is None:
            yield from packets
            return
        several = len(self.streams) > 1
        for packet in in_file_order(packets, len(self.streams)) if several else packets:
            self._move(packet, self.repair)
            yield packet

    def _move(self, packet: Any, repair: ClockRepair) -> None:
        base, ticks = packet.time_base, packet.dts if packet.dts is not None else packet.pts
        if not base:
            return
        base = Fraction(base.numerator, base.denominator)
        if ticks is not None:
            shown = None if packet.pts is None else packet.pts * base
            repair.place(packet.stream_index, ticks * base, (packet.duration or 0) * base, shown)
        moved = round(repair.shift / base)
        if moved:
            packet.pts = None if packet.pts is None else packet.pts + moved
            packet.dts = None if packet.dts is None else packet.dts + moved


def _earliest(streams: Iterable[Any]) -> Fraction:
    """Return the earliest start (s) of the streams that are seen or heard; cover art is neither."""
    starts = [
        stream.start_time * Fraction(stream.time_base.numerator, stream.time_base.denominator)
        for stream in streams
        if stream.type in ("video", "audio")
        and stream.start_time is not None
        and stream.time_base
        and not stream.disposition & Disposition.attached_pic
    ]
    return min(starts, default=Fraction(0))
