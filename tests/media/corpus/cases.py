"""Cases of the corpus: how a file is made, and the result it must have.

Conventions: seconds count from the start of the file as FFmpeg does it, the earliest start of its streams; a span is
``[from, to)``; a code is the ``status`` of a row, and "ok" is not one of them: what scores has frames or tones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clips import frame_times


@dataclass(frozen=True)
class Frames:
    """The frames that a video shows.

    Attributes:
        shown: (seconds, number) of each, in order. A number of None is not looked at, where a frame is too small to
            carry one.
        sizes: (width, height) that occur, in order of appearance; empty: not looked at.
        within: seconds by which times may differ: what the container rounds, or an encoder shifts.
        end: seconds at which the last frame leaves the screen; None: not looked at.
    """

    shown: tuple[tuple[float, int | None], ...]
    sizes: tuple[tuple[int, int], ...] = ()
    within: float = 0.0015
    end: float | None = None


@dataclass(frozen=True)
class Tones:
    """The sound that must be heard.

    Attributes:
        spans: (from, to, k): the tone of second k; k of None is silence.
        within: seconds by which the first and the last moment may differ: what encoders add, and containers round.
        exact: the samples are those of a plain decoding too, one after the other.
    """

    spans: tuple[tuple[float, float, int | None], ...]
    within: float = 0.06
    exact: bool = True


def numbered(count: int = 30, fps: float = 10, start: float = 0.0, first: int = 0, **options: Any) -> Frames:
    """Return frames ``first``, ``first + 1`` ... at a constant rate from ``start`` (s) on."""
    times = frame_times(count, fps)
    return Frames(tuple((start + time, first + n) for n, time in enumerate(times)), **options)


def at(times: Iterable[float], **options: Any) -> Frames:
    """Return frames 0, 1, 2 ... at these seconds."""
    return Frames(tuple((time, n) for n, time in enumerate(times)), **options)


def heard(seconds: float = 3.0, start: float = 0.0, first: int = 0, **options: Any) -> Tones:
    """Return the tones of seconds ``first``, ``first + 1`` ..., heard from ``start`` (s) on."""
    whole = int(seconds)
    spans = [(start + k, start + k + 1, first + k) for k in range(whole)]
    if seconds > whole:
        spans.append((start + whole, start + seconds, first + whole))
    return Tones(tuple(spans), **options)


@dataclass(frozen=True)
class Case:
    """One file or input.

    Attributes:
        name: of the file, unique.
        what: it is, in a line.
        make: writes the file to a path, and returns what a row would hold if that is not the path.
        video: what reading it as a video must give: frames, one code, or codes of which any is right.
        sound: what reading its sound must give; None: not tried.
        warned: codes of warnings of which a row must carry one; any other is wrong, but for ``may_warn``.
        may_warn: codes that are allowed besides.
        plain: a plain forward decoding by PyAV gives the same frames, pixels and times. Not where a clock is mended,
            an image turned or alpha shown.
        slow: takes more than a second to make or to read.
        needs: FFmpeg encoders.
    """

    name: str
    what: str
    make: Callable[[Path], Any]
    video: Frames | str | tuple[str, ...] | None = None
    sound: Tones | str | tuple[str, ...] | None = None
    warned: frozenset[str] = frozenset()
    may_warn: frozenset[str] = frozenset()
    plain: bool = True
    slow: bool = False
    needs: tuple[str, ...] = ()


CASES: dict[str, Case] = {}


def add(case: Case) -> None:
    """Put a case into the corpus."""
    if case.name in CASES:
        raise ValueError(f"two files are called {case.name!r}")
    CASES[case.name] = case


def case(name: str, what: str, **expected: Any) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    """Put a file into the corpus that the decorated function makes; see `Case`."""

    def decorate(make: Callable[[Path], Any]) -> Callable[[Path], Any]:
        add(Case(name, what, make, **expected))
        return make

    return decorate


def all_cases() -> list[Case]:
    """Return every case of every family."""
    from tests.media.corpus import bombs, clocks, codecs, containers, damage, images, inputs, sounds, tracks  # noqa: F401

    return list(CASES.values())
