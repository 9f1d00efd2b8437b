"""The clauses of an English caption that tells one event after another."""

from __future__ import annotations

import re

THEN = re.compile(r"[,;.]?\s+(?:and\s+)?(?:then|after that|afterwards)\b,?\s+", re.IGNORECASE)
FIRST = re.compile(r"^\s*(?:at first|first)\b,?\s+", re.IGNORECASE)


def clauses(text: str) -> tuple[str, ...]:
    """Return the parts of a caption that tell events in their order; the text itself where it tells one.

    Args:
        text: a caption without a prompt. Only ``then``, ``after that`` and ``afterwards`` part it: other words, and
            other languages, leave it whole.

    Example:
        >>> clauses("first a red star spins and then two dots rise on a dark background")
        ('a red star spins', 'two dots rise on a dark background')
        >>> clauses("a man who was then young")
        ('a man who was then young',)
    """
    parts = [part.strip() for part in THEN.split(FIRST.sub("", text))]
    told = len(parts) > 1 and all(len(part.split()) > 1 for part in parts)
    return tuple(parts) if told else (text,)
