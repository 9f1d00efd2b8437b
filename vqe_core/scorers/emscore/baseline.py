"""Baselines of EMScore: what unrelated captions score, measured once and kept in a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vqe_core.errors import InputError
from vqe_core.scorers.fitted_file import FittedFile, differing

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
        if told := differing(MADE_BY, self.made_by, signature):
            fit = "; fit idf to a file for both" if told.startswith("idf ") else ""
            raise InputError(f"baseline was measured with {told}; measure one with the options in use{fit}")
        absent = [name for name in names if name not in self.values]
        if absent:
            raise InputError(
                f"baseline has no value for {', '.join(absent)}; measure it on rows with videos and references, or "
                "choose score_types and metrics"
            )


def _read(content: Mapping[str, Any]) -> Baseline:
    values = {str(name): float(number) for name, number in content["values"].items()}
    return Baseline(values, dict(content["made_by"]), int(content["num_rows"]), int(content["num_groups"]))


BASELINE_FILE = FittedFile(
    "baseline", Baseline, "vqe-baseline-1", "file that fit_baseline or vqe baseline build wrote", _read
)
load_baseline, check_baseline = BASELINE_FILE.load, BASELINE_FILE.check


def save_baseline(baseline: Baseline, path: str | os.PathLike[str]) -> None:
    """Write a baseline as JSON, its digest inside."""
    counts = {"num_rows": baseline.num_rows, "num_groups": baseline.num_groups}
    content = {**counts, "made_by": dict(baseline.made_by), "values": dict(baseline.values)}
    BASELINE_FILE.save(baseline, content, path)
