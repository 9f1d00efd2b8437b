"""Base of every benchmark: what a release holds, how scores become figures, and what others reported.

A benchmark is a frozen dataclass in a file of its own that says how its release is laid out (``load``), which numbers
its protocol computes (``observe`` and ``figures``), by which options its published metrics ran (``options_for``), and
which figures were published. See ``msvd_eval.py`` for the shortest one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from vqe_core.errors import InputError
from vqe_core.meta_eval.correlations import correlation

Inputs = Literal["V", "T", "VT"]  # judged by the video, by reference texts, or by both
SourceKind = Literal["embeddings", "images", "frames", "files", "none"]


@dataclass(frozen=True)
class Item:
    """One caption that people judged.

    Attributes:
        id: names it in tables of scores; unique in the release.
        candidate: the caption, in the form that the protocol scores.
        references: reference captions, likewise.
        video: name of the video or image; the unit that is drawn for intervals.
        segment: start and end (s) of what the caption is about; None: the whole.
        duration: of the video (s), where the release says it; embeddings have no clock of their own.
    """

    id: str
    candidate: str
    references: tuple[str, ...]
    video: str
    segment: tuple[float, float] | None = None
    duration: float | None = None


@dataclass(frozen=True)
class IdfCorpus:
    """Captions that a protocol counts words in, and its rules.

    Attributes:
        captions: each one document.
        end_weight: ``"mean"``: the end token weighs the mean of all, as in EMScore; ``"own"``: as counted, which is 0.
        most_tokens: of one document, start and end included; what is longer is cut, the end token kept.
    """

    captions: tuple[str, ...] = field(repr=False)
    end_weight: Literal["mean", "own"] = "mean"
    most_tokens: int | None = None


@dataclass(frozen=True)
class Release:
    """Content of a release, read.

    Attributes:
        items: the captions.
        labels: float (N, R): what R raters said of each, or as the benchmark says.
        embeddings: stored embeddings of all frames, a file a video.
        images: one image, or the frames of a video in order, by video.
        notes: in what this run differs from the published protocol.
    """

    items: tuple[Item, ...] = field(repr=False)
    labels: np.ndarray = field(repr=False)
    embeddings: Mapping[str, Path] = field(default_factory=dict, repr=False)
    images: Mapping[str, tuple[Path, ...]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.items:
            raise InputError("the release holds no caption to score; check that all of it was downloaded")
        if len(self.labels) != len(self.items):
            raise InputError(f"the release has {len(self.items)} captions, but labels of {len(self.labels)}")
        known = {item.id for item in self.items}
        if len(known) != len(self.items):
            raise InputError("the release holds two captions of one id; check that it was not merged from two")

    @property
    def videos(self) -> tuple[str, ...]:
        """Names of the videos, in the order of their first caption."""
        return tuple(dict.fromkeys(item.video for item in self.items))

    @property
    def groups(self) -> np.ndarray:
        """int64 (N,), the number of each caption's video."""
        numbers = {video: i for i, video in enumerate(self.videos)}
        return np.array([numbers[item.video] for item in self.items], dtype=np.int64)


class Observations(NamedTuple):
    """Observations that the figures of a protocol are computed from; rows of a video are drawn together.

    Attributes:
        scores: float (M,).
        labels: float (M, R).
        groups: int64 (M,), from 0: number of the video.
    """

    scores: np.ndarray
    labels: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Published:
    """Figures that somebody reported.

    Attributes:
        metric: its name there.
        inputs: what it judged by: ``"V"`` video, ``"T"`` reference texts, ``"VT"`` both.
        values: by figure, in natural units (0.229 for 22.9).
        source: where they stand.
    """

    metric: str
    inputs: Inputs
    values: Mapping[str, float]
    source: str


@dataclass(frozen=True)
class Part:
    """One file or folder of a release: where it is, what it holds, and whether it can be absent."""

    path: str
    holds: str
    optional: bool = False


@dataclass(frozen=True)
class Benchmark:
    """A published benchmark of metrics; its fields are options of the protocol.

    Attributes:
        name: under which it is registered.
        title: for people.
        source: paper and code of the protocol.
        layout: the release as its authors gave it.
        statistics: names of the figures, in order.
        scale: by which papers multiply them, 100 or 1.
        published: figures of others.
        scorer: the metric that is scored with unless another is named.
        idf_file: captions that token weights are fitted on, read where a metric weighs tokens; "" where there are none.
        embeddings_of: the model that made the stored embeddings, by its OpenAI name.
        headlines: the scores that papers report, by metric; all scores of other metrics.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    layout: ClassVar[tuple[Part, ...]]
    statistics: ClassVar[tuple[str, ...]]
    scale: ClassVar[float] = 100
    published: ClassVar[tuple[Published, ...]] = ()
    scorer: ClassVar[str] = "emscore"
    idf_file: ClassVar[str] = ""
    embeddings_of: ClassVar[str] = ""
    headlines: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def load(self, folder: Path, *, partial: bool = False) -> Release:
        """Read a release.

        Args:
            folder: as ``layout`` says.
            partial: leave out what is not there, as far as the protocol can do without, and note it.

        Raises:
            InputError: a file that is needed is not there, or is not what it should be.
        """
        raise NotImplementedError

    def read_corpus(self, path: Path) -> IdfCorpus:
        """Read the captions of ``idf_file``."""
        raise NotImplementedError

    def options_for(self, scorer: str, kind: SourceKind) -> dict[str, Any]:
        """Return the options by which a metric was published on this benchmark.

        Args:
            scorer: name of the metric.
            kind: what its videos are here.
        """
        return {}

    def frames_of(self, item: Item, count: int) -> np.ndarray:
        """Return the positions, int64, of the frames that the protocol takes of ``count`` stored embeddings."""
        return np.arange(count)

    def observe(self, release: Release, scores: np.ndarray) -> Observations:
        """Return the observations of the protocol from one score a caption; a caption without one is left out.

        Args:
            release: as ``load`` gave it.
            scores: float (N,), NaN where there is none.
        """
        known = ~np.isnan(scores)
        groups = np.unique(release.groups[known], return_inverse=True)[1]
        return Observations(scores[known], release.labels[known], groups)

    def figures(self, observations: Observations) -> dict[str, float]:
        """Return the figures of the protocol by name, in natural units."""
        return {name: correlation(name, *observations[:2]) for name in self.statistics}

    def agreement(self, release: Release) -> dict[str, float]:
        """Return the same figures of raters against each other, where there are several; empty otherwise."""
        return {}


def needed(folder: Path, names: Sequence[str], layout: Sequence[Part]) -> list[Path]:
    """Return the paths of files that a protocol cannot do without.

    Raises:
        InputError: the folder, or a file, is not there; the message says what the release consists of.
    """
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is no folder; give the one that the release was downloaded to")
    absent = [name for name in names if not (folder / name).exists()]
    if absent:
        parts = "; ".join(f"{part.path} ({part.holds}{', optional' if part.optional else ''})" for part in layout)
        raise InputError(
            f"{str(folder)!r} has no {', '.join(absent)}. The release consists of {parts}. With "
            "--partial (partial=True) what a protocol can do without is left out, and noted"
        )
    return [folder / name for name in names]


def between_raters(labels: np.ndarray, statistics: Sequence[str]) -> dict[str, float]:
    """Return correlations of R raters with each other, the mean over pairs.

    Args:
        labels: float (N, R), R at least 2.
        statistics: names of correlations.

    Example:
        >>> between_raters(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), ["tau_b"])
        {'tau_b': 1.0}
    """
    count = labels.shape[1]
    pairs = [(one, other) for one in range(count) for other in range(one + 1, count)]
    return {
        name: float(np.mean([correlation(name, labels[:, one], labels[:, other]) for one, other in pairs]))
        for name in statistics
    }
