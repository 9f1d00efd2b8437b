"""Files that captioning people have, told by their structure: lmms-eval, COCO, MSR-VTT, VATEX, VLMEvalKit.

Task: their rows as a table with the columns that a metric reads, and a line that says which part became which column.
Conventions: a part has a role (``id``, ``video``, ``candidate``, ``reference``); names of files are never looked at. A
column that the options name is read as it is; what is filled in are those that are left at their default.
"""

from __future__ import annotations

import csv
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vqe_core.errors import InputError
from vqe_core.options import did_you_mean
from vqe_core.tables import Columns, read_batches

_LOG = logging.getLogger(__name__)

MEDIA = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .flv .wmv .mpg .mpeg .ts .m2ts .mts .3gp .ogv .gif .webp .y4m .mxf .vob".split()  # noqa: SIM905
)
# Names that these parts have in such files, the most telling first.
_VIDEOS = ("video_path", "video", "video_name", "video_file", "file_name", "videoID", "video_id", "clip", "image_id")
_REFERENCES = ("references", "reference", "captions", "caption", "enCap", "answers", "answer")
_IDS = ("video_id", "videoID", "image_id", "id", "doc_id", "index")
_CAPTIONS = ("candidate", "prediction", "caption")
_HEAD = 1 << 20  # bytes in which the first row of a list must end to be looked at


@dataclass(frozen=True)
class Layout:
    """Structure of a file: what it is, and which column of its rows has which role."""

    what: str
    taken: Mapping[str, str]


@dataclass(frozen=True)
class Join:
    """Texts and paths that other files give the rows.

    Attributes:
        folder: of the videos, None where none is named.
        references: captions by id, None where no file is named.
        names: file names of videos by id.
    """

    folder: Path | None = None
    references: Mapping[str, list[str]] | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _files(self) -> dict[str, str]:
        """Videos of the folder, and of those in it, by their names with and without the ending."""
        files = sorted(self.folder.rglob("*")) if self.folder is not None else []
        media = [path for path in reversed(files) if path.suffix.lower() in MEDIA]
        return {**{path.stem: str(path) for path in media}, **{path.name: str(path) for path in media}}

    def video(self, name: Any, number: Any) -> Any:
        """Return the path of a video from its name or id."""
        name = self.names.get(str(number), name)
        if self.folder is None or not isinstance(name, str | int):
            return name
        path = self.folder.absolute() / str(name)
        return str(path) if path.is_file() else self._files.get(path.name, str(path))


@dataclass(frozen=True)
class CaptionRows:
    """Rows of files of one layout, with the columns of a metric among their own.

    Attributes:
        files: read one after the other.
        layout: of all of them.
        columns: by role, the columns to fill in.
        join: what other files say.
    """

    files: tuple[Path, ...]
    layout: Layout
    columns: Mapping[str, str]
    join: Join

    @cached_property
    def _survey(self) -> tuple[list[str], int]:
        names: dict[str, None] = {}
        count = 0
        for path in self.files:
            for row in _rows_of(path):
                names.update(dict.fromkeys(row))
                count += 1
        return list(names), count

    @property
    def num_rows(self) -> int:
        """Rows of all files."""
        return self._survey[1]

    def batches(self, size: int) -> Iterator[Columns]:
        """Read the rows batch by batch; every batch has all columns."""
        names = [name for name in self._survey[0] if name not in self.columns.values()]
        held: list[dict[str, Any]] = []
        for path in self.files:
            for row in _rows_of(path):
                held.append(row)
                if len(held) == size:
                    yield self._columns(names, held)
                    held = []
        if held:
            yield self._columns(names, held)

    def _columns(self, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Columns:
        own = {name: [row.get(name) for row in rows] for name in names}
        filled = {column: [self._value(role, row) for row in rows] for role, column in self.columns.items()}
        return {**own, **filled}

    def _value(self, role: str, row: Mapping[str, Any]) -> Any:
        number = row.get(self.layout.taken.get("id", ""))
        if role == "reference" and self.join.references is not None:
            return self.join.references.get(str(number))
        value = row.get(self.layout.taken.get(role, ""))
        if role == "candidate":
            return _first_text(value)
        return self.join.video(value, number) if role == "video" else value


def caption_rows(
    files: Sequence[Path],
    base_dir: str,
    keys: Mapping[str, str],
    videos_dir: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
) -> CaptionRows | None:
    """Return the rows of files of a known structure, or of tables that other files are joined to; None of others.

    Args:
        files: of tables.
        base_dir: where relative media paths start.
        keys: by role, the columns of a metric that are left at their default.
        videos_dir: folder of the videos that the rows name.
        references: file of captions by id: of COCO, MSR-VTT or VATEX, or a table.

    Raises:
        InputError: an object of no known structure; a part that cannot be what it seems; ids that do not meet.

    Example:
        >>> path = getfixture("tmp_path") / "log.jsonl"
        >>> _ = path.write_text('{"doc_id": 7, "doc": {"caption": "a dog"}, "filtered_resps": ["a cat"]}')
        >>> rows = caption_rows([path], ".", {"candidate": "candidate", "reference": "reference"})
        >>> next(rows.batches(10))["candidate"], rows.layout.what
        (['a cat'], 'a log of lmms-eval')
    """
    firsts = [_first_row(path) for path in files]
    layouts = [None if first is None else _layout_of(path, first) for path, first in zip(files, firsts, strict=True)]
    layout = layouts[0]
    if layout is None and (videos_dir is not None or references is not None):
        layout = _plain(files[0])
    if layout is None:
        return None
    if any(other is not None and other.what != layout.what for other in layouts):
        raise InputError(f"{files[0].name!r} is {layout.what}, and not all files beside it are; score them apart")
    join = _joined(videos_dir, references)
    first = next(_rows_of(files[0]), None)
    if first is None:
        return None
    columns = _filled(layout, first, keys, join, Path(base_dir))
    found = CaptionRows(tuple(files), layout, columns, join)
    _check(found, first, keys)
    _tell(found, references)
    return found


def _filled(
    layout: Layout, first: Mapping[str, Any], keys: Mapping[str, str], join: Join, base_dir: Path
) -> dict[str, str]:
    """Return the columns to fill in, by role: those that the file has something for, and has not itself."""
    given = {**layout.taken}
    if join.references is not None:
        given["reference"] = layout.taken.get("id", "")
    name = first.get(given.get("video", ""))
    if join.folder is None and not join.names and not _is_file(name, base_dir):
        given.pop("video", None)  # an id, which is no path
    columns = {role: column for role, column in keys.items() if role in given}
    joined = {"video"} if join.folder is not None else set()
    joined |= {"reference"} if join.references is not None else set()
    return {role: column for role, column in columns.items() if column not in first or role in joined}


def _is_file(name: Any, base_dir: Path) -> bool:
    if not isinstance(name, str):
        return False
    with suppress(OSError, ValueError):
        return Path(name).suffix.lower() in MEDIA or (base_dir / name).is_file()
    return False


def _check(rows: CaptionRows, first: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    """Refuse what cannot be what it seems to be, and say what there is."""
    taken, path = rows.layout.taken, rows.files[0]
    if "candidate" in rows.columns and _first_text(first.get(taken["candidate"])) is None:
        held = json.dumps(first.get(taken["candidate"]), default=str)[:60]
        raise InputError(
            f"{path.name!r} is {rows.layout.what}, but its {taken['candidate']} ({held}) holds no caption; name the "
            f"column of captions by --candidate-key, among {', '.join(first)}"
        )
    if rows.join.references is None or "reference" not in keys:
        return
    ids = {str(row.get(taken.get("id", ""))) for row in _rows_of(path)}
    if not ids & rows.join.references.keys():
        theirs = next(iter(rows.join.references))
        raise InputError(
            f"no row of {path.name!r} has references: its ids ({taken.get('id', 'none')}) are such as "
            f"{min(ids)!r}, those of the references such as {theirs!r}"
        )


def _tell(rows: CaptionRows, references: Any) -> None:
    """Log which part became which column."""
    taken, parts = rows.layout.taken, []
    for role, column in rows.columns.items():
        if role == "reference" and references is not None:
            parts.append(f"{column} from {os.path.basename(references)} by {taken['id']}")
        else:
            folder = rows.join.folder if role == "video" else None
            where = "" if folder is None else f" in {os.path.relpath(folder)}"
            parts.append(f"{column} from {taken[role]}{where}")
    if "video" not in rows.columns and "video" in taken:
        parts.append(f"no videos ({taken['video']} names them; --videos-dir says where they are)")
    _LOG.info("%s is %s: %s", rows.files[0].name, rows.layout.what, ", ".join(parts))


def _layout_of(path: Path, first: Mapping[str, Any]) -> Layout | None:
    """Return the layout that a file has by its first row, or by its keys; None for a table like any other.

    Raises:
        InputError: an object that is no list of rows, and of no known structure.
    """
    if "filtered_resps" in first:
        flat = _flat(first)
        reference = next((f"doc.{n}" for n in _REFERENCES if _is_captions(flat.get(f"doc.{n}"))), "target")
        video = next((f"doc.{n}" for n in _VIDEOS if isinstance(flat.get(f"doc.{n}"), str)), None)
        taken = {"id": "doc_id", "candidate": "filtered_resps", "reference": reference}
        return Layout("a log of lmms-eval", {**taken, **({"video": video} if video else {})})
    if {"index", "prediction"} <= first.keys():
        taken = {"id": "index", "candidate": "prediction"} | ({"reference": "answer"} if "answer" in first else {})
        video = next((name for name in _VIDEOS if name in first), None)
        return Layout("a table of VLMEvalKit", {**taken, **({"video": video} if video else {})})
    if isinstance(first.get("enCap"), list) and "videoID" in first:
        return Layout("VATEX", {"id": "videoID", "candidate": "caption", "video": "videoID"})
    if {"videos", "sentences"} <= first.keys():
        return Layout("MSR-VTT", {"id": "video_id", "candidate": "caption", "video": "video_id"})
    if {"images", "annotations"} <= first.keys():
        return Layout("annotations of COCO", {"id": "image_id", "candidate": "caption", "video": "file_name"})
    number = next((name for name in ("image_id", "video_id") if name in first), None)
    if number is not None and "caption" in first and not {"candidate", "video_path"} & first.keys():
        return Layout("results of COCO", {"id": number, "candidate": "caption", "video": number})
    if first.get(_WHOLE) is True:
        raise InputError(
            f"{path.name!r} holds an object with {', '.join(name for name in first if name != _WHOLE)}; rows are a "
            "list, or annotations of COCO (images, annotations), MSR-VTT (videos, sentences) or a log of lmms-eval "
            "(logs)"
        )
    return None


_WHOLE = "\0whole"  # marks an object that is a whole file


def _first_row(path: Path) -> dict[str, Any] | None:
    """Return the first row of a file, or the keys of an object that is all of it; None where that cannot be told.

    What is wrong with a file is told by who reads it.
    """
    suffix = path.suffix.lower()
    with suppress(OSError, ValueError, RecursionError, StopIteration):
        if suffix in (".csv", ".tsv"):
            with path.open(encoding="utf-8-sig", newline="") as file:
                return dict.fromkeys(next(csv.reader(file, delimiter="\t" if suffix == ".tsv" else ",")))
        if suffix == ".xlsx":
            return next(_table_rows(path), None)
        if suffix not in (".jsonl", ".json"):
            return None
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_HEAD).lstrip()
        if suffix == ".jsonl":
            return _object_at(text, 0)
        if text.startswith("["):
            return _object_at(text, text.index("{"))
        content = _content(path)
        if isinstance(content.get("logs"), list):
            return dict(content["logs"][0])
        return {**dict.fromkeys(content), _WHOLE: True}
    return None


def _object_at(text: str, start: int) -> dict[str, Any] | None:
    found, _ = json.JSONDecoder().raw_decode(text, start)
    return found if isinstance(found, dict) else None


def _content(path: Path) -> dict[str, Any]:
    """Return the object that is all of a file.

    Raises:
        ValueError: it is none.
    """
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(content, dict):
        raise ValueError("no object")
    return content


def _plain(path: Path) -> Layout:
    """Return the layout of a table like any other, to which other files are joined."""
    first = next(_table_rows(path), {})
    number, video, caption, reference = (
        next((name for name in names if name in first), None) for names in (_IDS, _VIDEOS, _CAPTIONS, _REFERENCES)
    )
    if number is None and video is None:
        raise InputError(
            f"{path.name!r} has no column that tells its videos ({', '.join(dict.fromkeys((*_VIDEOS, *_IDS)))}); there "
            f"are {', '.join(first)}"
        )
    found = {"id": number or video, "video": video or number, "candidate": caption, "reference": reference}
    return Layout("a table", {role: name for role, name in found.items() if name is not None})


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a file of any layout, one after the other; what stands within a doc as columns of its own."""
    if path.suffix.lower() == ".json":
        content: Any = None
        with suppress(ValueError, OSError):
            content = _content(path)
        if content is not None:
            yield from _rows_of_object(content)
            return
    for row in _table_rows(path):
        if isinstance(row.get("enCap"), list):
            yield from ({"videoID": row["videoID"], "caption": caption} for caption in row["enCap"])
        else:
            yield _flat(row)


def _rows_of_object(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "sentences" in content:
        yield from ({**row} for row in content["sentences"])
    elif "annotations" in content:
        names = {image["id"]: image.get("file_name") for image in content["images"]}
        yield from ({**row, "file_name": names.get(row["image_id"])} for row in content["annotations"])
    else:
        yield from map(_flat, content.get("logs", ()))


def _table_rows(path: Path) -> Iterator[dict[str, Any]]:
    for batch in read_batches(path, 1024):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    doc = row.get("doc")
    if not isinstance(doc, Mapping):
        return dict(row)
    return {**{name: value for name, value in row.items() if name != "doc"}, **{f"doc.{n}": v for n, v in doc.items()}}


def _first_text(value: Any) -> str | None:
    """Return the first text of lists in lists, as answers of a model are kept.

    Example:
        >>> _first_text([["a dog"]]), _first_text([[-1.5, False]])
        ('a dog', None)
    """
    while isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else None


def _is_captions(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def existing_folder(videos_dir: str | os.PathLike[str]) -> Path:
    """Return the folder of videos that was named, as an absolute path.

    Raises:
        InputError: there is none.
    """
    if not os.path.isdir(videos_dir):
        raise InputError(f"--videos-dir ({os.fspath(videos_dir)!r}) is no folder; check the path")
    return Path(videos_dir).absolute()


def _joined(videos_dir: Any, references: Any) -> Join:
    folder = None if videos_dir is None else existing_folder(videos_dir)
    if references is None:
        return Join(folder)
    path = Path(references)
    if not path.is_file():
        raise InputError(f"--references ({os.fspath(references)!r}) is no file; check the path")
    first = _first_row(path)
    layout = (None if first is None else _layout_of(path, first)) or _plain(path)
    part = layout.taken.get("reference") or layout.taken.get("candidate")
    if part is None or "id" not in layout.taken:
        there = ", ".join(next(_rows_of(path), {}))
        near = did_you_mean("caption", there.split(", "))
        raise InputError(f"--references ({path.name!r}) needs ids and captions; its rows have {there}{near}")
    captions: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for row in _rows_of(path):
        number, value = str(row.get(layout.taken["id"])), row.get(part)
        captions.setdefault(number, []).extend(value if isinstance(value, list) else [value] if value else [])
        if isinstance(row.get("file_name"), str):
            names[number] = row["file_name"]
    return Join(folder, captions, names)
