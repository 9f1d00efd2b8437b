"""MSVD-Eval: a caption of each of 197 clips, rated by two people in four respects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from vqe_core.errors import InputError
from vqe_core.meta_eval.base import (
    Benchmark,
    Item,
    Observations,
    Part,
    Release,
    SourceKind,
    between_raters,
    needed,
)
from vqe_core.meta_eval.reading import read_json
from vqe_core.options import check_choice

Respect = Literal["accuracy", "completeness", "conciseness", "relevance", "average"]
RESPECTS: tuple[str, ...] = ("accuracy", "completeness", "conciseness", "relevance", "average")


@dataclass(frozen=True)
class MsvdEval(Benchmark):
    """MSVD-Eval: captions of clips, rated by two people.

    Each rating is a row of its own, so a caption's score stands in two rows. Metrics are correlated with the average of
    the four respects, or with one of them.

    Attributes:
        respect: accuracy, completeness, conciseness, relevance, or their average.

    Raises:
        InputError: no such respect.

    Source:
        Tong et al., "G-VEval", AAAI 2025, and the published code (correlation.py). The agreement of the two raters is
        our own measurement on the release.
    """

    name: ClassVar[str] = "msvd-eval"
    title: ClassVar[str] = "MSVD-Eval"
    source: ClassVar[str] = "Tong et al., G-VEval, AAAI 2025; github.com/ztangaj/gveval"
    layout: ClassVar[tuple[Part, ...]] = (Part("MSVD-Eval.json", "captions, references and ratings"),)
    statistics: ClassVar[tuple[str, ...]] = ("tau_b", "tau_c")
    scale: ClassVar[float] = 1
    headlines: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "emscore": ("EMScore(X,V)_full_F", "EMScore(X,X*)_full_F", "EMScore(X,V,X*)_full_F"),
    }

    respect: Respect = "average"

    def __post_init__(self) -> None:
        check_choice("respect", self.respect, Respect)

    def load(self, folder: Path, *, partial: bool = False) -> Release:
        """Read ``MSVD-Eval.json``; see ``Benchmark.load``."""
        (path,) = needed(folder, ["MSVD-Eval.json"], self.layout)
        column = RESPECTS.index(self.respect)
        items, labels = [], []
        try:
            for key, entry in read_json(path).items():
                texts = tuple(" ".join(text.split()) for text in entry["ref"])
                items.append(Item(key, " ".join(entry["candidate"].split()), texts, Path(entry["vname"]).stem))
                labels.append([float(rating[column]) for rating in entry["human_score"]])
        except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
            raise InputError(f"{str(path)!r} is not the file of the release: {error!r}") from error
        if len({len(ratings) for ratings in labels}) > 1:
            raise InputError(f"{str(path)!r} must have the same number of ratings for every caption")
        return Release(tuple(items), np.array(labels))

    def options_for(self, scorer: str, kind: SourceKind) -> dict[str, Any]:
        """Return the frames that are looked at; see ``Benchmark.options_for``."""
        return {"frame_num": 10} if kind == "files" else {}

    def observe(self, release: Release, scores: np.ndarray) -> Observations:
        """Return a row a rating, not a row a caption."""
        each = super().observe(release, scores)
        raters = each.labels.shape[1]
        return Observations(np.repeat(each.scores, raters), each.labels.reshape(-1, 1), np.repeat(each.groups, raters))

    def agreement(self, release: Release) -> dict[str, float]:
        """Return the correlations of the raters with each other."""
        return between_raters(release.labels, self.statistics)
