"""Checked rows to embedded rows: each distinct caption and video of a call is embedded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vqe_core.embed import embed_texts, embed_videos
from vqe_core.encoders import ImageTextEncoder
from vqe_core.errors import VqeError
from vqe_core.media import source_identity
from vqe_core.samplers import FrameSampler
from vqe_core.scorers.options import EMScoreOptions
from vqe_core.scorers.rows import CaptionRow, report_failures
from vqe_core.types import MediaSource, TextEmbedding, TimedEmbeddings


@dataclass(frozen=True)
class EmbeddedRow:
    """One row, ready for the kernels."""

    candidate: TextEmbedding
    references: tuple[TextEmbedding, ...]
    video: TimedEmbeddings | None

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks of all parts, each once, in order."""
        texts = [note for text in (self.candidate, *self.references) for note in text.notes]
        return tuple(dict.fromkeys([*texts, *(self.video.notes if self.video is not None else ())]))


def embed_rows(
    rows: Sequence[CaptionRow | VqeError], sampler: FrameSampler, encoder: ImageTextEncoder, options: EMScoreOptions
) -> list[EmbeddedRow | VqeError]:
    """Embed rows; one that fails, here or before, gives its error.

    Raises:
        VqeError: at the first video that cannot be read, with ``on_error="raise"``.
    """
    good = {i: row for i, row in enumerate(rows) if isinstance(row, CaptionRow)}
    texts = embed_texts(
        [text for row in good.values() for text in (row.candidate, *row.references)],
        encoder,
        long_text=options.long_text,
        batch_size=options.batch_size,
    )
    keys = {i: source_identity(row.video) for i, row in good.items() if row.video is not None}
    videos = _embed_distinct_videos(rows, keys, sampler, encoder, options)

    def embedded(i: int, row: CaptionRow | VqeError) -> EmbeddedRow | VqeError:
        if isinstance(row, VqeError):
            return row
        candidate, *references = (texts[text] for text in (row.candidate, *row.references))
        video = videos[keys[i]] if i in keys else None
        for part in (candidate, *references, video):
            if isinstance(part, VqeError):
                return part
        return EmbeddedRow(candidate, tuple(references), video)  # type: ignore[arg-type]  # errors returned above

    return [embedded(i, row) for i, row in enumerate(rows)]


def _embed_distinct_videos(
    rows: Sequence[Any],
    keys: Mapping[int, str],
    sampler: FrameSampler,
    encoder: ImageTextEncoder,
    options: EMScoreOptions,
) -> dict[str, TimedEmbeddings | VqeError]:
    sources: dict[str, MediaSource] = {}
    first_row: dict[str, int] = {}
    for i, key in keys.items():
        sources.setdefault(key, rows[i].video)
        first_row.setdefault(key, i)

    def stop_if_asked(key: str, error: VqeError) -> None:
        if options.on_error == "raise":
            report_failures({first_row[key]: error}, len(rows), "raise")

    return embed_videos(
        sources,
        sampler,
        encoder,
        max_frames=options.max_frames,
        batch_size=options.batch_size,
        progress=options.progress,
        on_failure=stop_if_asked,
    )
