"""Baselines of EMScore: what unrelated captions score, measured once and kept in a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqe_core.errors import InputError, InputTypeError

FORMAT = "vqe-baseline-1"
# What moves the score of an unrelated caption by more than rounding.
MADE_BY = (
    *("metric", "model", "revision", "sampler", "idf", "cogr_weight", "reference_weight", "prompt"),
    *("frame_aggregation", "long_text", "multi_reference"),
)


@dataclass(frozen=True)
class Baseline:
    """Mean scores of unrelated captions.

    Attributes:
        values: by score, ``"EMScore(X,V)_full_F"`` and so on.
        made_by: the fields of the signature that they were measured with, those of ``MADE_BY``.
        num_rows: captions that they were measured on.
        num_groups: clips among which these were exchanged.
    """

    values: Mapping[str, float] = field(repr=False)
    made_by: Mapping[str, Any] = field(repr=False)
    num_rows: int
    num_groups: int

    def digest(self) -> str:
        """Twelve hex digits that change when a value or what it was measured with does."""
        text = json.dumps([sorted(self.values.items()), sorted(self.made_by.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def check(self, signature: Mapping[str, Any], names: Iterable[str]) -> None:
        """Raise InputError unless the baseline is of these options and has a value for each score."""
        common = [name for name in MADE_BY if name in signature and name in self.made_by]
        differ = [name for name in common if self.made_by[name] != signature[name]]
        if differ:
            told = ", ".join(f"{name} {self.made_by[name]!r} (here {signature[name]!r})" for name in differ)
            fit = "; fit idf to a file for both" if differ == ["idf"] else ""
            raise InputError(f"baseline was measured with {told}; measure one with the options in use{fit}")
        absent = [name for name in names if name not in self.values]
        if absent:
            raise InputError(
                f"baseline has no value for {', '.join(absent)}; measure it on rows with videos and references, or "
                "choose score_types and metrics"
            )


def save_baseline(baseline: Baseline, path: str | os.PathLike[str]) -> None:
    """Write a baseline as JSON, its digest inside."""
    counts = {"num_rows": baseline.num_rows, "num_groups": baseline.num_groups, "digest": baseline.digest()}
    content = {"format": FORMAT, **counts, "made_by": dict(baseline.made_by), "values": dict(baseline.values)}
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load_baseline(value: Any) -> Baseline | None:
    """Return the baseline that the ``baseline`` option names.

    Raises:
        InputError: no file, no baseline, or one that was altered.
    """
    if value is None or isinstance(value, Baseline):
        return value
    try:
        content = json.loads(Path(value).read_text(encoding="utf-8"))
        values = {str(name): float(number) for name, number in content["values"].items()}
        counts = int(content["num_rows"]), int(content["num_groups"])
        baseline = Baseline(values, dict(content["made_by"]), *counts)
        intact = content["format"] == FORMAT and content["digest"] == baseline.digest()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"baseline ({os.fspath(value)!r}) is no file that fit_baseline or vqe baseline build wrote: {error!r}"
        ) from error
    if not intact:
        raise InputError(f"baseline ({os.fspath(value)!r}) was altered: its content does not match its digest")
    return baseline


def check_baseline(value: Any) -> None:
    """Raise InputTypeError unless ``baseline`` has a form that ``load_baseline`` knows."""
    if value is not None and not isinstance(value, Baseline | str | os.PathLike):
        raise InputTypeError(
            f"baseline ({value!r}) must be the path of a file that fit_baseline wrote, or what it returned; got "
            f"{type(value).__name__}"
        )
