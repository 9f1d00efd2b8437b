"""Which packets of a video must be decoded to get a few of its frames.

Pictures between two keyframes form a group; a decoder can start at any keyframe. So groups that hold no wanted
frame are not decoded, and a group is left after its last wanted frame.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from enum import Enum


class Feed(Enum):
    """What to do with a packet."""

    SKIP = "skip"  # no wanted frame needs it
    REFERENCE = "reference"  # decode it if other pictures refer to it; its own picture is not wanted
    TARGET = "target"  # its picture is wanted


class PacketPlan:
    """Decide packet by packet, in the order of the file, without looking ahead.

    An open group has pictures that are shown before its keyframe but stored after it, and that need the group
    before. They are recognised by being still missing when the keyframe comes, and the plan then runs on.

    Args:
        targets: presentation times (s) of the wanted frames, increasing.
        keyframes: presentation times (s) of the keyframes that are known, increasing. A missing one costs time,
            never a frame.
    """

    def __init__(self, targets: Sequence[float], keyframes: Sequence[float]) -> None:
        self._targets = targets
        self._keyframes = keyframes
        self._missing = set(targets)
        self._open: set[float] = set()  # wanted frames of the group being decoded, not fed yet

    @property
    def finished(self) -> bool:
        """True when every wanted packet has been fed."""
        return not self._missing

    def step(self, time: float, is_keyframe: bool) -> Feed:
        """What to do with the next packet.

        Args:
            time: its presentation time (s).
            is_keyframe: whether decoding can start at it.
        """
        if is_keyframe:
            # Wanted frames left from before this keyframe are shown before it but stored after it.
            self._open = {late for late in self._open if late < time} | self._wanted_in_group(time)
        if not self._open:
            return Feed.SKIP
        if time not in self._open:
            return Feed.REFERENCE
        self._open.discard(time)
        self._missing.discard(time)
        return Feed.TARGET

    def _wanted_in_group(self, keyframe: float) -> set[float]:
        following = bisect_right(self._keyframes, keyframe)
        end = self._keyframes[following] if following < len(self._keyframes) else math.inf
        first, last = bisect_left(self._targets, keyframe), bisect_left(self._targets, end)
        return self._missing.intersection(self._targets[first:last])
