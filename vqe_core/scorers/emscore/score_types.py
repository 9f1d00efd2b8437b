"""Score types and metrics of EMScore, and which the inputs allow. Imports no torch: ``--help`` reads this file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from vqe_core.errors import InputError, InputTypeError
from vqe_core.options import did_you_mean
from vqe_core.scorers.rows import CaptionRow
from vqe_core.types import RowWarning

# The metrics of each score type, see ``vqe_core.functional.emscore.EMScores``.
METRICS = ("figr_P", "figr_R", "figr_F", "cogr", "full_P", "full_R", "full_F")
FINE_GRAINED_METRICS = tuple(name for name in METRICS if name != "cogr")

# What each row says of its place among other rows' videos, by ``against_chance``.
CHANCE_COLUMNS = ("percentile", "rank", "z")

VIDEO, REFERENCE, BOTH = SCORE_TYPES = ("EMScore(X,V)", "EMScore(X,X*)", "EMScore(X,V,X*)")
# The same without a sign that a shell reads.
ALIASES = {"xv": VIDEO, "xr": REFERENCE, "xvr": BOTH}
# What each needs beside the captions.
NEEDED_COLUMNS = {VIDEO: ("videos",), REFERENCE: ("references",), BOTH: ("videos", "references")}


def chosen_names(option: str, value: Any, allowed: Sequence[str]) -> tuple[str, ...] | None:
    """Return the distinct names in ``value`` (one, several, or None for None), in the order given.

    An alias, such as ``"xv"``, stands for the name of a score type.

    Raises:
        InputError: a name that is not among ``allowed``, or none at all.

    Example:
        >>> chosen_names("score_types", ["xv", "EMScore(X,X*)"], SCORE_TYPES)
        ('EMScore(X,V)', 'EMScore(X,X*)')
    """
    if value is None:
        return None
    if not isinstance(value, str | Iterable):
        raise InputTypeError(f"{option} ({value!r}) must be a name or a list of names among {', '.join(allowed)}")
    chosen = (value,) if isinstance(value, str) else tuple(value)
    chosen = tuple(full_name(item) for item in chosen)
    wrong = next((item for item in chosen if item not in allowed), None)
    if not chosen or wrong is not None:
        near = did_you_mean(wrong, (*allowed, *ALIASES) if VIDEO in allowed else allowed)
        raise InputError(f"{option} ({value!r}) must be among {', '.join(allowed)}{near}")
    return tuple(dict.fromkeys(chosen))


def full_name(name: Any) -> Any:
    """Return the name of a score type, or of one of its scores, that an alias stands for; any other as it is.

    Example:
        >>> full_name("xvr"), full_name("XV_full_F"), full_name("cogr")
        ('EMScore(X,V,X*)', 'EMScore(X,V)_full_F', 'cogr')
    """
    kind, mark, metric = name.partition("_") if isinstance(name, str) else ("", "", "")
    known = kind.lower() in ALIASES and metric in ("", *METRICS, *CHANCE_COLUMNS)
    return ALIASES[kind.lower()] + mark + metric if known else name


@cache  # asked for every row
def available_score_types(requested: tuple[str, ...] | None, given: frozenset[str]) -> tuple[str, ...]:
    """Return the score types asked for, or all that the ``given`` columns allow.

    Raises:
        InputError: a column that a score type needs is not given.
    """
    for score_type in requested or ():
        absent = [name for name in NEEDED_COLUMNS[score_type] if name not in given]
        if absent:
            raise InputError(
                f"score type {score_type} needs {' and '.join(absent)}; give them, or leave it out of score_types"
            )
    available = tuple(t for t in requested or SCORE_TYPES if given.issuperset(NEEDED_COLUMNS[t]))
    if not available:
        raise InputError("a caption is judged by something: give videos, references, or both")
    return available


def left_out(has_video: bool, has_references: bool, score_types: Sequence[str]) -> tuple[RowWarning, ...]:
    """Return a warning for a row that lacks what some of the score types need."""
    given = {"videos"} if has_video else set()
    given |= {"references"} if has_references else set()
    missing = [score_type for score_type in score_types if not given.issuperset(NEEDED_COLUMNS[score_type])]
    lacking = "references" if has_video else "video"
    if not missing:
        return ()
    text = f"no {lacking} in this row: {', '.join(missing)} left out"
    return (RowWarning(text, code="scores_left_out", count=len(missing)),)


def nothing_to_score(row: CaptionRow, score_types: Sequence[str]) -> InputError | None:
    """Return an error with code ``no_input`` if the row lacks what every one of the score types needs."""
    given = {"videos"} if row.video is not None else set()
    given |= {"references"} if row.references else set()
    if any(given.issuperset(NEEDED_COLUMNS[score_type]) for score_type in score_types):
        return None
    return InputError(
        f"predictions ({row.candidate!r}) has {' and '.join(sorted(given)) or 'neither video nor references'}, "
        f"which is not enough for {', '.join(score_types)}; fill the row in or leave it out",
        code="no_input",
    )


def score_keys(score_types: Sequence[str], metrics: Sequence[str]) -> tuple[str, ...]:
    """Return names of the scores, ``"<score type>_<metric>"``."""
    return tuple(f"{score_type}_{metric}" for score_type in score_types for metric in metrics)
