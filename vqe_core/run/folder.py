"""The folder of a run: a manifest written once, numbered parts that never change, a summary.

A finished part is the only record of progress. It appears whole under its name, by a rename, or not at all; so
whatever is killed at whatever moment, what has a name is right, and the rest is done again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vqe_core.errors import InputError, OutputError
from vqe_core.run.plan import Part

FORMAT = "vqe-run-1"
MANIFEST, SUMMARY, FITTED = "_manifest.json", "_summary.json", "_fitted-"
_ROWS, _EVIDENCE, _KERNELS, _SURVEY, TEMPORARY = ".rows", ".evidence", ".kernels", ".survey", ".tmp-"
_PART = re.compile(r"scores-(\d{5,})-of-(\d{5,})\.parquet")


@dataclass(frozen=True)
class Manifest:
    """The beginning of a run; every later call on its folder must agree with it.

    Attributes:
        metric: a registered scorer.
        options: all that can change a score, by name, as plain values.
        source: name and record of the input.
        columns: of the input.
        given: those that hold something in any row.
        parts: ranges of rows with their costs.
        keeps_columns: whether parts hold the columns of the input too, or scores alone.
        whole: whether one part scores all rows together, because an option compares them with each other.
        threads: of each worker: sums of floats depend on it.
        rows_per_part: the most, as it was asked for; None where the number of rows decided.
        base_dir: where relative media paths start.
        call: rows, candidate and options as they were given, by which ``finish_run`` makes them again; None where they
            have no form as JSON.
        created: seconds since the epoch.
    """

    metric: str
    options: dict[str, Any]
    source: dict[str, Any]
    columns: list[str]
    given: list[str]
    parts: list[Part]
    keeps_columns: bool
    whole: bool
    threads: int
    base_dir: str
    call: dict[str, Any] | None = None
    rows_per_part: int | None = None
    created: float = 0.0
    format: str = FORMAT

    @property
    def num_rows(self) -> int:
        """Rows of the run."""
        return self.parts[-1].stop if self.parts else 0


@dataclass(frozen=True)
class RunFolder:
    """Names of the files of a run, and how they are written."""

    path: Path

    @property
    def is_begun(self) -> bool:
        """True where a run was planned; before that there is nothing to go on with."""
        return (self.path / MANIFEST).is_file()

    @property
    def rows(self) -> Path:
        """Folder of the rows of each part, as they are scored."""
        return self.path / _ROWS

    @property
    def columns(self) -> Path:
        """File of the columns of the input, as the output will have them; only where that is parquet."""
        return self.rows / "columns.parquet"

    def rows_of(self, number: int, suffix: str) -> Path:
        """File of the rows of a part."""
        return self.rows / f"{number:05d}{suffix}"

    def evidence_of(self, number: int) -> Path:
        """File of what a part leaves for numbers of all rows together."""
        return self.path / _EVIDENCE / f"{number:05d}.safetensors"

    def survey_of(self, number: int) -> Path:
        """File of what a part adds to the first pass, until that of all parts is put together."""
        return self.path / _SURVEY / f"{number:05d}.safetensors"

    def surveyed(self) -> int:
        """Return how many parts the first pass looked at; 0 where there is none, or it is over."""
        folder = self.path / _SURVEY
        return len(list(folder.glob("[0-9]*"))) if folder.is_dir() else 0

    def fitted(self, name: str) -> Path:
        """File of what the first pass over all parts made."""
        return self.path / f"{FITTED}{name}"

    def remove_surveys(self) -> None:
        """Remove what was found part by part, once it is put together."""
        shutil.rmtree(self.path / _SURVEY, ignore_errors=True)

    @property
    def kernels(self) -> Path:
        """Folder of the kernels that the first worker chose, see ``share_choices``."""
        return self.path / _KERNELS

    def part(self, number: int, count: int) -> Path:
        """File of the scores of a part."""
        return self.path / f"scores-{number:05d}-of-{count:05d}.parquet"

    def manifest(self) -> Manifest:
        """Read the manifest.

        Raises:
            InputError: there is none, or it is of another version.
        """
        path = self.path / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.get("format") != FORMAT:
                raise InputError(
                    f"{str(self.path)!r} is a run of another version ({content.get('format')!r}, this one writes "
                    f"{FORMAT!r}); finish it with that version, or start a new folder"
                )
            return Manifest(**{**content, "parts": [Part(*part) for part in content["parts"]]})
        except FileNotFoundError:
            raise InputError(f"{str(self.path)!r} holds no run: it has no {MANIFEST}; check the path") from None
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{str(path)!r} is damaged ({error}); start a new folder") from error

    def begin(self, manifest: Manifest) -> None:
        """Write the manifest, the last step of planning."""
        content = {**asdict(manifest), "parts": [list(part) for part in manifest.parts]}
        self.write_text(MANIFEST, json.dumps(content, indent=1, ensure_ascii=True))

    def write_text(self, name: str, text: str) -> None:
        """Write a small file, whole or not at all."""
        self.publish(self.path / name, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def publish(self, path: Path, write: Callable[[Path], Any]) -> None:
        """Let ``write`` fill a temporary file, and give it its name once it is whole and on the disk.

        Raises:
            OutputError: it cannot be written, as on a full disk.
        """
        temporary = self.path / f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:8]}{path.suffix}"
        try:
            write(temporary)
            with temporary.open("rb") as file:  # a name that survives a power cut must not lead to nothing
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise OutputError(
                f"{str(path)!r} could not be written ({error.strerror or error}); finished parts are kept: make room, "
                "and give the same command again"
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def done(self, count: int) -> set[int]:
        """Return the numbers of the finished parts of a run of ``count`` parts."""
        found = (_PART.fullmatch(name) for name in os.listdir(self.path))
        return {int(match[1]) for match in found if match and int(match[2]) == count}

    def clear_temporary(self) -> None:
        """Remove what a killed process left half written. Only while no other works here."""
        for path in self.path.glob(f"{TEMPORARY}*"):
            with suppress(OSError):
                path.unlink()

    def remove(self) -> None:
        """Remove the run; refuse a folder that holds anything else.

        Raises:
            InputError: there are files that no run wrote.
        """
        if not self.path.exists():
            return
        foreign = [name for name in os.listdir(self.path) if not _is_own(name)]
        if foreign:
            raise InputError(f"{str(self.path)!r} holds {foreign[0]!r}, which no run wrote; remove the folder yourself")
        shutil.rmtree(self.path)

    @contextmanager
    def locked(self, shard: tuple[int, int] | None = None) -> Iterator[None]:
        """Hold the folder, or the parts of a shard, for this process; the system lets go when it dies.

        Raises:
            InputError: another process holds it.
        """
        name = ".lock" if shard is None else f".lock-{shard[0]}-of-{shard[1]}"
        with (self.path / name).open("a+") as file:
            if not _lock(file, wait=False):
                file.seek(0)
                raise InputError(
                    f"another process works in {str(self.path)!r} ({file.read().strip() or 'unknown'}); wait for it, "
                    "or end it: two at once would do the same work twice"
                )
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%H:%M:%S')}")
            file.flush()
            yield

    @contextmanager
    def locked_for_planning(self) -> Iterator[None]:
        """Wait for who else plans this run, as several shards that begin together would."""
        with (self.path / ".lock-plan").open("a+") as file:
            _lock(file, wait=True)
            yield


def _is_own(name: str) -> bool:
    known = {MANIFEST, SUMMARY, _ROWS, _EVIDENCE, _KERNELS, _SURVEY}
    return name in known or name.startswith((TEMPORARY, FITTED, ".lock")) or bool(_PART.fullmatch(name))


def _lock(file: Any, *, wait: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: parts are published whole there too, at worst some work is done twice
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what changed between two sets of options, a line each.

    Example:
        >>> differences({"frame_num": 10, "idf": False}, {"frame_num": 12, "idf": False})
        ['`frame_num` was 10, is 12']
        >>> differences({"frame_num": None, "idf": "words.json"}, {"frame_num": 12, "idf": None})
        ['`frame_num` was not set, is 12', "`idf` was 'words.json', is not set"]
    """
    names = [name for name in {**earlier, **now} if earlier.get(name) != now.get(name)]
    return [f"`{name}` was {_told(earlier.get(name))}, is {_told(now.get(name))}" for name in names]


def _told(value: Any) -> str:
    return "not set" if value is None else repr(value)
