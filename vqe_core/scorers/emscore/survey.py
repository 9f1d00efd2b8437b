"""First pass of EMScore over a data set: the words of its captions for idf, and rows for ``against_chance``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_core.cache import Entry
from vqe_core.cache.entry import packed, unpacked
from vqe_core.encoders import load_text_side
from vqe_core.functional.idf import IdfCounts, idf_to_json
from vqe_core.runtime import one_thread
from vqe_core.scorers.calibration import MOST_ROWS, evenly
from vqe_core.scorers.call import Call
from vqe_core.scorers.embedded_rows import EmbeddedRow
from vqe_core.scorers.emscore.chance import MADE_BY, ChanceBank, keys_of
from vqe_core.scorers.emscore.chance_file import (
    chance_metric,
    chance_to_bytes,
    entry_of_rows,
    rows_of_entry,
    save_chance,
)
from vqe_core.scorers.emscore.idf import count_captions
from vqe_core.scorers.emscore.scoring import EMScoring
from vqe_core.scorers.row_errors import outcomes_of
from vqe_core.scorers.rows import CaptionRow

if TYPE_CHECKING:
    from vqe_core.scorers.emscore.scorer import EMScore

IDF, CHANCE = "idf.json", "chance.safetensors"


@dataclass(frozen=True)
class EMScoreSurvey:
    """The first pass of EMScore over a data set; see ``Survey``.

    Attributes:
        scorer: whose ``idf`` is True, or whose ``against_chance`` names a metric.
        given: its inputs that hold something in some row.
    """

    scorer: EMScore
    given: frozenset[str]

    @property
    def metric(self) -> str | None:
        """The metric that captions are set against other videos by; None where they are not."""
        return chance_metric(self.scorer.against_chance)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that are made."""
        return (*((IDF,) if self.scorer.idf is True else ()), *((CHANCE,) if self.metric else ()))

    @property
    def embeds(self) -> bool:
        """True where rows are decoded and encoded."""
        return self.metric is not None

    @property
    def most_rows(self) -> int:
        """Rows that stand for all."""
        return MOST_ROWS if self.embeds else 0

    def of_part(self, columns: Mapping[str, Sequence[Any]], base_dir: str, chosen: Sequence[int]) -> Entry:
        """Count the words of a part, and embed the rows of it that stand for all; see ``Survey.of_part``."""
        found = {}
        if self.scorer.idf is True:
            counts = self._words(columns, base_dir)
            words = {"num_captions": counts.num_captions, "captions_with": list(counts.frequency.items())}
            found[IDF] = Entry({}, words)
        if self.metric is not None:
            found[CHANCE] = self._rows(columns, base_dir, chosen)
        return packed(found)

    def _words(self, columns: Mapping[str, Sequence[Any]], base_dir: str) -> IdfCounts:
        """Count words as a call does: of the rows that can be scored; of their references, where there are some."""
        plain = replace(self.scorer, on_error="skip")
        rows = plain.call_of_batch(columns, base_dir, whole=True, given=self.given).rows
        good = [row for row in rows if isinstance(row, CaptionRow)]
        by_references = "references" in self.given
        texts = [text for row in good for text in (row.references if by_references else (row.candidate,))]
        return count_captions(texts, load_text_side(plain.model), plain.long_text)

    def _rows(self, columns: Mapping[str, Sequence[Any]], base_dir: str, chosen: Sequence[int]) -> Entry:
        """Embed rows; those that cannot be scored are told of when they are."""
        rows = {name: [values[place] for place in chosen] for name, values in columns.items()}
        if not chosen:
            return entry_of_rows([], [])
        plain = replace(self.scorer, on_error="skip", against_chance=None, baseline=None, reference_bank=None)
        call = plain.call_of_batch(rows, base_dir, whole=True, given=self.given)
        scoring = EMScoring(plain, call, plain.load_encoder(), hold=True)
        outcomes_of(scoring)
        return entry_of_rows(*rows_held(scoring, range(len(chosen))))

    def put_together(self, parts: Iterable[Entry]) -> dict[str, bytes]:
        """Return the weights of words and the bank of rows as files; no words give an empty one."""
        counts, rows, keys = IdfCounts({}, 0), list[EmbeddedRow](), list[tuple[str, ...]]()
        for found in map(unpacked, parts):
            if IDF in found:
                words = found[IDF].notes
                counts += IdfCounts(dict(words["captions_with"]), words["num_captions"])
            if CHANCE in found:
                more, their_keys = rows_of_entry(found[CHANCE])
                rows += more
                keys += their_keys
        files, scorer = {}, self.scorer
        if scorer.idf is True:
            scorer = scorer.fit(counts) if counts.num_captions else replace(scorer, idf=False)
            files[IDF] = idf_to_json(scorer.idf).encode() if scorer.idf is not False else b""
        if self.metric is not None:
            files[CHANCE] = chance_to_bytes(_measured(scorer, self.given, rows, keys))
        return files

    def applied(self, files: Mapping[str, Path]) -> EMScore:
        """Return the scorer with the files as its options."""
        scorer = self.scorer
        if (words := files.get(IDF)) is not None:
            scorer = replace(scorer, idf=str(words) if words.stat().st_size else False)
        return replace(scorer, against_chance=str(files[CHANCE])) if CHANCE in files else scorer


def rows_held(scoring: EMScoring, numbers: Iterable[int]) -> tuple[list[EmbeddedRow], list[tuple[str, ...]]]:
    """Return the rows of a call that were scored, among some, and have a video; and their keys."""
    held, read = scoring.held, scoring.call.rows
    rows = [(held[i], keys_of(read[i], held[i])) for i in numbers if i in held and held[i].video is not None]
    return [row for row, _ in rows], [keys for _, keys in rows]


def fitted_chance(scorer: EMScore, call: Call, path: Any) -> ChanceBank:
    """Embed the rows of a call that stand for all, and set them against each other; see ``EMScore.fit_chance``."""
    scoring = EMScoring(replace(scorer, against_chance=None), call, scorer.load_encoder(), hold=True)
    scorer.check_failures(outcomes_of(scoring), whole=True)
    rows, keys = rows_held(scoring, evenly(len(call.rows), MOST_ROWS).tolist())
    bank = _bank_of(scoring, rows, keys, scorer.against_chance)
    if path is not None:
        save_chance(bank, path)
    return bank


def _measured(
    scorer: EMScore, given: Collection[str], rows: Sequence[EmbeddedRow], keys: Sequence[tuple[str, ...]]
) -> ChanceBank:
    """Set rows against each other with the weights and options of a scorer."""
    plain = replace(scorer, against_chance=None)
    scoring = EMScoring(plain, Call({}, frozenset(given), (), whole=False), plain.load_encoder())
    return _bank_of(scoring, rows, keys, scorer.against_chance)


@one_thread()
def _bank_of(
    scoring: EMScoring, rows: Sequence[EmbeddedRow], keys: Sequence[tuple[str, ...]], metric: str
) -> ChanceBank:
    signature = scoring.signature()
    made_by = {name: signature[name] for name in MADE_BY if name in signature}
    bank, _ = ChanceBank.measure(rows, keys, replace(scoring.row_scorer, baseline=None), metric, made_by)
    return bank
