"""Several metrics over the same rows in one pass: each video is read once for all that look at its frames.

Task: what a run asks of a scorer, for several at once. Each keeps its own options, names, statuses and signature; the
columns ``status``, ``message`` and ``warnings`` say what became of a row as a whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from vqe_core import registry
from vqe_core.cache import Entry
from vqe_core.cache.entry import packed, unpacked
from vqe_core.embed import sharing_frames
from vqe_core.errors import InputError, InputTypeError
from vqe_core.options import did_you_mean
from vqe_core.scorers.base import FLAG, SCORE, TEXT, Scorer
from vqe_core.scorers.call import Input
from vqe_core.scorers.fingerprint import merged_environments
from vqe_core.scorers.named import scorer_for
from vqe_core.scorers.report import ResultNames, ScoreReport, counts_as_text, warning_counts
from vqe_core.scorers.survey import Survey
from vqe_core.types import RowWarning
from vqe_core.version import __version__


@dataclass(frozen=True, kw_only=True)
class SeveralScorers:
    """Several metrics as one: all their scores, a status of each, and one of the row.

    A row is ``"ok"`` where all metrics scored it; else its status is that of the first metric that could not, and its
    message says which. The scores of the others stand.

    Attributes:
        scorers: with the same options where they share some; with other names of scores.
        on_error, progress, cache_dir: as of a scorer, given on to all that have them; None leaves them.

    Raises:
        InputError: fewer than two metrics, one of them twice, or two with a score of one name.

    Example:
        >>> from vqe_core.toy.clips import make_clip
        >>> both = scorers_for("emscore,clip_score", {"clip_model_path": "toy", "metrics": "full_F"})
        >>> report = both.score_batch({"candidate": ["a ring"], "video_path": [make_clip(0).frames]}, whole=True)
        >>> list(report.rows), report.details["clip_score_status"]
        (['EMScore(X,V)_full_F', 'clip_score'], ['ok'])
    """

    scorers: tuple[Scorer, ...]
    on_error: Any = None
    progress: Any = None
    cache_dir: Any = None

    headlines: ClassVar[tuple[str, ...]] = ()
    per_sample: ClassVar[bool] = False
    status_key: ClassVar[str] = "status"
    message_key: ClassVar[str] = "message"
    warnings_column: ClassVar[str] = "warnings"

    def __post_init__(self) -> None:
        names = [scorer.name for scorer in self.scorers]
        if len(set(names)) < max(2, len(names)):
            raise InputError(f"several metrics ({', '.join(names)}) must be two or more, each named once")
        set_here = ("on_error", "progress", "cache_dir")
        changes = {name: getattr(self, name) for name in set_here if getattr(self, name) is not None}
        given_on = tuple(replace(scorer, **_known_to(scorer, changes)) for scorer in self.scorers)
        object.__setattr__(self, "scorers", given_on)
        for name in set_here:
            held = [getattr(scorer, name) for scorer in given_on if hasattr(scorer, name)]
            object.__setattr__(self, name, held[0] if held else None)
        for scorer in given_on:  # columns and the device are read as of one scorer
            for name in (*(each.name for each in dataclasses.fields(scorer) if each.name.endswith("_key")), "device"):
                if name not in ("status_key", "message_key", "warnings_key"):
                    object.__setattr__(self, name, getattr(scorer, name))
        self._check_names()

    def _check_names(self) -> None:
        written: dict[str, str] = {}
        for scorer in self.scorers:
            own = scorer.result_names({entry.name for entry in scorer.inputs})
            for name in (*own.scores, *own.flags, *own.texts, *_own_texts(scorer)):
                if name in written or name in (self.status_key, self.message_key, self.warnings_column):
                    other = written.get(name, "the row as a whole")
                    raise InputError(f"{scorer.name} and {other} both write {name!r}; score them one after the other")
                written[name] = scorer.name

    @property
    def name(self) -> str:
        """The names of the metrics, as ``scorer_for`` takes them."""
        return ",".join(scorer.name for scorer in self.scorers)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of all metrics."""
        return tuple({entry.name: entry for scorer in self.scorers for entry in scorer.inputs}.values())

    @property
    def words(self) -> tuple[str, ...]:
        """Text columns that hold words as they are; see ``Scorer.words``."""
        return tuple(name for scorer in self.scorers for name in (*scorer.words, *_own_texts(scorer)))

    @property
    def asked_for(self) -> tuple[str, ...]:
        """See ``Scorer.asked_for``."""
        return tuple(name for scorer in self.scorers for name in scorer.asked_for)

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the names of all columns, those of each metric's status among them."""
        each = [scorer.result_names(_own(scorer, given)) for scorer in self.scorers]
        texts = [(*names.texts, *_own_texts(scorer)) for names, scorer in zip(each, self.scorers, strict=True)]
        return ResultNames(
            tuple(name for names in each for name in names.scores),
            tuple(name for names in each for name in names.flags),
            tuple(name for names in texts for name in names),
        )

    def columns_for(self, columns: Collection[str]) -> dict[str, str]:
        """Return name and type of each column that is added to a table with ``columns``; see ``Scorer``."""
        self.check_columns(columns)
        names = self.result_names({entry.name for entry in self.inputs if getattr(self, entry.key) in columns})
        types = {**dict.fromkeys(names.scores, SCORE), **dict.fromkeys(names.flags, FLAG)}
        texts = (*names.texts, self.warnings_column, self.status_key, self.message_key)
        return {**types, **dict.fromkeys(texts, TEXT)}

    def writes_score(self, name: str) -> bool:
        """Tell whether one of the metrics, with these or other options, calls a score so."""
        return any(scorer.writes_score(name) for scorer in self.scorers)

    taken = Scorer.taken
    check_free = Scorer.check_free

    def check_columns(self, columns: Collection[str]) -> None:
        """Raise InputError if an option names a column that is not there."""
        for scorer in self.scorers:
            scorer.check_columns(columns)

    def check_batch(self) -> None:
        """Raise InputError if an option of one gives scores that would differ from batch to batch."""
        for scorer in self.scorers:
            scorer.check_batch()

    def survey(self, given: Collection[str]) -> Survey | None:
        """Return the first passes that the metrics need, as one; see ``Scorer.survey``."""
        surveys = {scorer.name: scorer.survey(_own(scorer, given)) for scorer in self.scorers}
        needed = {name: survey for name, survey in surveys.items() if survey is not None}
        return SeveralSurveys(self, needed) if needed else None

    def score_batch(
        self,
        batch: Mapping[str, Any],
        base_dir: str | None = None,
        *,
        whole: bool = False,
        of_run: bool = False,
        given: Collection[str] | None = None,
    ) -> ScoreReport:
        """Score a batch of rows by all metrics; see ``Scorer.score_batch``.

        Videos are read by the first metric that wants them, and the frames that the others want are taken out of the
        same pass.
        """
        calls = [
            scorer.call_of_batch(
                batch, base_dir, whole=whole, of_run=of_run, given=None if given is None else _own(scorer, given)
            )
            for scorer in self.scorers
        ]
        scorings: list[Any] = [scorer.prepared(call) for scorer, call in zip(self.scorers, calls, strict=True)]
        recipes = [each.frame_recipe() for each in scorings if hasattr(each, "frame_recipe")]
        with sharing_frames([recipe for recipe in recipes if recipe is not None]):
            reports = [scorer.scored(scoring) for scorer, scoring in zip(self.scorers, scorings, strict=True)]
        return self._joined(reports)

    def _joined(self, reports: Sequence[ScoreReport]) -> ScoreReport:
        details: dict[str, list[Any]] = {}
        for scorer, report in zip(self.scorers, reports, strict=True):
            warned = [counts_as_text(warning_counts(row)) for row in report.warnings]
            told = zip(_own_texts(scorer), (warned, report.status, report.messages), strict=True)
            details |= {**report.details, **dict(told)}
        rows = range(reports[0].num_rows)
        status = [next((r.status[i] for r in reports if r.status[i] != "ok"), "ok") for i in rows]
        return ScoreReport(
            scores={name: mean for report in reports for name, mean in report.scores.items()},
            rows={name: column for report in reports for name, column in report.rows.items()},
            status=status,
            messages=[self._message([report.messages[i] for report in reports]) for i in rows],
            signature=self.signature_of([report.signature for report in reports]),
            details=details,
            calibration={name: value for report in reports for name, value in report.calibration.items()},
            warnings=[self._warnings(reports, i) for i in rows],
            evidence={
                f"{scorer.name}/{name}": vectors
                for scorer, report in zip(self.scorers, reports, strict=True)
                for name, vectors in report.evidence.items()
            },
            environment=merged_environments([report.environment for report in reports]),
        )

    def _message(self, messages: Sequence[str]) -> str:
        if len(set(messages)) == 1:
            return messages[0]
        told = zip(self.scorers, messages, strict=True)
        return "; ".join(f"{scorer.name}: {message}" for scorer, message in told if message)

    @staticmethod
    def _warnings(reports: Sequence[ScoreReport], row: int) -> tuple[RowWarning, ...]:
        if any(report.status[row] != "ok" for report in reports):
            return ()
        return tuple({str(w): w for report in reports for w in report.warnings[row]}.values())

    def signature_of(self, signatures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the signatures of all metrics as one; a parquet file carries each for itself."""
        return {"metric": self.name, "version": __version__, "signatures": list(signatures)}

    def calibrated(
        self, evidence: Mapping[str, Any], columns: Mapping[str, Any], given: Collection[str]
    ) -> tuple[dict[str, Any], dict[str, list[float]]]:
        """Compare all rows of a run with each other, for each metric that does so; see ``Scorer.calibrated``."""
        numbers: dict[str, Any] = {}
        added: dict[str, list[float]] = {}
        for scorer in self.scorers:
            start = f"{scorer.name}/"
            own = {name.removeprefix(start): each for name, each in evidence.items() if name.startswith(start)}
            if own:
                more, columns_of = scorer.calibrated(own, columns, _own(scorer, given))
                numbers |= more
                added |= columns_of
        return numbers, added


@dataclass(frozen=True)
class SeveralSurveys:
    """The first passes of several metrics over a data set, as one; see ``Survey``.

    Attributes:
        scorers: all metrics.
        surveys: of those that need one, by name.
    """

    scorers: SeveralScorers
    surveys: Mapping[str, Survey]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that are made, each behind the name of its metric."""
        return tuple(f"{name}-{file}" for name, survey in self.surveys.items() for file in survey.files)

    @property
    def embeds(self) -> bool:
        """True where rows are decoded and encoded."""
        return any(survey.embeds for survey in self.surveys.values())

    @property
    def most_rows(self) -> int:
        """Rows that stand for all."""
        return max(survey.most_rows for survey in self.surveys.values())

    def of_part(self, columns: Mapping[str, Sequence[Any]], base_dir: str, chosen: Sequence[int]) -> Entry:
        """Return what each metric is to know of a part; see ``Survey.of_part``."""
        return packed({name: survey.of_part(columns, base_dir, chosen) for name, survey in self.surveys.items()})

    def put_together(self, parts: Iterable[Entry]) -> dict[str, bytes]:
        """Return the files of all metrics; see ``Survey.put_together``."""
        found = list(map(unpacked, parts))
        return {
            f"{name}-{file}": content
            for name, survey in self.surveys.items()
            for file, content in survey.put_together(part[name] for part in found).items()
        }

    def applied(self, files: Mapping[str, Path]) -> SeveralScorers:
        """Return the metrics, each with its own files."""
        fitted = {
            name: survey.applied({file: files[f"{name}-{file}"] for file in survey.files})
            for name, survey in self.surveys.items()
        }
        return replace(self.scorers, scorers=tuple(fitted.get(each.name, each) for each in self.scorers.scorers))


def scorers_for(metric: Any, options: Mapping[str, Any]) -> Any:
    """Make the scorer, or of names with commas between them the scorers as one, as ``scorer_for`` makes one.

    Args:
        metric: name of a registered scorer, several with commas between them, or a scorer.
        options: by name; of several metrics each takes those that it has.

    Raises:
        InputTypeError: an option that none of them has, or what is no metric.
        InputError: an option that names columns of results, of which each metric has its own.
    """
    if not isinstance(metric, str) or "," not in metric:
        return scorer_for(metric, options)
    names = [name.strip() for name in metric.split(",")]
    kinds = [registry.load("scorer", name) for name in names]
    known = [{field.name for field in dataclasses.fields(kind) if field.init} for kind in kinds]
    unknown = [name for name in options if not any(name in some for some in known)]
    if unknown:
        near = did_you_mean(unknown[0], set[str]().union(*known))
        raise InputTypeError(f"none of {', '.join(names)} has an option {unknown[0]!r}{near}")
    for option in ("status_key", "message_key", "warnings_key"):
        if options.get(option) is not None:
            raise InputError(
                f"{option} ({options[option]!r}) names one column, and each of several metrics has its own, such as "
                f"{names[0]}_status; leave it out"
            )
    scorers = []
    for name, kind, some in zip(names, kinds, known, strict=True):
        own = {option: value for option, value in options.items() if option in some}
        keys = {"status_key": f"{name}_status", "message_key": f"{name}_message", "warnings_key": f"{name}_warnings"}
        scorers.append(kind(**{"on_error": "skip", **own, **keys}))
    return SeveralScorers(scorers=tuple(scorers))


def headlines(scorer: Any, names: Sequence[str]) -> list[str]:
    """Return the score that stands for a metric, of several metrics one each, among the scores that there are."""
    found = []
    for each in getattr(scorer, "scorers", (scorer,)):
        own = [name for name in names if each.writes_score(name)]
        found += [next((name for name in each.headlines if name in own), own[0])] if own else []
    return found


def _own_texts(scorer: Any) -> tuple[str, str, str]:
    return scorer.warnings_column, scorer.status_key, scorer.message_key


def _own(scorer: Any, given: Collection[str]) -> set[str]:
    return set(given) & {entry.name for entry in scorer.inputs}


def _known_to(scorer: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if hasattr(scorer, name)}
