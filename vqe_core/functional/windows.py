"""Windows over the time that image and sound share.

Task: which stretches of a clip are compared, image with sound?
Conventions: times in seconds, ranges half-open ``[start, end)``; axis S windows.
Metrics: ``common_span``, ``window_bounds``.
Source: own; 2 s windows every 0.5 s give the windows of JavisScore (Liu et al., "JavisDiT", 2025).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vqe_core.errors import InputError

# Far below one audio sample, far above the rounding of container times.
TIME_TOLERANCE = 1e-6

Span = tuple[float, float]


class CommonSpan(NamedTuple):
    """The time both streams cover, in seconds, half-open.

    Attributes:
        start, end: the common span.
        video_only: parts of the image without sound, in order; at most one before and one after.
        audio_only: parts of the sound without image, likewise.
    """

    start: float
    end: float
    video_only: tuple[Span, ...]
    audio_only: tuple[Span, ...]


def common_span(video_start: float, video_end: float, *, audio_start: float, audio_end: float) -> CommonSpan:
    """Return the time that image and sound share, and what is left over.

    Args:
        video_start, video_end: seconds, half-open, on the container's clock; may be negative.
        audio_start, audio_end: likewise.

    Returns:
        ``CommonSpan``; left-over parts of less than a microsecond are not listed.

    Raises:
        InputError: a time is not finite, a stream is empty, or the two do not overlap (code ``no_overlap``).

    Moving all four times together moves the result and changes nothing else.

    Source:
        Own; a sound track often starts late or ends early in its container.

    Example:
        >>> common_span(0.0, 10.0, audio_start=0.5, audio_end=12.0)
        CommonSpan(start=0.5, end=10.0, video_only=((0.0, 0.5),), audio_only=((10.0, 12.0),))
    """
    _check_span("video", video_start, video_end)
    _check_span("audio", audio_start, audio_end)
    start, end = max(video_start, audio_start), min(video_end, audio_end)
    if end - start <= TIME_TOLERANCE:
        raise InputError(
            f"the image covers [{video_start:g}, {video_end:g}) s and the sound [{audio_start:g}, {audio_end:g}) s; "
            "they must overlap: give a sound of the same time, or shift its start",
            code="no_overlap",
        )

    def left_over(low: float, high: float) -> tuple[Span, ...]:
        parts = ((low, min(high, start)), (max(low, end), high))
        return tuple(part for part in parts if part[1] - part[0] > TIME_TOLERANCE)

    return CommonSpan(start, end, left_over(video_start, video_end), left_over(audio_start, audio_end))


def window_bounds(start: float, end: float, *, window: float, hop: float, min_tail: float = 0.5) -> Tensor:
    """Return windows over ``[start, end)``, none of them padded.

    A window starts every ``hop`` seconds as long as it fits. What then remains uncovered at the end is the
    tail: if it lasts ``min_tail`` or more, one more window is added, shifted back so that it ends at ``end``;
    a shorter tail is dropped. A span shorter than ``window`` gives one window of the span's length.

    Args:
        start, end: seconds, half-open; may be negative.
        window: seconds.
        hop: seconds from one start to the next. With ``hop`` > ``window`` the gaps between windows are wanted,
            so the tail begins where the next window would.
        min_tail: seconds. Default 0.5.

    Returns:
        Float64 (S, 2), start and end of each window, S >= 1, starts rising by ``hop`` except for the last.

    Raises:
        InputError: the span is empty, a time is not finite, ``window`` or ``hop`` is not positive, or
            ``min_tail`` is negative.

    All windows lie in ``[start, end)`` and have one length.

    Source:
        Own; padding would change what the encoder hears.

    Example:
        >>> window_bounds(0.0, 25.0, window=10.0, hop=10.0).tolist()
        [[0.0, 10.0], [10.0, 20.0], [15.0, 25.0]]
        >>> window_bounds(0.0, 3.0, window=10.0, hop=10.0).tolist()
        [[0.0, 3.0]]
    """
    _check_span("span", start, end)
    for name, value in (("window", window), ("hop", hop)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} ({value}) must be a positive number of seconds")
    if not (math.isfinite(min_tail) and min_tail >= 0):
        raise InputError(f"min_tail ({min_tail}) must be 0 or more seconds")
    if end - start <= window + TIME_TOLERANCE:
        return torch.tensor([[start, end]], dtype=torch.float64)
    count = math.floor((end - start - window + TIME_TOLERANCE) / hop) + 1
    starts = [start + i * hop for i in range(count)]
    tail = end - max(starts[-1] + window, start + count * hop)
    if tail > TIME_TOLERANCE and tail >= min_tail - TIME_TOLERANCE:
        starts.append(end - window)
    return torch.tensor([[low, min(low + window, end)] for low in starts], dtype=torch.float64)


def _check_span(name: str, start: float, end: float) -> None:
    if not (math.isfinite(start) and math.isfinite(end)):
        raise InputError(f"{name} start ({start}) and end ({end}) must be finite numbers of seconds")
    if end - start <= TIME_TOLERANCE:
        raise InputError(f"{name} end ({end}) must be greater than its start ({start}), both in seconds")
