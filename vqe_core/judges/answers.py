"""The number in what a model says. Where it is not certain there is none: a wrong number is worse than none.

Models are told to answer in JSON, and many do not: words before it, a fence around it, a bare number, ``Score: 8/10``.
Neither ``response_format`` nor ``logprobs`` is relied on, as servers accept them and do nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from vqe_core.errors import InputError
from vqe_core.judges.judgement import Judgement, one_line

SCALE = 10.0  # of the number that the prompt asks for
MAX_LETTERS = 20_000  # of one answer; more is an answer to something else
EXCERPT = 200

_NUMBER = r"[-+]?[0-9]+(?:\.[0-9]+)?"
# Not a part of a longer number, a percentage, a share of another scale, or the beginning of a range.
_ENDS = r"(?![0-9]|[.,][0-9]|\s*%|\s*percent|\s*/\s*[0-9]|\s*out\s+of|\s*[-\u2013\u2014]\s*[0-9]|\s+(?:to|or)\s+[0-9])"
_OF_TEN = r"\s*(?:/|out\s+of)\s*10(?![0-9]|[.,][0-9])"
_AMOUNT = rf"({_NUMBER})(?:{_OF_TEN}|{_ENDS})"
_MARKS = r"[\"'*_`\s]*"
_LABELLED = re.compile(rf"\bscore\b{_MARKS}(?:[:=]|\bis\b|\bof\b){_MARKS}{_AMOUNT}", re.IGNORECASE)
_SHARE = re.compile(rf"(?<![\w.,/+\u2013\u2014-])({_NUMBER}){_OF_TEN}", re.IGNORECASE)
_ALONE = re.compile(rf"[\"'*_`\s]*{_AMOUNT}[\"'*_`\s.]*", re.IGNORECASE)
_THOUGHT = "</think>"


def read_judgement(text: object) -> Judgement:
    """The judgement in an answer; its number, from 0 to 10, becomes one from 0 to 1.

    Args:
        text: of the answer.

    Raises:
        InputError: no text, no number, several that differ, or one outside the scale; code ``bad_judgement``.
    """
    if not isinstance(text, str):
        raise _bad(f"the answer is no text but {type(text).__name__}")
    if len(text) > MAX_LETTERS:
        raise _bad(f"the answer has {len(text)} letters, more than {MAX_LETTERS}")
    said = text.rpartition(_THOUGHT)[2]  # what a model thinks before it answers is full of numbers
    if "<think>" in said:
        raise _bad("the answer ends within its thoughts; raise max_tokens")
    found = list(_verdicts(said))
    if found:
        return _agreed([number for number, _ in found], next((r for _, r in reversed(found) if r), ""), said)
    alone = _ALONE.fullmatch(said)
    if alone is not None:
        return _agreed([float(alone[1])], "", said)
    for pattern in (_LABELLED, _SHARE):
        numbers = [float(match[1]) for match in pattern.finditer(said)]
        if numbers:
            return _agreed(numbers, said, said)
    raise _bad(f"no score from 0 to {SCALE:g} in the answer {_excerpt(said)!r}")


def _verdicts(said: str) -> Iterator[tuple[float, str]]:
    """Number and reason of each JSON object with a score."""
    decoder, at = json.JSONDecoder(), said.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(said, at)
        except (ValueError, RecursionError):
            value, end = None, at + 1
        fields = {str(key).lower(): item for key, item in value.items()} if isinstance(value, dict) else {}
        number = _number(fields.get("score"))
        if number is not None:
            reason = fields.get("reason")
            yield number, reason if isinstance(reason, str) else ""
        # An object without a score may hold one that has it.
        at = said.find("{", end if number is not None else at + 1)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        match = _ALONE.fullmatch(value)
        return None if match is None else float(match[1])
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(min(value, 1e9))  # an integer may be too large for a float


def _agreed(numbers: list[float], reason: str, said: str) -> Judgement:
    if len(set(numbers)) > 1:
        raise _bad(f"several scores ({', '.join(f'{n:g}' for n in numbers[:4])}) in the answer {_excerpt(said)!r}")
    (number,) = set(numbers)
    if not 0 <= number <= SCALE:  # NaN too
        raise _bad(f"the score {number:g} is not from 0 to {SCALE:g} in the answer {_excerpt(said)!r}")
    return Judgement(number / SCALE, one_line(reason))


def _excerpt(said: str) -> str:
    return one_line(said)[:EXCERPT]


def _bad(why: str) -> InputError:
    return InputError(why, code="bad_judgement")
