"""Checked rows to embedded rows: each distinct caption and video of a call is embedded once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from vqe_core.embed import EmbedSettings, embed_texts, embed_videos, progress_bar
from vqe_core.encoders import ImageTextEncoder
from vqe_core.errors import VqeError, attempt
from vqe_core.media import source_identity
from vqe_core.scorers.options import CaptionOptions
from vqe_core.scorers.row_errors import FaultWatch, report_failures
from vqe_core.scorers.rows import CaptionRow
from vqe_core.types import TextEmbedding, TimedEmbeddings
from vqe_core.workers import WorkerPool

# Rows whose embeddings are held at one time, and scored together; more rows cost time, not memory.
CHUNK_ROWS = 256


@dataclass(frozen=True)
class EmbeddedRow:
    """One row, ready for the kernels."""

    candidate: TextEmbedding
    references: tuple[TextEmbedding, ...]
    video: TimedEmbeddings | None
    clauses: tuple[TextEmbedding, ...] = ()

    @classmethod
    def of(cls, row: CaptionRow, texts: Mapping[str, Any], video: TimedEmbeddings | None) -> EmbeddedRow:
        """Gather the embeddings of a row's texts, none of which failed."""
        references, clauses = (tuple(texts[text] for text in some) for some in (row.references, row.clauses))
        return cls(texts[row.candidate], references, video, clauses)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of all parts, in order."""
        texts = [note for text in (self.candidate, *self.references) for note in text.notes]
        return (*texts, *(self.video.notes if self.video is not None else ()))


def embed_rows(
    rows: Sequence[CaptionRow | VqeError], encoder: ImageTextEncoder, options: CaptionOptions
) -> Iterator[dict[int, EmbeddedRow | VqeError]]:
    """Embed rows, some at a time; those of one video come together, so that it is read once.

    Yields:
        By number, the embeddings of some rows, or their errors, from here or from before.

    Raises:
        VqeError: at the first video that cannot be read, with ``on_error="raise"``.
    """
    keys: dict[int, str] = {}
    rows = list(rows)
    for i, row in enumerate(rows):
        key = attempt(source_identity, row.video) if isinstance(row, CaptionRow) and row.video is not None else None
        if isinstance(key, VqeError):
            rows[i] = key
        elif key is not None:
            keys[i] = key
    failed: dict[int, EmbeddedRow | VqeError] = {i: row for i, row in enumerate(rows) if isinstance(row, VqeError)}
    if failed:
        yield failed
    with ExitStack() as stack:
        chunks = _Chunks(rows, keys, encoder, options, stack)
        for start in range(0, len(chunks.order), CHUNK_ROWS):
            yield chunks.embed(chunks.order[start : start + CHUNK_ROWS])


class _Chunks:
    """The good rows of a call in the order they are embedded, and what one chunk leaves for the next."""

    def __init__(
        self,
        rows: Sequence[CaptionRow | VqeError],
        keys: Mapping[int, str],
        encoder: ImageTextEncoder,
        options: CaptionOptions,
        stack: ExitStack,
    ) -> None:
        self._rows, self._encoder, self._options = rows, encoder, options
        self._sampler, self._settings = options.sampler_for(encoder), EmbedSettings.of(options)
        good = {i: row for i, row in enumerate(rows) if isinstance(row, CaptionRow)}
        self._keys = keys
        self._first_row: dict[str | None, int] = {}
        for i in good:
            self._first_row.setdefault(self._keys.get(i), i)
        self.order = sorted(good, key=lambda i: self._first_row[self._keys.get(i)])
        self._videos: dict[str, TimedEmbeddings | VqeError] = {}
        self._watch = FaultWatch()
        sources = {key: good[i].video for i, key in self._keys.items()}
        self._pool = stack.enter_context(
            WorkerPool.of(self._settings, [source for source in sources.values() if source])
        )
        self._bar = stack.enter_context(progress_bar("videos", len(sources), options.progress))

    def embed(self, chunk: Sequence[int]) -> dict[int, EmbeddedRow | VqeError]:
        """Return the rows of one chunk."""
        self._embed_videos(chunk)
        rows: dict[int, Any] = {i: self._rows[i] for i in chunk}
        texts = embed_texts(
            [text for row in rows.values() for text in row.texts],
            self._encoder,
            self._settings,
            long_text=self._options.long_text,
        )
        videos = {i: self._videos[self._keys[i]] if i in self._keys else None for i in rows}
        return {i: self._row(texts, row, videos[i]) for i, row in rows.items()}

    def _embed_videos(self, chunk: Sequence[int]) -> None:
        wanted = {self._keys[i]: self._rows[i] for i in chunk if i in self._keys}
        held = {key: self._videos[key] for key in wanted if key in self._videos}
        sources: Mapping[str, Any] = {key: row.video for key, row in wanted.items() if key not in held}  # type: ignore[union-attr]
        embedded = embed_videos(
            sources, self._sampler, self._encoder, self._settings, pool=self._pool, on_outcome=self._on_outcome
        )
        self._videos = {**held, **embedded}

    def _on_outcome(self, key: str, outcome: TimedEmbeddings | VqeError) -> None:
        self._bar.update()
        if isinstance(outcome, VqeError) and self._options.on_error == "raise":
            report_failures({self._first_row[key]: outcome}, len(self._rows), "raise")
        self._watch.note(outcome)

    @staticmethod
    def _row(texts: Mapping[str, Any], row: CaptionRow, video: Any) -> EmbeddedRow | VqeError:
        for part in (*(texts[text] for text in row.texts), video):
            if isinstance(part, VqeError):
                return part
        return EmbeddedRow.of(row, texts, video)
