"""What a judge says: a number from 0 to 1 with a reason."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, NamedTuple

from vqe_core.errors import InputError

MAX_REASON = 300  # letters; a reason is a line beside the number


class Judgement(NamedTuple):
    """``score`` in [0, 1], 1 where the sound fits the picture as well as can be; ``reason`` on one line, or ""."""

    score: float
    reason: str = ""


def as_judgement(value: Any) -> Judgement:
    """A judgement from a number, or a number with a reason.

    Raises:
        InputError: no such thing, or a number outside [0, 1]; code ``bad_judgement``.
    """
    score, reason = value if isinstance(value, tuple | list) and len(value) == 2 else (value, "")
    number = isinstance(score, Real) and not isinstance(score, bool)
    if not number or not isinstance(reason, str | None):
        raise InputError(
            f"a judgement ({str(value)[:60]!r}) must be a number from 0 to 1, or (number, reason)", code="bad_judgement"
        )
    if not (math.isfinite(score) and 0 <= score <= 1):
        raise InputError(f"a judgement ({score}) must be a number from 0 to 1", code="bad_judgement")
    return Judgement(float(score), one_line(reason or ""))


def one_line(reason: str) -> str:
    """A reason on one line, cut where it is long, and with no letter that a file cannot hold."""
    line = " ".join(reason.encode("utf-8", "replace").decode("utf-8").split())
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 1] + "…"
