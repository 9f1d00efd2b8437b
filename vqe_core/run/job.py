"""One call on a run: begin it or go on with it, score what is left, put it together."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from vqe_core.errors import PROGRAMMING_ERRORS, InputError, NothingScoredWarning, OutputError, RowsFailedError, VqeError
from vqe_core.media import is_address
from vqe_core.media.remote import file_system
from vqe_core.options import check_count
from vqe_core.run.engines import make_engine
from vqe_core.run.engines.local import LocalEngine, Task, threads_for
from vqe_core.run.folder import Manifest, RunFolder
from vqe_core.run.merging import calibrate_all, elsewhere, write_merged
from vqe_core.run.parts import failed_rows, inputs_of
from vqe_core.run.plan import largest_first, of_shard, parse_shard
from vqe_core.run.sources import RowSource, source_for
from vqe_core.run.staging import check_same, fitted_scorer, plan, unsurveyed
from vqe_core.run.summary import RunSummary, summarise_run, write_summary
from vqe_core.scorers.row_errors import summary as summary_of
from vqe_core.scorers.row_errors import warn_caller
from vqe_core.scorers.several import scorers_for
from vqe_core.tables import FORMATS, Changes, check_writable, rehearse_batches, warn_of
from vqe_core.tables.parquet import read_arrow
from vqe_core.timings import added

Watch = Callable[[dict[str, Any]], None]  # told of the plan, of each finished part, and of the end
_PER_CELL, _PER_ROW = 24, 200  # bytes of a score, and of status and message, as text; a rough estimate
_MB = 1024**2
COUNTED_HERE = 100_000  # rows that are only read in the first pass: done before workers would have started


def score_run(
    rows: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    metric: Any = "emscore",
    *,
    engine: str = "local",
    workers: int = 1,
    address: str | None = None,
    threads: int | None = None,
    rows_per_part: int | None = None,
    shard: str | tuple[int, int] | None = None,
    retry_failed: bool = False,
    restart: bool = False,
    candidate: str | Sequence[str] | None = None,
    videos_dir: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
    watch: Watch | None = None,
    **options: Any,
) -> RunSummary:
    """Score rows into a table or a folder of parts; the same call goes on with a run that was ended.

    Args:
        rows: table, pattern, folder of tables or of media, URL that fsspec knows, or ``"-"``; or several tables or
            media files.
        out: a table, written whole at the end from a run folder beside it (``FILE.run``); or a folder that keeps the
            parts, as parquet that ``datasets.load_dataset`` reads. A table at an address that fsspec knows is written
            in the working directory first.
        metric: a registered scorer, several with commas between them, or a scorer.
        engine: ``"local"`` or ``"ray"``.
        workers: processes; 1 scores in this one.
        address: of a Ray cluster, whose machines see the same folder.
        threads: of torch in each worker, for the whole run. Default: those of torch for one worker, else each one's
            share of the cores.
        rows_per_part: most rows of a part. Default: a 64th of the rows, from 64 to 1024.
        shard: ``"I/N"``: score only every N-th part, from the I-th on; ``finish_run`` puts them together.
        retry_failed: score the rows again that failed before, and no others.
        restart: forget an earlier run.
        candidate: caption of all ``rows`` that are media, or several, each of which is scored with each file; of a
            metric without captions, descriptions of the sound.
        videos_dir: folder of the videos that ``rows`` name by file or id.
        references: file of reference captions by id: of COCO, MSR-VTT or VATEX, or a table.
        watch: called with a dictionary for each part of a first pass, where there is one, the plan, and each finished
            part.
        options: of the metric; ``on_error`` is ``"skip"`` if it is not given.

    Returns:
        The summary; of a shard that is not the last, of nothing but its rows.

    Raises:
        InputError: rows or options that cannot be, or that an earlier run on the folder did not have.
        RowsFailedError: rows that cannot be scored, with ``on_error="raise"``; finished parts are kept.
        OutputError: something could not be written; finished parts are kept.
        VqeError: as the scorer.

    Invariant: each row is in the result once, and its scores are those of an uninterrupted run.

    Example:
        >>> from vqe_core.tables import read_table, write_table
        >>> folder = getfixture("tmp_path")
        >>> write_table(folder / "rows.jsonl", {"candidate": ["a dog", "a cat"], "reference": ["a dog", "a dog"]})
        >>> summary = score_run(folder / "rows.jsonl", folder / "scores.parquet", clip_model_path="toy")
        >>> summary.num_rows, summary.num_failed, read_table(folder / "scores.parquet")["status"]
        (2, 0, ['ok', 'ok'])
    """
    asked = {"threads": threads, "rows_per_part": rows_per_part}
    for name, value in {"workers": workers, **asked}.items():
        if value is not None:
            check_count(name, value)
    piece, how = parse_shard(shard), make_engine(engine, workers, address)
    if isinstance(out, str) and is_address(out):
        given = {"engine": engine, "workers": workers, "address": address, "threads": threads, "shard": shard,
                 "rows_per_part": rows_per_part, "retry_failed": retry_failed, "restart": restart,
                 "candidate": candidate, "videos_dir": videos_dir, "references": references, "watch": watch,
                 **options}  # fmt: skip
        return _put_elsewhere(out, lambda here: score_run(rows, here, metric, **given))
    named = {"progress": False, **options} if isinstance(metric, str) else options  # the run has a bar of its own
    scorer = scorers_for(metric, named)
    beside = {"videos_dir": videos_dir, "references": references}
    beside = {name: None if path is None else os.path.abspath(path) for name, path in beside.items()}
    inputs = {"rows": rows, "candidate": candidate, **beside}
    call = {**inputs, "options": options} if isinstance(metric, str) else None
    job = _Job(Path(out), scorer, watch or (lambda event: None))
    job.open(inputs, restart=restart, asked=asked, workers=workers, call=_plain_call(call))
    with job.folder.locked(piece):
        if piece is None:
            job.folder.clear_temporary()
        try:
            job.survey(how)
            job.score(how, piece, retry_failed)
        except VqeError as error:
            scored = isinstance(error, OutputError)  # and written elsewhere
            if piece is None and not scored and not job.folder.done(len(job.manifest.parts)):
                with suppress(InputError, OSError):
                    job.folder.remove()  # nothing to go on with: the next call may name another model
            raise
        if piece is not None:
            return job.summary_of_shard(piece)
        return job.finish()


def _put_elsewhere(url: str, run: Callable[[Path], RunSummary]) -> RunSummary:
    """Let a run write a table here, in the working directory, and put it to an address, where it appears whole.

    Raises:
        InputError: a folder at an address, whose parts could not be written whole and once, or an unknown ending.
        OutputError: it cannot be put there; the table stays here.
    """
    here = Path(url.rstrip("/").rpartition("/")[2])
    if here.suffix.lower() not in FORMATS:
        raise InputError(
            f"{url!r} must end in one of {', '.join(FORMATS)}: a run keeps its parts on a file system, and puts the "
            "finished table elsewhere; for a folder of parts name one here, or one that is mounted"
        )
    system, path = file_system(url)
    summary = run(here)
    try:
        system.put_file(str(here), path)
    except PROGRAMMING_ERRORS:
        raise
    except Exception as error:  # whatever the file systems behind fsspec raise
        words = " ".join(str(error).split())
        raise OutputError(
            f"{url!r} could not be written ({type(error).__name__}: {words}); the table is in {str(here)!r}"
        ) from error
    here.unlink()
    summary.out = url
    return summary


def of_parts(manifest: Manifest, shard: tuple[int, int] | None) -> list[Any]:
    """Return the parts of a shard."""
    return [manifest.parts[number] for number in of_shard(range(len(manifest.parts)), shard)]


def score_table(
    metric: str, rows: str | os.PathLike[str], out: str | os.PathLike[str], options: Mapping[str, Any]
) -> RunSummary:
    """Score the rows of a table in this process; see ``score_run``."""
    return score_run(rows, out, metric, **options)


def finish_run(path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> RunSummary:
    """Put the finished parts of a run together, as after the last of several shards.

    Args:
        path: folder of the run.
        out: table to write beside the parts. Default: none; a run beside a file writes that file.

    Raises:
        InputError: parts are missing; the message says which.
    """
    folder = RunFolder(Path(path))
    manifest = folder.manifest()
    missing = sorted(set(range(len(manifest.parts))) - folder.done(len(manifest.parts)))
    if missing:
        raise InputError(
            f"{len(missing)} of {len(manifest.parts)} parts are not done ({', '.join(map(str, missing[:5]))}"
            f"{' ...' if len(missing) > 5 else ''}); give the command of the run again"
        )
    if manifest.call is None:
        raise InputError("the run was begun with objects as options; make the same call again to finish it")
    call, name = manifest.call, Path(path).name
    target = Path(path).with_name(name.removesuffix(".run")) if not manifest.keeps_columns else Path(path)
    job = _Job(target, scorers_for(manifest.metric, {"progress": False, **call["options"]}), lambda event: None)
    inputs = {name: call.get(name) for name in ("rows", "candidate", "videos_dir", "references")}
    job.open(inputs, restart=False, asked={}, workers=1, call=call)
    with folder.locked():
        folder.clear_temporary()
        job.survey(LocalEngine())
        return job.finish(None if out is None else Path(out))


def _plain_call(call: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a call in a form that JSON holds, with an absolute path; None where it has none."""
    if call is None:
        return None
    rows = call["rows"]
    if isinstance(rows, str | os.PathLike):
        text = os.fspath(rows)
        call = {**call, "rows": text if text == "-" or "://" in text else os.path.abspath(text)}
    else:
        call = {**call, "rows": [os.path.abspath(row) for row in rows]}
    try:
        return dict(json.loads(json.dumps(call)))
    except (TypeError, ValueError):
        return None


class _Job:
    """A run with its folder, as one call sees it."""

    def __init__(self, out: Path, scorer: Any, watch: Watch) -> None:
        self.out, self.scorer, self.watch = out, scorer, watch
        self.is_file = out.suffix.lower() in FORMATS
        if not self.is_file and out.suffix and not out.is_dir():
            raise InputError(f"{str(out)!r} must end in one of {', '.join(FORMATS)}, or be a folder")
        self.folder = RunFolder(out.with_name(f"{out.name}.run") if self.is_file else out)
        self.manifest: Manifest
        self.source: RowSource
        self.resumed = 0
        self._expected = Changes()
        self.time: dict[str, float] = {}
        self._began = time.perf_counter()

    def open(
        self,
        inputs: Mapping[str, Any],
        *,
        restart: bool,
        asked: Mapping[str, int | None],
        workers: int,
        call: dict[str, Any] | None,
    ) -> None:
        """Begin the run, or check that it goes on as it was begun; ``asked`` are its threads and rows a part."""
        self._check_output(inputs["rows"])
        if restart:
            self.folder.remove()
            self.folder.path.mkdir()
        try:
            with self.folder.locked_for_planning():
                beside = {name: value for name, value in inputs.items() if name != "rows"}
                self.source = source_for(self.scorer, inputs["rows"], self.folder.rows, **beside)
                if self.folder.is_begun:
                    self.manifest = self.folder.manifest()
                    check_same(self.manifest, self.scorer, self.source, keeps_columns=not self.is_file, asked=asked)
                else:
                    self._begin(asked, workers, call)
        except BaseException:
            if not self.folder.is_begun:
                with suppress(InputError, OSError):  # what went wrong before matters more
                    self.folder.remove()
            raise

    def survey(self, engine: Any) -> None:
        """Learn what all rows share before any of them is scored, part by part: words for idf, rows for chance."""
        survey = self.scorer.survey(inputs_of(self.scorer, self.manifest))
        if survey is None:
            return
        with self.folder.locked_for_planning():  # one of several shards looks for all
            left = unsurveyed(survey, self.folder, self.manifest)
            few = not survey.embeds and sum(self.manifest.parts[number].num_rows for number in left) < COUNTED_HERE
            if left:
                for event in (LocalEngine() if few else engine).run(self.folder, self.scorer, left, "survey"):
                    self.watch({**event, "of": self.manifest.num_rows})
            self.scorer = fitted_scorer(survey, self.folder, self.manifest)

    def _check_output(self, rows: Any) -> None:
        if self.is_file:
            check_writable(self.out)
            if isinstance(rows, str | os.PathLike) and _same_file(rows, self.out):
                raise InputError(f"{str(self.out)!r} is the table that is read; name another file to write")
        try:
            self.folder.path.mkdir(parents=not self.is_file, exist_ok=True)
            (self.folder.path / ".lock").touch()
        except OSError as error:
            raise InputError(
                f"cannot write {str(self.folder.path)!r}: {error.strerror}; name a folder that can be written"
            ) from error

    def _begin(self, asked: Mapping[str, int | None], workers: int, call: dict[str, Any] | None) -> None:
        if self.is_file:
            self._rehearse()
        self.manifest = plan(
            self.source,
            self.scorer,
            self.folder,
            keeps_columns=not self.is_file,
            threads=asked["threads"] or threads_for(workers),
            most_rows=asked["rows_per_part"],
            call=call,
        )

    def _rehearse(self) -> None:
        """Write the input columns where the output will be, and warn of what does not fit its format."""
        results = 0

        def batches() -> Any:
            nonlocal results
            for batch in self.source.batches():
                if not results:
                    self.scorer.check_free(batch, where=repr(self.source.name))
                    results = len(self.scorer.columns_for(batch))
                yield batch

        changes = Changes()
        if self.source.is_parquet and self.out.suffix.lower() == ".parquet":  # its types are kept
            next(batches())
            size = sum(path.stat().st_size for path in self.source.files)
        else:
            keep = self.folder.columns if self.out.suffix.lower() == ".parquet" else None
            self.folder.rows.mkdir(exist_ok=True)
            size, changes = rehearse_batches(self.out, batches, keep)
        needed = size + self.source.expected_rows * (_PER_CELL * results + _PER_ROW)
        room = shutil.disk_usage(os.path.realpath(self.out.parent)).free
        if room < needed:
            raise InputError(
                f"cannot write {str(self.out)!r}: its disk has room for {room / _MB:.1f} MB, and about "
                f"{needed / _MB:.1f} MB are needed; make room, or name another folder"
            )
        warn_of(changes, self.out)
        self._expected = changes

    def score(self, engine: Any, shard: tuple[int, int] | None, retry: bool) -> None:
        """Score the parts that are not done, or again those with rows that failed."""
        count = len(self.manifest.parts)
        done = self.folder.done(count)
        mine = of_shard(range(count), shard)
        left = [number for number in mine if number not in done]
        self.resumed = sum(self.manifest.parts[number].num_rows for number in mine if number in done)
        self.watch({"rows": sum(p.num_rows for p in of_parts(self.manifest, shard)), "resumed": self.resumed})
        if retry:
            again = [number for number in mine if number in done and self._failed(number)]
            self._drive(engine, again, "retry")
        self._drive(engine, left, "score")

    def _failed(self, number: int) -> list[int]:
        return failed_rows(self.folder.part(number, len(self.manifest.parts)), self.scorer.status_key)

    def _drive(self, engine: Any, numbers: Sequence[int], task: Task) -> None:
        if not numbers:
            return
        scorer = replace(self.scorer, on_error="skip")  # what becomes of failures is decided here
        for event in engine.run(self.folder, scorer, largest_first(self.manifest.parts, numbers), task):
            self.watch(event)
            self.time = added(self.time, event.get("time", {}))
            if self.scorer.on_error == "raise" and set(event["status"]) - {"ok"}:
                raise self._failures(event["number"])

    def _failures(self, number: int) -> RowsFailedError:
        first = self.manifest.parts[number].start
        columns = [self.scorer.status_key, self.scorer.message_key]
        table = read_arrow(self.folder.part(number, len(self.manifest.parts)), columns)
        rows = enumerate(zip(*(table.column(name).to_pylist() for name in columns), strict=True), start=first)
        failures = {row: VqeError(message, code=status) for row, (status, message) in rows if status != "ok"}
        return RowsFailedError(
            f"{summary_of(failures, table.num_rows)}\nMend or leave out these rows, or use on_error='skip' to score "
            "the others. Finished parts are kept."
        )

    def summary_of_shard(self, shard: tuple[int, int]) -> RunSummary:
        """Return what came of the parts of a shard; the last of the shards to end does not put them together."""
        parts = of_shard(range(len(self.manifest.parts)), shard)
        summary = summarise_run(self.folder, self.manifest, self.scorer, parts)
        summary.out, summary.resumed_rows = str(self.folder.path), self.resumed
        summary.seconds = time.perf_counter() - self._began
        return summary

    def finish(self, other: Path | None = None) -> RunSummary:
        """Put the parts together; also into a table ``other`` where the run keeps its parts."""
        if self.scorer.on_error == "raise":  # rows that failed in an earlier call
            for number in range(len(self.manifest.parts)):
                if self._failed(number):
                    raise self._failures(number)
        calibration = calibrate_all(self.folder, self.manifest, self.scorer)
        summary = summarise_run(self.folder, self.manifest, self.scorer)
        summary.calibration = {**summary.calibration, **calibration}
        summary.out, summary.resumed_rows = str(other or self.out), self.resumed
        table = self.out if self.is_file else other
        if table is not None:
            changes = write_merged(table, self.folder, self.manifest, self.source, summary)
            warn_of(changes.beyond(self._expected), table)
            summary.media_folder = elsewhere(table, self.manifest, self.scorer, self.source)
        summary.seconds, summary.time = time.perf_counter() - self._began, self.time
        if self.is_file:
            self.folder.remove()
        else:
            self.folder.clear_temporary()  # of workers that were killed while they wrote
            write_summary(self.folder, summary)
        if summary.num_failed == summary.num_rows:
            warn_caller("\n  ".join(["no row was scored:", *summary.failure_lines()]), NothingScoredWarning)
        elif self.scorer.on_error == "warn" and summary.num_failed:
            warn_caller("\n  ".join(["rows cannot be scored:", *summary.failure_lines()]), UserWarning)
        return summary


def _same_file(rows: str | os.PathLike[str], out: Path) -> bool:
    try:
        return os.path.samefile(rows, out)
    except (OSError, ValueError):  # one of them is not there
        return False
