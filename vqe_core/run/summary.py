"""Summary of a run: rows by status, means, and where the time went."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vqe_core.errors import InputError
from vqe_core.functional.statistics import margin_of_error, sums_by_video
from vqe_core.run.folder import SUMMARY, Manifest, RunFolder
from vqe_core.run.parts import inputs_of, part_notes
from vqe_core.scorers.fingerprint import merged_environments
from vqe_core.scorers.report import counts_from_text
from vqe_core.scorers.several import headlines
from vqe_core.tables.parquet import read_arrow


@dataclass
class RunSummary:
    """Result of a run.

    Attributes:
        scores: column means over the rows that have the score; NaN where none has.
        intervals: 95 %, of the means of the metric's headline scores, by video: what other videos of the kind would
            give. Of fewer than five videos there is none.
        num_rows, num_failed: rows, and those without a score.
        status: rows by status word, the most frequent first.
        examples: by status word, row and message of the first such row.
        warnings: rows by code of a warning.
        warning_examples: by code, row and message of the first such row.
        signature: everything that can change a score.
        environment: versions of what computed and decoded.
        calibration: what the scores are worth against mismatches, where the metric says so.
        out: the table or folder that was written.
        media_folder: where relative paths of media in ``out`` start, if that is not its folder and it cannot say so.
        seconds: of this call; parts that were done before took theirs before.
        resumed_rows: rows that an earlier call had scored.
        time: seconds of threads by what they went to (decode, encode, texts, sounds, score; wait is for what decodes),
            and counts (images, texts_encoded, videos_read,
            videos_from_cache), summed over workers.
    """

    scores: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    num_rows: int = 0
    num_failed: int = 0
    status: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[int, str]] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    warning_examples: dict[str, tuple[int, str]] = field(default_factory=dict)
    signature: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    out: str = ""
    media_folder: str = ""
    seconds: float = 0.0
    resumed_rows: int = 0
    time: dict[str, float] = field(default_factory=dict)

    def failure_lines(self) -> list[str]:
        """Return a line for each status but ``"ok"``, the most frequent first: how many rows, and an example."""
        return [_line(word, n, self.examples[word]) for word, n in self.status.items() if word != "ok"]

    def warning_lines(self) -> list[str]:
        """Return a line for each code of a warning, as ``failure_lines`` does."""
        return [_line(code, n, self.warning_examples[code]) for code, n in self.warnings.items()]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values; a mean of nothing is None."""
        content = asdict(self)
        content["scores"] = {name: None if math.isnan(mean) else mean for name, mean in self.scores.items()}
        content["intervals"] = {name: list(ends) for name, ends in self.intervals.items()}
        content["examples"] = {word: list(example) for word, example in self.examples.items()}
        content["warning_examples"] = {code: list(example) for code, example in self.warning_examples.items()}
        return content


def _line(word: str, count: int, example: tuple[int, str]) -> str:
    row, message = example
    return f"{word}: row {row}: {message}" if count == 1 else f"{word}: {count} rows, for example row {row}: {message}"


def summarise_run(
    folder: RunFolder, manifest: Manifest, scorer: Any, numbers: Sequence[int] | None = None
) -> RunSummary:
    """Read finished parts, and return their summary; one part is in memory at a time.

    Args:
        folder, manifest, scorer: of the run.
        numbers: of the parts. Default: all.

    Raises:
        InputError: parts whose signatures differ, as after a model was exchanged in the middle of a run.
    """
    numbers = range(len(manifest.parts)) if numbers is None else numbers
    summary = RunSummary(num_rows=sum(manifest.parts[number].num_rows for number in numbers))
    names = scorer.result_names(inputs_of(scorer, manifest))
    sums = {name: _Mean() for name in names.scores}
    flags = {name: _Mean() for name in names.flags}
    by_video = {name: _ByVideo(summary.num_rows) for name in headlines(scorer, names.scores)}
    environments = []
    for number in numbers:
        path = folder.part(number, len(manifest.parts))
        notes = part_notes(path)
        _join_signature(summary, notes["signature"], number)
        environments.append(notes["environment"])
        summary.calibration = notes.get("calibration") or summary.calibration
        table = read_arrow(path, [*sums, *flags, *_texts_of(scorer)])
        for name, mean in {**sums, **flags}.items():
            mean.add(table.column(name).to_pylist())
        first = manifest.parts[number].start
        if "videos" not in notes:  # a part of an older version: which rows show one video is not known
            by_video = {}
        videos = _videos_of(notes.get("videos", ""), manifest.parts[number].num_rows, first)
        for name, spread in by_video.items():
            spread.add(table.column(name).to_numpy(), videos)
        for code, (place, text) in notes["warnings"].items():
            summary.warning_examples.setdefault(code, (first + place, text))
        _count(summary, [table.column(name).to_pylist() for name in _texts_of(scorer)], first)
    summary.scores = {name: mean.value for name, mean in {**sums, **flags}.items()}
    summary.intervals = _intervals(summary.scores, by_video)
    summary.num_failed = summary.num_rows - summary.status.get("ok", 0)
    for name in ("status", "warnings"):
        setattr(summary, name, dict(sorted(getattr(summary, name).items(), key=lambda item: -item[1])))
    summary.environment = merged_environments(environments)
    return summary


def _texts_of(scorer: Any) -> tuple[str, str, str]:
    return scorer.status_key, scorer.message_key, scorer.warnings_column


class _Mean:
    """A mean in twice the precision of a float, so that its rounding does not depend on how rows were divided."""

    def __init__(self) -> None:
        self._sum: tuple[float, ...] = ()
        self._count = 0

    def add(self, values: list[Any]) -> None:
        known = [float(value) for value in values if value is not None and value == value]
        self._count += len(known)
        total = math.fsum((*self._sum, *known))
        self._sum = total, math.fsum((*self._sum, *known, -total))

    @property
    def value(self) -> float:
        return math.fsum(self._sum) / self._count if self._count else math.nan


FEWEST_VIDEOS = 5  # of fewer an interval is wider than it is of use
MOST_ROWS = 1_000_000  # of which the interval of a mean is taken; of more, those of some videos


class _ByVideo:
    """The spread of a score from video to video, 16 bytes a row."""

    def __init__(self, num_rows: int) -> None:
        self._every = max(1, -(-num_rows // MOST_ROWS))
        self._scores: list[np.ndarray] = []
        self._videos: list[np.ndarray] = []

    def add(self, scores: np.ndarray, videos: np.ndarray) -> None:
        """Take the scores of a part, float (N,) with NaN where there is none, and the numbers of its videos."""
        chosen = (videos % self._every == 0) & ~np.isnan(scores)
        self._scores.append(scores[chosen])
        self._videos.append(videos[chosen])

    def margin(self) -> float:
        """Half the width of the 95 % interval of the mean; NaN where there is too little."""
        import torch

        if not self._scores:  # a shard without a part
            return math.nan
        scores, videos = np.concatenate(self._scores), np.concatenate(self._videos)
        distinct, place = np.unique(videos, return_inverse=True)
        if len(distinct) < FEWEST_VIDEOS:
            return math.nan
        sums = sums_by_video(torch.from_numpy(scores)[None], torch.from_numpy(place))
        return float(margin_of_error(sums, share=1 / self._every)[0])


def _intervals(means: Mapping[str, float], by_video: Mapping[str, _ByVideo]) -> dict[str, tuple[float, float]]:
    margins = {name: spread.margin() for name, spread in by_video.items()}
    return {n: (means[n] - margin, means[n] + margin) for n, margin in margins.items() if not math.isnan(margin)}


def _videos_of(told: str, num_rows: int, first: int) -> np.ndarray:
    """Return a number of the video of each row of a part; a row without a video is one of its own."""
    own = np.arange(first, first + num_rows, dtype=np.uint64)
    if not told:
        return own
    digests = np.frombuffer(base64.b64decode(told), dtype="<u8")
    return np.where(digests == 0, own, digests)


def _count(summary: RunSummary, texts: list[list[str]], first: int) -> None:
    for place, (status, message, warnings) in enumerate(zip(*texts, strict=True)):
        summary.status[status] = summary.status.get(status, 0) + 1
        summary.examples.setdefault(status, (first + place, message))
        for code in counts_from_text(warnings):
            summary.warnings[code] = summary.warnings.get(code, 0) + 1
            summary.warning_examples.setdefault(code, (first + place, message))


def _join_signature(summary: RunSummary, signature: Mapping[str, Any], number: int) -> None:
    summary.signature = summary.signature or dict(signature)
    for name in {**summary.signature, **signature}:
        if summary.signature.get(name) != signature.get(name):
            raise InputError(
                f"part {number} was scored with {name} {signature.get(name)!r}, parts before it with "
                f"{summary.signature.get(name)!r}; was the model exchanged during the run? Give --restart"
            )


def write_summary(folder: RunFolder, summary: RunSummary) -> None:
    """Keep the summary of a finished run in its folder."""
    folder.write_text(SUMMARY, json.dumps(summary.as_dict(), indent=1, default=str))


def read_summary(path: Path) -> dict[str, Any] | None:
    """Return the summary of a finished run; None where it is not finished."""
    try:
        content: dict[str, Any] = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content
