"""One clock for a file: where its second 0 is, and what follows where its times jump.

Conventions: second 0 is the start of the file as FFmpeg counts it, the earliest start of its streams. Images, audio,
segments and sound files beside a video are all on that clock.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import av
from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition

from vqe_core.types import RowWarning

# Seconds. FFmpeg's own thresholds (``-dts_delta_threshold``, and a tenth of a second back) in formats whose clock may
# start anew, as where recordings are joined.
FORWARD_JUMP = 10.0
BACKWARD_JUMP = 0.1

# A stream that jumps waits so long for the others to jump too: seconds of theirs, and packets of its own.
_PATIENCE_SECONDS, _PATIENCE_PACKETS = 30.0, 2_000

# Packets of a stream that may come between two clocks, such as one whose time has not been wrapped yet.
_LOOKED_AT = 20

# Seconds that may still come of a stream that has ended: demuxers hand streams out a little apart.
_STILL_SECONDS = 1.0


class TimedPacket(NamedTuple):
    """A packet with its times, ticks as the file has them; see `ClockRepair`.

    Attributes:
        stream: its index.
        time: decoding time.
        shown: presentation time.
        duration: 0 where it is not known; then the step from the packet before counts.
        item: the packet itself.
    """

    stream: int
    time: int
    shown: int
    duration: int = 0
    item: Any = None


@dataclass
class _StreamClock:
    """State of one stream; times as the file has them."""

    shift: int = 0
    last: int | None = None
    step: int = 0
    waiting: deque[TimedPacket] = field(default_factory=deque)
    waits_since: int = 0  # where the other streams were then

    @property
    def expected(self) -> int | None:
        """Time of the next packet."""
        return None if self.last is None else self.last + self.step


class ClockRepair:
    """Move the packets of a file whose clock jumps, so that each part follows where everything before it ended.

    A jump is a step of more than 10 s forward or .1 s back that all streams make; they are all moved by the same
    shift. A stream that pauses while the others go on has a gap, which is content. A stream that jumps by more than
    10 s while the others do not, has a damaged clock and goes on where it was.

    Args:
        streams: indices of the streams whose packets will come.
        second: ticks of a second; all times are whole ticks.

    Example:
        >>> repair = ClockRepair([0], second=1)
        >>> packets = [TimedPacket(0, time, time) for time in (0, 1, 2, 1000, 1001)]
        >>> [packet.time + shift for packet, shift in repair.repaired(packets)], repair.jumps
        ([0, 1, 2, 3, 4], 1)
    """

    def __init__(self, streams: Iterable[int], second: int) -> None:
        self.jumps = 0
        self._clocks = {stream: _StreamClock() for stream in streams}
        self._end: int | None = None  # where everything handed out so far ends, repaired
        self._forward, self._backward = FORWARD_JUMP * second, BACKWARD_JUMP * second
        self._patience, self._still = _PATIENCE_SECONDS * second, _STILL_SECONDS * second

    def repaired(self, packets: Iterable[TimedPacket]) -> Iterator[tuple[TimedPacket, int]]:
        """Return each packet with the ticks to add to its times.

        Args:
            packets: in the order of a demuxer, which may hand out one stream ahead of another.
        """
        for packet in packets:
            clock = self._clocks[packet.stream]
            if clock.waiting or self._jumps(clock, packet):
                if not clock.waiting:
                    clock.waits_since = max(self._expected_of_others(clock), default=0)
                clock.waiting.append(packet)
                yield from self._settle(ended=False)
            else:
                yield self._placed(clock, packet)
                if any(other.waiting for other in self._clocks.values()):
                    yield from self._settle(ended=False)
        yield from self._settle(ended=True)

    def _jumps(self, clock: _StreamClock, packet: TimedPacket) -> bool:
        if self._end is None:
            return True  # what the file begins with is told by all streams, as by any part
        if clock.last is not None and packet.time < clock.last - self._backward:
            return True
        # The first packet of a stream is expected near the other streams.
        own = clock.expected
        near = self._expected_of_others(clock) if own is None else [own]
        return bool(near) and all(abs(packet.time - time) > self._forward for time in near)

    def _expected_of_others(self, clock: _StreamClock) -> list[int]:
        others = (other.expected for other in self._clocks.values() if other is not clock)
        return [time for time in others if time is not None]

    def _placed(self, clock: _StreamClock, packet: TimedPacket) -> tuple[TimedPacket, int]:
        if packet.duration:
            clock.step = packet.duration
        elif clock.last is not None and 0 < packet.time - clock.last <= self._forward:
            clock.step = packet.time - clock.last
        clock.last = packet.time
        end = packet.shown + clock.shift + clock.step
        self._end = end if self._end is None else max(self._end, end)
        return packet, clock.shift

    def _settle(self, *, ended: bool) -> Iterator[tuple[TimedPacket, int]]:
        """Decide about packets that wait, as far as what came tells, and hand them out.

        Args:
            ended: no more will come.
        """
        while waiting := [clock for clock in self._clocks.values() if clock.waiting]:
            together = len(waiting) == len(self._clocks)
            begin = _meeting(waiting, self._forward) if together else None
            if begin is not None:
                yield from self._strays(waiting, begin)
                self._follow(begin)
            elif together and not (ended or max(len(clock.waiting) for clock in waiting) > _PATIENCE_PACKETS):
                return
            elif self._decide(waiting[0], ended):
                waiting = waiting[:1]
            else:
                return
            for clock in waiting:
                yield self._placed(clock, clock.waiting.popleft())
                while clock.waiting and not self._jumps(clock, clock.waiting[0]):
                    yield self._placed(clock, clock.waiting.popleft())

    def _strays(self, waiting: Sequence[_StreamClock], begin: int) -> Iterator[tuple[TimedPacket, int]]:
        """Hand out packets before a part that begins at ``begin`` which are on neither clock; they go to its start."""
        end = begin if self._end is None else self._end
        for clock in waiting:
            while abs(clock.waiting[0].time - begin) > self._forward and len(clock.waiting) > 1:
                packet = clock.waiting.popleft()
                yield packet, end - packet.shown

    def _follow(self, begin: int) -> None:
        """Let the part that begins at ``begin`` follow where everything before it ended."""
        if self._end is None:  # it is the first part
            return
        self.jumps += 1
        for clock in self._clocks.values():
            clock.shift = self._end - begin

    def _decide(self, clock: _StreamClock, ended: bool) -> bool:
        """Tell whether the first packet that waits in a stream can be handed out, others not having jumped."""
        first, others = clock.waiting[0], self._expected_of_others(clock)
        back = clock.last is not None and first.time < clock.last
        if not back and any(abs(first.time - time) <= self._forward for time in others):
            return True  # the others have gone on to where it is
        went_on = max(others, default=0) - clock.waits_since
        if not (ended or went_on > self._patience or len(clock.waiting) > _PATIENCE_PACKETS):
            return False
        if went_on <= self._still:  # the others are at their end
            self._follow(first.shown)
        elif clock.expected is not None and abs(first.time - clock.expected) > self._forward:
            self.jumps += 1
            clock.shift += clock.expected - first.time
        return True


def _meeting(waiting: Sequence[_StreamClock], apart: float) -> int | None:
    """Return where a part begins in which all streams go on near each other, None where they do not (yet).

    Args:
        waiting: streams with packets that wait.
        apart: ticks; streams that are further apart are not near.
    """
    # No more than a few: this is asked for each packet that waits.
    queues = [list(itertools.islice(clock.waiting, _LOOKED_AT)) for clock in waiting]
    for first in queues[0]:
        near = [next((p.shown for p in queue if abs(p.time - first.time) <= apart), None) for queue in queues]
        begins = [shown for shown in near if shown is not None]
        if len(begins) == len(queues):
            return min(begins)
    return None


@dataclass
class FileClock:
    """The clock of one open file.

    Attributes:
        container: open for reading, nothing read yet.
        streams: those that are read of it, video or audio or both; the same ones whichever of them is decoded, so that
            both are moved alike.
        origin: seconds on the container's own clock at which the file starts.
        repair: where the container's clock may jump, else None.
        second: ticks in which ``repair`` counts; whole numbers of them make the ticks of every stream.
    """

    container: InputContainer
    streams: tuple[Any, ...]
    origin: Fraction
    repair: ClockRepair | None
    second: int = 1

    @classmethod
    def of(cls, container: InputContainer, streams: Sequence[Any]) -> FileClock:
        """Return the clock of a file that was just opened."""
        jumps = Flags.ts_discont in Flags(container.format.flags)
        # Programmes of one transport stream have clocks of their own.
        origin = _earliest(streams if jumps else container.streams)
        second = math.lcm(*(stream.time_base.denominator for stream in streams if stream.time_base))
        repair = ClockRepair((stream.index for stream in streams), second) if jumps else None
        return cls(container, tuple(streams), origin, repair, second)

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

    def packets(self, *, every_stream: bool = False) -> Iterator[Any]:
        """Return the packets that have content, with repaired times, which their frames then have.

        Args:
            every_stream: also those of streams that are not read, where no times are repaired.

        Raises:
            av.FFmpegError: the file cannot be read on.
        """
        every_stream = every_stream and self.repair is None
        demuxed = self.container.demux() if every_stream else self.container.demux(*self.streams)
        packets = (packet for packet in demuxed if packet.size)
        if self.repair is None:
            return packets
        return self._moved(packets, self.repair)

    def _moved(self, packets: Iterator[Any], repair: ClockRepair) -> Iterator[Any]:
        damage: list[av.FFmpegError] = []
        for timed, shift in repair.repaired(self._timed(packets, damage)):
            packet = timed.item
            if shift and packet.time_base:
                ticks = round(shift / self._ticks(packet.time_base))
                packet.pts = None if packet.pts is None else packet.pts + ticks
                packet.dts = None if packet.dts is None else packet.dts + ticks
            yield packet
        if damage:
            raise damage[0]

    def _ticks(self, base: Any) -> int:
        return int(base.numerator * (self.second // base.denominator))

    def _timed(self, packets: Iterator[Any], damage: list[av.FFmpegError]) -> Iterator[TimedPacket]:
        """Return packets with their times; a packet without has those of the one before it in its stream.

        Args:
            packets: of the demuxer.
            damage: an error that ends them is put here, as what came before it is still to be handed out.
        """
        guessed = self.container.format.name == "mpeg"  # its packets need not have times
        latest: dict[int, int] = {}
        each = {stream.index: self._ticks(stream.time_base) for stream in self.streams if stream.time_base}
        try:
            for packet in packets:
                stream, shown, time = packet.stream_index, packet.pts, packet.dts
                ticks = each.get(stream)
                if (shown is None and time is None) or ticks is None:
                    at = latest.get(stream, 0)
                    yield TimedPacket(stream, at, at, 0, packet)
                    continue
                shown, time = time if shown is None else shown, shown if time is None else time
                if guessed and abs(shown - time) * ticks > FORWARD_JUMP * self.second:
                    # FFmpeg takes the missing time of an image from the one after it, across a jump too.
                    shown = packet.pts = time + (packet.duration or 0)
                latest[stream] = time * ticks
                yield TimedPacket(stream, time * ticks, shown * ticks, (packet.duration or 0) * ticks, packet)
        except av.FFmpegError as error:
            damage.append(error)


def _ratio(base: Any) -> Fraction:
    return Fraction(base.numerator, base.denominator)


def _earliest(streams: Iterable[Any]) -> Fraction:
    """Return the earliest start (s) of the streams that are seen or heard; cover art is neither."""
    starts = [
        stream.start_time * _ratio(stream.time_base)
        for stream in streams
        if stream.type in ("video", "audio")
        and stream.start_time is not None
        and stream.time_base
        and not stream.disposition & Disposition.attached_pic
    ]
    return min(starts, default=Fraction(0))
