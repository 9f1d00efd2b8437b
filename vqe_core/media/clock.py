"""One clock for a file: where its second 0 is, and what follows where its times jump.

Conventions: second 0 is the start of the file as FFmpeg counts it, the earliest start of its streams. Images, audio,
segments and sound files beside a video are all on that clock.
"""

from __future__ import annotations

import itertools
from collections import deque
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

# A stream that jumps waits so long for the others to jump too: seconds of theirs, and packets of its own.
_PATIENCE_SECONDS, _PATIENCE_PACKETS = 30.0, 2_000

# Packets of a stream that may come between two clocks, such as one whose time has not been wrapped yet.
_LOOKED_AT = 20

# Seconds that may still come of a stream that has ended: demuxers hand streams out a little apart.
_STILL_SECONDS = 1.0


@dataclass(frozen=True)
class TimedPacket:
    """A packet with its times, seconds as the file has them.

    Attributes:
        stream: its index.
        time: decoding time.
        shown: presentation time.
        duration: 0 where it is not known; then the step from the packet before counts.
        item: the packet itself.
    """

    stream: int
    time: Fraction
    shown: Fraction
    duration: Fraction = Fraction(0)
    item: Any = None


@dataclass
class _StreamClock:
    """State of one stream; times as the file has them."""

    shift: Fraction = Fraction(0)
    last: Fraction | None = None
    step: Fraction = Fraction(0)
    waiting: deque[TimedPacket] = field(default_factory=deque)
    waits_since: Fraction = Fraction(0)  # where the other streams were then

    @property
    def expected(self) -> Fraction | None:
        """Time of the next packet."""
        return None if self.last is None else self.last + self.step


class ClockRepair:
    """Move the packets of a file whose clock jumps, so that each part follows where everything before it ended.

    A jump is a step of more than 10 s forward or .1 s back that all streams make; they are all moved by the same
    shift. A stream that pauses while the others go on has a gap, which is content. A stream that jumps by more than
    10 s while the others do not, has a damaged clock and goes on where it was.

    Args:
        streams: indices of the streams whose packets will come.

    Example:
        >>> repair = ClockRepair([0])
        >>> packets = [TimedPacket(0, Fraction(time), Fraction(time)) for time in (0, 1, 2, 1000, 1001)]
        >>> [float(packet.time + shift) for packet, shift in repair.repaired(packets)], repair.jumps
        ([0.0, 1.0, 2.0, 3.0, 4.0], 1)
    """

    def __init__(self, streams: Iterable[int]) -> None:
        self.jumps = 0
        self._clocks = {stream: _StreamClock() for stream in streams}
        self._end: Fraction | None = None  # where everything handed out so far ends, repaired

    def repaired(self, packets: Iterable[TimedPacket]) -> Iterator[tuple[TimedPacket, Fraction]]:
        """Return each packet with the seconds to add to its times.

        Args:
            packets: in the order of a demuxer, which may hand out one stream ahead of another.
        """
        for packet in packets:
            clock = self._clocks[packet.stream]
            if clock.waiting or self._jumps(clock, packet):
                if not clock.waiting:
                    clock.waits_since = max(self._expected_of_others(clock), default=Fraction(0))
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
        if clock.last is not None and packet.time < clock.last - BACKWARD_JUMP:
            return True
        # The first packet of a stream is expected near the other streams.
        own = clock.expected
        near = self._expected_of_others(clock) if own is None else [own]
        return bool(near) and all(abs(packet.time - time) > FORWARD_JUMP for time in near)

    def _expected_of_others(self, clock: _StreamClock) -> list[Fraction]:
        others = (other.expected for other in self._clocks.values() if other is not clock)
        return [time for time in others if time is not None]

    def _placed(self, clock: _StreamClock, packet: TimedPacket) -> tuple[TimedPacket, Fraction]:
        if packet.duration:
            clock.step = packet.duration
        elif clock.last is not None and 0 < packet.time - clock.last <= FORWARD_JUMP:
            clock.step = packet.time - clock.last
        clock.last = packet.time
        end = packet.shown + clock.shift + clock.step
        self._end = end if self._end is None else max(self._end, end)
        return packet, clock.shift

    def _settle(self, *, ended: bool) -> Iterator[tuple[TimedPacket, Fraction]]:
        """Decide about packets that wait, as far as what came tells, and hand them out.

        Args:
            ended: no more will come.
        """
        while waiting := [clock for clock in self._clocks.values() if clock.waiting]:
            together = len(waiting) == len(self._clocks)
            begin = _meeting(waiting) if together else None
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

    def _strays(self, waiting: Sequence[_StreamClock], begin: Fraction) -> Iterator[tuple[TimedPacket, Fraction]]:
        """Hand out packets before a part that begins at ``begin`` which are on neither clock; they go to its start."""
        end = begin if self._end is None else self._end
        for clock in waiting:
            while abs(clock.waiting[0].time - begin) > FORWARD_JUMP and len(clock.waiting) > 1:
                packet = clock.waiting.popleft()
                yield packet, end - packet.shown

    def _follow(self, begin: Fraction) -> None:
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
        if not back and any(abs(first.time - time) <= FORWARD_JUMP for time in others):
            return True  # the others have gone on to where it is
        went_on = max(others, default=Fraction(0)) - clock.waits_since
        if not (ended or went_on > _PATIENCE_SECONDS or len(clock.waiting) > _PATIENCE_PACKETS):
            return False
        if went_on <= _STILL_SECONDS:  # the others are at their end
            self._follow(first.shown)
        elif clock.expected is not None and abs(first.time - clock.expected) > FORWARD_JUMP:
            self.jumps += 1
            clock.shift += clock.expected - first.time
        return True


def _meeting(waiting: Sequence[_StreamClock]) -> Fraction | None:
    """Return where a part begins in which all streams go on near each other, None where they do not (yet)."""
    # Floats, and no more than a few: this is asked for each packet that waits.
    queues = [[(float(packet.time), packet.shown) for packet in _first_few(clock.waiting)] for clock in waiting]
    for time, _ in queues[0]:
        near = [next((shown for other, shown in queue if abs(other - time) <= FORWARD_JUMP), None) for queue in queues]
        if None not in near:
            return min(near)  # type: ignore[type-var]
    return None


def _first_few(packets: Iterable[TimedPacket]) -> Iterator[TimedPacket]:
    return itertools.islice(packets, _LOOKED_AT)


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
        jumps = Flags.ts_discont in Flags(container.format.flags)
        # Programmes of one transport stream have clocks of their own.
        origin = _earliest(streams if jumps else container.streams)
        repair = ClockRepair(stream.index for stream in streams) if jumps else None
        return cls(container, tuple(streams), origin, repair)

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
        guessed = self.container.format.name == "mpeg"  # its packets need not have times
        for timed, shift in repair.repaired(_timed(packets, damage, guessed)):
            packet = timed.item
            if shift:
                ticks = round(shift / _ratio(packet.time_base))
                packet.pts = None if packet.pts is None else packet.pts + ticks
                packet.dts = None if packet.dts is None else packet.dts + ticks
            yield packet
        if damage:
            raise damage[0]


def _timed(packets: Iterator[Any], damage: list[av.FFmpegError], guessed: bool) -> Iterator[TimedPacket]:
    """Return packets with their times; a packet without has those of the one before it in its stream.

    Args:
        packets: of a demuxer.
        damage: an error that ends them is put here, as what came before it is still to be handed out.
        guessed: whether FFmpeg may have filled in times.
    """
    latest: dict[int, TimedPacket] = {}
    try:
        for packet in packets:
            base, stream = packet.time_base, packet.stream_index
            shown, time = packet.pts, packet.dts
            if (shown is None and time is None) or not base:
                before = latest.get(stream)
                at = before.time if before is not None else Fraction(0)
                yield TimedPacket(stream, at, at, Fraction(0), packet)
                continue
            shown, time = time if shown is None else shown, shown if time is None else time
            base = _ratio(base)
            if guessed and abs(shown - time) * base > FORWARD_JUMP:
                # FFmpeg takes the missing time of an image from the one after it, across a jump too.
                shown = packet.pts = time + (packet.duration or 0)
            latest[stream] = TimedPacket(stream, time * base, shown * base, (packet.duration or 0) * base, packet)
            yield latest[stream]
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
