"""The demo's second question: does the sound fit the picture? Right against shuffled sound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqe_core.choices import Method
from vqe_core.scorers.results import report_to_columns
from vqe_core.scorers.video_audio_similarity import VideoAudioSimilarity
from vqe_core.tables import write_table

METHODS: tuple[Method, ...] = ("joint", "tags")


@dataclass(frozen=True)
class SoundMethod:
    """What one method says of all clips.

    Attributes:
        name: of the method.
        right, shuffled: similarity of each clip with its own sound, and with the next clip's.
        percentile: of each own sound among the sounds of the other clips.
        tags: labels heard in each clip's sound, "" by other methods.
        numbers: of the call with the own sounds: gap, auc and the others.
        signature: of that call.
    """

    name: str
    right: tuple[float, ...]
    shuffled: tuple[float, ...]
    percentile: tuple[float, ...]
    tags: tuple[str, ...]
    numbers: dict[str, Any] = field(repr=False)
    signature: dict[str, Any] = field(repr=False)

    @property
    def wins(self) -> int:
        """Clips whose own sound beats the shuffled one."""
        return sum(own > other for own, other in zip(self.right, self.shuffled, strict=True))


def score_sounds(out: Path, names: Sequence[str], *, progress: bool | None = None) -> tuple[SoundMethod, ...]:
    """Compare each clip with its own track and with the next clip's, and write ``video_audio_similarity.parquet``.

    Args:
        out: folder of the demo.
        names: paths of the clips below it.
        progress: bars.
    """
    videos = [str(out / name) for name in names]
    shuffled = [*names[1:], names[0]]
    columns: dict[str, list[Any]] = {}
    methods = []
    for name in METHODS:
        scorer = VideoAudioSimilarity(hf_clip="toy", method=name, progress=progress)
        own = scorer.score(videos=videos)
        other = scorer.score(videos=videos, audios=[str(out / path) for path in shuffled])
        methods.append(_method(name, own, other))
        for kind, sounds, report in (("right", names, own), ("shuffled", shuffled, other)):
            about = {"video_path": names, "audio_path": sounds}
            about |= {column: [value] * len(names) for column, value in (("kind", kind), ("method", name))}
            scored = report_to_columns(report, scorer)
            for column, values in {"tags": [None] * len(names), **about, **scored}.items():
                columns.setdefault(column, []).extend(list(values))
    known = {column: values for column, values in columns.items() if column != "logit"}
    write_table(out / "video_audio_similarity.parquet", known)
    return tuple(methods)


def _method(name: str, own: Any, other: Any) -> SoundMethod:
    heard = own.details.get("tags", [None] * own.num_rows)
    return SoundMethod(
        name=name,
        right=tuple(own.rows["similarity"]),
        shuffled=tuple(other.rows["similarity"]),
        percentile=tuple(own.rows["percentile"]),
        tags=tuple(", ".join(tag["label"] for tag in (tags or [])[:2]) for tags in heard),
        numbers=own.calibration,
        signature=own.signature,
    )


def format_sounds(methods: Sequence[SoundMethod]) -> str:
    """What the command line prints of them."""
    lines = [f"{'sound':<18}{'right':>9}{'shuffled':>13}{'right one wins':>20}"]
    for method in methods:
        means = [math.fsum(values) / len(values) for values in (method.right, method.shuffled)]
        won = f"{method.wins} of {len(method.right)}"
        lines.append(f"{method.name:<18}{means[0]:>9.2f}{means[1]:>13.2f}{won:>20}")
    return "\n".join(lines)
