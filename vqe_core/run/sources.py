"""Sources of rows: tables, folders of media, standard input, object stores.

Task: the same rows in the same order at each reading, and a record by which a changed input is recognised.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vqe_core.errors import InputError, MissingPackageError
from vqe_core.run.folder import RunFolder
from vqe_core.run.layouts import MEDIA, CaptionRows, caption_rows
from vqe_core.tables import READ_FORMATS, Columns, read_batches, read_environments, read_media_folder, read_signatures
from vqe_core.tables.parquet import count_rows

STANDARD_INPUT = "-"
_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_BATCH = 1024


@dataclass(frozen=True)
class RowSource:
    """Rows that can be read again and again.

    Attributes:
        name: as the user wrote it, for messages.
        files: tables, read one after the other; of a folder of media the media.
        base_dir: where relative media paths of the rows start.
        record: by which the same input is recognised later: size and time of each file, or a digest.
        media: the rows, where files are media and not tables.
        laid_out: the rows, where files have a structure of their own, or others are joined to them.
    """

    name: str
    files: tuple[Path, ...]
    base_dir: str
    record: dict[str, Any]
    media: Columns | None = field(default=None, repr=False)
    laid_out: CaptionRows | None = field(default=None, repr=False)
    _names: dict[Path, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def is_parquet(self) -> bool:
        """True where the rows have the types of Arrow."""
        return (
            self.media is None
            and self.laid_out is None
            and all(path.suffix.lower() == ".parquet" for path in self.files)
        )

    @property
    def expected_rows(self) -> int:
        """Number of rows as far as it can be told without reading them: exact for parquet, else no less."""
        if self.media is not None:
            return len(next(iter(self.media.values())))
        if self.laid_out is not None:
            return self.laid_out.num_rows
        return sum(count_rows(path) if path.suffix.lower() == ".parquet" else _lines(path) for path in self.files)

    def batches(self, size: int = _BATCH) -> Iterator[Columns]:
        """Read the rows batch by batch; every batch has all columns.

        Raises:
            InputError: a table that cannot be read, or several with other columns.
        """
        if self.media is not None:
            count = len(next(iter(self.media.values())))
            for start in range(0, count, size):
                yield {name: values[start : start + size] for name, values in self.media.items()}
            return
        if self.laid_out is not None:
            yield from self.laid_out.batches(size)
            return
        names: list[str] | None = None
        for path in self.files:
            for batch in read_batches(path, size, self._names.get(path)):
                self._names[path] = list(batch)
                names = list(batch) if names is None else names
                if set(batch) != set(names):
                    raise InputError(
                        f"{str(path)!r} has columns {list(batch)}, {str(self.files[0])!r} {names}; tables that are "
                        "scored together need the same"
                    )
                yield {name: batch[name] for name in names}

    def signatures(self) -> list[dict[str, Any]]:
        """Return signatures of metrics that scored these rows before."""
        if self.media is not None or not self.files:
            return []
        return read_signatures(self.files[0])

    def environments(self) -> dict[str, Any]:
        """Return the environments of metrics that scored these rows before, by metric."""
        if self.media is not None or not self.files:
            return {}
        return read_environments(self.files[0])


def open_source(
    rows: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    video_key: str,
    candidate_key: str | None = None,
    candidate: str | Sequence[str] | None = None,
    held_in: Path | None = None,
) -> RowSource:
    """Return the rows that a path, a pattern, a folder, a URL or standard input (``"-"``) stand for.

    Args:
        rows: a table, a pattern such as ``"part-*.parquet"``, a folder of tables of one format or of media, a URL of
            tables that fsspec knows, or ``"-"``; or several tables, or several media files and folders of them.
        video_key: column that media files become.
        candidate_key: column of their texts, None for a metric without.
        candidate: text of all media files; of several texts each stands in a row of each file. Default: the text of
            the file of the same name that ends in ``.txt``.
        held_in: folder for copies of what can be read once only, or is elsewhere.

    Raises:
        InputError: nothing is there, or media without a caption for a metric of captions.
    """
    texts = (candidate,) if isinstance(candidate, str) else candidate
    source = _opened(rows, _MediaRows(video_key, candidate_key, texts), held_in)
    if texts is not None and source.media is None:
        raise InputError(
            f"--caption ({texts[0]!r}) is for videos, and {source.name!r} is a table, whose texts are in columns; "
            "leave it out"
        )
    return source


def source_for(
    scorer: Any,
    rows: Any,
    held_in: Path,
    *,
    candidate: str | Sequence[str] | None = None,
    videos_dir: str | None = None,
    references: str | None = None,
) -> RowSource:
    """Return rows as a scorer reads them: media, their texts and known files become the columns that its options name.

    Args:
        scorer: a scorer.
        rows, held_in, candidate: see ``open_source``. Of a metric without captions the text describes the sound.
        videos_dir, references: see ``caption_rows``.

    Raises:
        InputError: as ``open_source`` and ``caption_rows``.
    """
    key = getattr(scorer, "candidate_key", None)
    if key is None and candidate is not None:
        key = getattr(scorer, "description_key", None)
    source = open_source(rows, video_key=scorer.video_key, candidate_key=key, candidate=candidate, held_in=held_in)
    if source.media is not None:
        if videos_dir is not None or references is not None:
            raise InputError("--videos-dir and --references belong to a table, and the rows are videos; leave them out")
        return source
    found = caption_rows(source.files, source.base_dir, _default_keys(scorer), videos_dir, references)
    if found is None:
        return source
    joined = {"videos_dir": videos_dir, "references": None if references is None else _stamp(Path(references))}
    return replace(source, laid_out=found, record={**source.record, **joined})


def _default_keys(scorer: Any) -> dict[str, str]:
    """Return by role the columns of a scorer that are named as they are by default."""
    fields = (each for one in getattr(scorer, "scorers", (scorer,)) for each in dataclass_fields(one))
    defaults: dict[str, Any] = {each.name: each.default for each in fields}
    keys = {role: f"{role}_key" for role in ("video", "candidate", "reference")}
    return {
        role: defaults[key] for role, key in keys.items() if key in defaults and getattr(scorer, key) == defaults[key]
    }


def _opened(rows: Any, media: _MediaRows, held_in: Path | None) -> RowSource:
    if not isinstance(rows, str | os.PathLike):
        return _of_several([os.fspath(row) for row in rows], media)
    name = os.fspath(rows)
    if name == STANDARD_INPUT:
        return _of_standard_input(sys.stdin.buffer, _holding(held_in))
    if _REMOTE.match(name):
        return _of_url(name, held_in, media)
    path = Path(name)
    if path.is_dir():
        return _of_folder(path, media)
    if not os.path.exists(path) and any(letter in name for letter in "*?["):
        found = sorted(Path().glob(name) if not path.is_absolute() else Path(path.anchor).glob(str(path)[1:]))
        if not found:
            raise InputError(f"no file matches {name!r}; check the pattern and the working directory")
        return _of_files(name, found, media)
    if path.suffix.lower() in MEDIA:
        return media.of_files(name, [path])
    return _of_tables(name, [path])


def _of_several(names: Sequence[str], media: _MediaRows) -> RowSource:
    """Return the rows of several tables, or of several videos and folders of them."""
    alone = next((name for name in names if name == STANDARD_INPUT or _REMOTE.match(name)), None)
    if alone is not None:
        raise InputError(f"{alone!r} cannot stand beside other rows; give it alone")
    folders = {name: _files_in(Path(name)) for name in names if os.path.isdir(name)}
    files = [path for name in names for path in folders.get(name, [Path(name)])]
    tables = [path for path in files if path.suffix.lower() in READ_FORMATS]
    if tables and len(tables) < len(files):
        other = next(path for path in files if path not in tables)
        raise InputError(f"{str(tables[0])!r} is a table and {str(other)!r} is none; give tables, or videos")
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return _of_tables(shown, files) if tables else media.of_files(shown, files)


def rows_at(source: RowSource, numbers: np.ndarray) -> Columns:
    """Return the rows of these numbers, which increase."""
    held: Columns = {}
    first = 0
    for batch in source.batches():
        size = len(next(iter(batch.values())))
        for number in numbers[(numbers >= first) & (numbers < first + size)]:
            for name, values in batch.items():
                held.setdefault(name, []).append(values[number - first])
        first += size
    return held


def _of_files(name: str, files: Sequence[Path], media: _MediaRows) -> RowSource:
    if any(path.suffix.lower() in READ_FORMATS for path in files):
        return _of_tables(name, files)
    return media.of_files(name, files)


def _files_in(folder: Path) -> list[Path]:
    """Return the media of a folder and of those in it, but none that are hidden."""
    files = sorted(
        each for each in folder.rglob("*") if not any(p.startswith((".", "_")) for p in _below(folder, each))
    )
    return [each for each in files if each.suffix.lower() in MEDIA and each.is_file()]


def _of_folder(path: Path, media: _MediaRows) -> RowSource:
    files = sorted(each for each in path.rglob("*") if not any(p.startswith((".", "_")) for p in _below(path, each)))
    tables = [each for each in files if each.suffix.lower() in READ_FORMATS and each.is_file()]
    files_of_media = _files_in(path)
    if files_of_media and not any(each.suffix.lower() == ".parquet" for each in tables):
        return media.of_files(str(path), files_of_media)
    if not tables:
        raise InputError(f"{str(path)!r} holds neither videos nor tables ({', '.join(READ_FORMATS)}); check the path")
    if len({each.suffix.lower() for each in tables}) > 1:
        raise InputError(f"{str(path)!r} holds tables of several formats; name one, or a pattern such as '*.parquet'")
    return _of_tables(str(path), tables)


def _below(folder: Path, path: Path) -> tuple[str, ...]:
    return path.relative_to(folder).parts


def _of_tables(name: str, files: Sequence[Path]) -> RowSource:
    for path in files:
        if path.suffix.lower() not in READ_FORMATS:
            raise InputError(f"{str(path)!r} must end in one of {', '.join(READ_FORMATS)}, or be a video or a folder")
        if not os.path.isfile(path):  # Path.is_file raises where a name is too long
            raise InputError(f"no table at {str(path)!r}; check the path")
    return RowSource(name, tuple(files), media_folder(files), {"files": [_stamp(path) for path in files]})


def media_folder(tables: Sequence[Path]) -> str:
    """Return where relative media paths in tables start: where they say, else in the folder that holds all of them.

    Args:
        tables: files, or the folder of a run or of the parts of a table.

    Raises:
        InputError: tables that were written elsewhere than their input, from several folders.
    """
    own = {path: path.absolute() if path.is_dir() else path.absolute().parent for path in tables}
    runs = {folder: RunFolder(folder) for folder in set(own.values())}
    of_runs = {folder: run.manifest().base_dir for folder, run in runs.items() if run.is_begun}
    said = {of_runs[folder] if folder in of_runs else read_media_folder(path) for path, folder in own.items()}
    if len(said) == 1 or said == set(map(str, runs)):
        return os.path.commonpath(said)
    raise InputError(
        f"media paths in {str(tables[0])!r} and other tables start from several folders ({', '.join(sorted(said))}); "
        "name the tables one at a time"
    )


def _stamp(path: Path) -> dict[str, Any]:
    stat = path.stat()
    return {"name": path.name, "bytes": stat.st_size, "modified": stat.st_mtime_ns}


@dataclass(frozen=True)
class _MediaRows:
    """Rows that media become: one for each, or for each with each of the texts.

    Attributes:
        video_key: column of their paths.
        text_key: column of their texts, None for none.
        texts: of all of them; None: the text of the file of the same name that ends in ``.txt``.
    """

    video_key: str
    text_key: str | None
    texts: Sequence[str] | None

    def of_files(self, name: str, files: Sequence[Path]) -> RowSource:
        """Return the rows of files on this machine."""
        if not files:
            raise InputError(f"{name!r} holds no videos; check the path")
        return self._of(name, tuple(files), [str(path.absolute()) for path in files], lambda i: _caption(files[i]))

    def of_addresses(self, url: str, system: Any, media: Sequence[str], found: set[str]) -> RowSource:
        """Return the rows of files that fsspec finds; ``found`` are all files there."""
        beside = [f"{path.rpartition('.')[0]}.txt" for path in media]
        return self._of(
            url,
            (),
            [system.unstrip_protocol(path) for path in media],
            lambda i: _words(system.cat_file(beside[i])) if beside[i] in found else None,
        )

    def _of(
        self, name: str, files: tuple[Path, ...], paths: Sequence[str], caption: Callable[[int], str | None]
    ) -> RowSource:
        columns: Columns = {self.video_key: [path for path in paths for _ in self.texts or (None,)]}
        if self.text_key is not None:
            own = [caption(i) for i in range(len(paths))] if self.texts is None else [*self.texts] * len(paths)
            if all(text is None for text in own):
                raise InputError(
                    f"{name!r}: none of {len(paths)} videos has a caption; give --caption TEXT for all of them, or put "
                    "each one's caption into a file of the same name that ends in .txt"
                )
            columns[self.text_key] = own
        digest = hashlib.sha256(repr(sorted(columns.items())).encode("utf-8", "surrogateescape")).hexdigest()
        return RowSource(name, files, str(Path.cwd()), {"rows": digest[:16]}, columns)


def _words(content: bytes) -> str | None:
    return " ".join(content.decode("utf-8-sig", "replace").split()) or None


def _caption(video: Path) -> str | None:
    path = video.with_suffix(".txt")
    try:
        return " ".join(path.read_text(encoding="utf-8-sig").split()) or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"caption {str(path)!r} cannot be read: {error}; save it as a text in UTF-8") from error


def _holding(folder: Path | None) -> Path:
    if folder is None:
        raise InputError("standard input and URLs need a folder for their copy; name an output")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _of_standard_input(stream: BinaryIO, folder: Path) -> RowSource:
    """Copy what comes: it can be read once only, and the run may be resumed with the same rows from the pipe."""
    first = stream.read(1)
    while first.isspace():
        first = stream.read(1)
    if not first:
        raise InputError("standard input is empty; pipe jsonl, json or csv into it")
    suffix = {b"{": ".jsonl", b"[": ".json"}.get(first, ".csv")
    arriving = folder / f"arriving-{os.getpid()}"
    digest = hashlib.sha256(first)
    with arriving.open("wb") as file:
        file.write(first)
        while block := stream.read(1 << 20):
            digest.update(block)
            file.write(block)
    # By its content: another input must not take the place of the one that a run was begun with.
    path = folder / f"input-{digest.hexdigest()[:16]}{suffix}"
    os.replace(arriving, path)
    return RowSource("standard input", (path,), str(Path.cwd()), {"rows": digest.hexdigest()[:16]})


def _of_url(url: str, folder: Path | None, rows: _MediaRows) -> RowSource:
    """Copy tables from where fsspec finds them; media paths in them are absolute, or start here."""
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingPackageError(f"{url!r} cannot be read: {error}") from error
    except ValueError as error:
        raise InputError(f"{url!r}: {error}; a table on this machine is named by its path") from error
    try:
        found = sorted(system.glob(root) if "*" in root else system.find(root))
        tables = [path for path in found if Path(path).suffix.lower() in READ_FORMATS]
        media = [path for path in found if Path(path).suffix.lower() in MEDIA]
        if media and not tables:
            return rows.of_addresses(url, system, media, set(found))
        if not tables:
            raise InputError(f"no table at {url!r} ({', '.join(READ_FORMATS)}), and no video; check the address")
        files, stamps = [], []
        for number, path in enumerate(tables):
            target = _holding(folder) / f"input-{number:05d}{Path(path).suffix.lower()}"
            with system.open(path, "rb") as remote, target.open("wb") as file:
                shutil.copyfileobj(remote, file, 1 << 20)
            info = system.info(path)
            version = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("created")
            stamps.append({"name": path, "bytes": info.get("size"), "version": str(version)})
            files.append(target)
    except (OSError, ImportError) as error:
        raise InputError(f"{url!r} cannot be read: {' '.join(str(error).split()) or type(error).__name__}") from error
    return RowSource(url, tuple(files), str(Path.cwd()), {"files": stamps})


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) + 1
