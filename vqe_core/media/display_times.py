"""Put the times that decoded frames carry in order, and tell when the last one ends."""

from __future__ import annotations

import numpy as np


def display_times(clock: np.ndarray, numbered: bool, interval: float) -> tuple[np.ndarray, int]:
    """Times that do not decrease, for frames in the order of display.

    Args:
        clock: float64 (N,), seconds as the frames carry them; NaN for none.
        numbered: the times only number the frames in the order of decoding, as AVI does, so the n-th frame
            shown gets the n-th time.
        interval: seconds from one frame to the next where nothing else tells.

    Returns:
        float64 (N,) seconds, and how often the clock starts anew, as in joined recordings: the later part is
        moved to follow the earlier one. A single time that is out of order is put between its neighbours.
    """
    known = np.flatnonzero(~np.isnan(clock))
    if len(known) < len(clock):
        first = clock[known[0]] - known[0] * interval if len(known) else 0.0
        clock = np.where(np.isnan(clock), first + np.arange(len(clock)) * interval, clock)
    if numbered:
        return np.sort(clock), 0
    if np.all(np.diff(clock) >= 0):
        return clock, 0
    return _without_jumps(clock.tolist(), interval)


def _without_jumps(clock: list[float], interval: float) -> tuple[np.ndarray, int]:
    times = clock[:1]
    offset, restarts = 0.0, 0
    for number, time in enumerate(clock[1:], start=1):
        latest, time = times[-1], time + offset
        following = clock[number + 1] + offset if number + 1 < len(clock) else latest
        if time < latest < following:
            time = (latest + following) / 2
        elif time < latest:
            offset += latest + interval - time
            time = latest + interval
            restarts += 1
        times.append(time)
    return np.array(times, dtype=np.float64), restarts


def last_duration(times: np.ndarray, stated: float, interval: float) -> float:
    """Seconds that the last frame stays on screen.

    Args:
        times: float64 (N,) seconds, not decreasing.
        stated: what the file says, 0 for nothing.
        interval: what to assume if neither that nor the other frames tell.

    Returns:
        The stated duration, else that of the typical frame, else ``interval``.
    """
    if stated > 0:
        return stated
    typical = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return typical if typical > 0 else interval
