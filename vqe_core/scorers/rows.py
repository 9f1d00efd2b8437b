"""Columns to checked rows. What is wrong with a row is kept beside it, so that bad rows cannot stop good ones."""

from __future__ import annotations

import dataclasses
import math
import os
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vqe_core.errors import InputError, InputTypeError, VqeError, attempt
from vqe_core.media import as_audio_source, as_media_source, check_file, is_address
from vqe_core.types import BAD_SEGMENT, AudioSamples, MediaSource


@dataclass(frozen=True)
class CaptionRow:
    """One caption with what it is judged by; ``clauses`` where its parts are matched with parts of the video."""

    candidate: str
    references: tuple[str, ...]
    video: MediaSource | None
    clauses: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text of the row that is embedded, the caption first."""
        return (self.candidate, *self.references, *self.clauses)


def as_columns(**columns: Any) -> dict[str, list[Any] | None]:
    """Return lists of one length from whatever holds a column; None stays None.

    Raises:
        InputTypeError: a bare string or mapping, which would be read letter by letter.
        InputError: lengths differ, or the first column is empty.
    """
    lists = {name: None if column is None else _as_list(name, column) for name, column in columns.items()}
    sizes = {name: len(column) for name, column in lists.items() if column is not None}
    if len(set(sizes.values())) > 1:
        raise InputError(f"columns must have one entry a row, got lengths {sizes}")
    if not sizes or not next(iter(sizes.values())):
        raise InputError(f"{next(iter(columns))} is empty; give at least one row")
    return lists


def _as_list(name: str, column: Any) -> list[Any]:
    if isinstance(column, str | bytes | Mapping) or not isinstance(column, Iterable):
        raise InputTypeError(f"{name} must be a list with one entry a row, got {type(column).__name__}; wrap it in [ ]")
    return list(column)


def is_missing(value: Any) -> bool:
    """None, or what tables put where there is nothing: NaN, and pandas' own NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)


def is_several_videos(value: Any) -> bool:
    """Tell whether a cell lists videos; a list of images is one video."""
    return isinstance(value, list | tuple) and len(value) > 0 and all(_is_one_video(item) for item in value)


def _is_one_video(item: Any) -> bool:
    whole = isinstance(item, str | os.PathLike | bytes | bytearray | Mapping | MediaSource | VqeError)
    return whole or getattr(item, "ndim", 0) == 4 or hasattr(item, "get_frames_at")


def check_text(value: Any, name: str) -> str:
    """``value`` if it is a text that can be scored.

    Raises:
        InputTypeError: no string, code ``bad_caption``.
        InputError: nothing in it shows (``empty_caption``), or not encodable (``bad_caption``).
    """
    if not isinstance(value, str):
        raise InputTypeError(f"{name} ({value!r}) must be a string, got {type(value).__name__}", code="bad_caption")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{name} ({value!r}) is not valid Unicode ({error.reason})", code="bad_caption") from error
    if not any(map(_is_shown, value)):
        raise InputError(f"{name} ({value!a}) must hold a word; leave the row out or fill it", code="empty_caption")
    return value


# Separators, controls, format characters such as the zero-width space, and marks, which need a letter to stand on.
_NOT_SHOWN = {"Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Mc", "Me"}
# Letters and a symbol by their category, and yet blank: fillers of Hangul, the empty braille cell.
_FILLERS = set("\u115f\u1160\u3164\uffa0\u2800")


def _is_shown(character: str) -> bool:
    """Tell whether a character by itself shows anything."""
    return unicodedata.category(character) not in _NOT_SHOWN and character not in _FILLERS


def check_references(value: Any, name: str = "references") -> tuple[str, ...]:
    """Reference captions of one row: a string, a list of strings, or nothing."""
    if is_missing(value):
        return ()
    if isinstance(value, str):
        return (check_text(value, name),)
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise InputTypeError(
            f"{name} ({value!r}) must be a string or a list of strings, got {type(value).__name__}", code="bad_caption"
        )
    return tuple(check_text(item, f"{name}[{i}]") for i, item in enumerate(value))


def read_row(candidate: Any, references: Any, video: Any) -> CaptionRow:
    """Check one row of captions.

    Raises:
        VqeError: of the kind and code of what is wrong.
    """
    return CaptionRow(check_text(candidate, "predictions"), check_references(references), read_video(video))


def read_video(value: Any) -> MediaSource | None:
    """Check one cell of a video; a missing one is None. Opens no file, but looks whether it is there.

    Raises:
        VqeError: of the kind and code of what is wrong.
    """
    if isinstance(value, VqeError):
        raise value
    if is_missing(value):
        return None
    source = as_media_source(value)
    if source.path is not None:
        check_file(source.path)
    return source


def read_audio_cell(value: Any) -> MediaSource | AudioSamples | None:
    """Check one cell of audio; a missing one is None.

    Raises:
        VqeError: of the kind and code of what is wrong.
    """
    if isinstance(value, VqeError):
        raise value
    if is_missing(value):
        return None
    source = as_audio_source(value)
    if isinstance(source, MediaSource) and source.path is not None:
        check_file(source.path, kind="sound")
    return source


def read_cell(kind: str, value: Any, name: str) -> Any:
    """Check one cell by the kind of its input, see ``Input``.

    Raises:
        VqeError: of the kind and code of what is wrong.
    """
    if kind == "text":
        return None if is_missing(value) else check_text(value, name)
    if kind == "texts":
        return check_references(value, name)
    readers = {"video": read_video, "audio": read_audio_cell}
    return readers[kind](value) if kind in readers else value


def with_streams(kind: str, cell: Any, video_stream: int | str | None, audio_stream: int | str | None) -> Any:
    """Return a cell of a video or sound as a source that names streams, unless it names them itself.

    Args:
        kind: ``"video"`` or ``"audio"``.
        cell: as in the column.
        video_stream, audio_stream: see `MediaSource`.

    Raises:
        InputError: it holds frames or samples, which have no streams.
        VqeError: it is no source.
    """
    if is_missing(cell) or isinstance(cell, VqeError):
        return cell
    if is_several_videos(cell):
        return [with_streams(kind, item, video_stream, audio_stream) for item in cell]
    source = as_media_source(cell) if kind == "video" else as_audio_source(cell)
    if not isinstance(source, MediaSource) or (source.path, source.data, source.url) == (None,) * 3:
        wanted = f"video_stream ({video_stream!r})" if video_stream is not None else f"audio_stream ({audio_stream!r})"
        raise InputError(f"{wanted} names a stream of a file, and this row holds no file; leave it out")
    return replace(
        source,
        video_stream=video_stream if source.video_stream is None else source.video_stream,
        audio_stream=audio_stream if source.audio_stream is None else source.audio_stream,
    )


def check_keys(options: Any, columns: Collection[str]) -> None:
    """Raise InputError if an option names a column that is not there; defaults may be absent."""
    for field in dataclasses.fields(options):
        key = getattr(options, field.name)
        read = field.name.endswith("_key") and not field.metadata.get("written")
        if read and key != field.default and key not in columns:
            raise InputError(f"{field.name} ({key!r}) is no column; there are {', '.join(map(str, columns))}")


def video_column(
    columns: Mapping[str, Any], video_key: str, start_key: str | None, end_key: str | None, base_dir: str | None
) -> list[Any] | None:
    """Return the videos of a table, each with its segment and its path made absolute; None without such a column."""
    if video_key not in columns:
        return None
    videos = list(columns[video_key])
    starts = [None] * len(videos) if start_key is None else columns[start_key]
    ends = [None] * len(videos) if end_key is None else columns[end_key]
    return [_located(*cell, base_dir) for cell in zip(videos, starts, ends, strict=True)]


def audio_column(columns: Mapping[str, Any], audio_key: str, base_dir: str | None) -> list[Any] | None:
    """Return the sounds of a table, their paths made absolute; None without such a column."""
    if audio_key not in columns:
        return None
    return [
        None if is_missing(value) else value if isinstance(value, VqeError) else attempt(_sound, value, base_dir)
        for value in columns[audio_key]
    ]


def _sound(value: Any, base_dir: str | None) -> Any:
    return as_audio_source(value, base_dir=base_dir)


def _located(video: Any, start: Any, end: Any, base_dir: str | None) -> Any:
    """Return one cell as a source (or a list of them), or the error that the row check will raise."""
    if is_missing(video):
        return None
    if isinstance(video, VqeError):
        return video
    if is_several_videos(video):
        return [_located(item, start, end, base_dir) for item in video]
    return attempt(_segment, video, start, end, base_dir)


def remote_cell(cell: Any) -> Any:
    """Return a cell that names an address as a source that is read there; any other as it is."""
    if is_several_videos(cell):
        return [remote_cell(item) for item in cell]
    if is_address(cell):
        return MediaSource(url=cell)
    if isinstance(cell, Mapping) and cell.get("bytes") is None and is_address(cell.get("path")):
        return attempt(_remote_segment, cell)
    return cell


def _remote_segment(cell: Mapping[str, Any]) -> MediaSource:
    return replace(as_media_source({**cell, "path": None, "bytes": b"-"}), data=None, url=cell["path"])


def _segment(video: Any, start: Any, end: Any, base_dir: str | None) -> MediaSource:
    """Limit one video to the cells of ``start_key`` and ``end_key``; an empty one leaves what the video says."""
    source = as_media_source(video, base_dir=base_dir)
    try:
        first = source.start if is_missing(start) else _seconds(start)
        last = source.end if is_missing(end) else _seconds(end)
    except (TypeError, ValueError, OverflowError) as error:
        words = "start and end must be numbers of seconds"
        raise InputError(f"segment ({start!r}, {end!r}): {words} ({error})", code=BAD_SEGMENT) from error
    return replace(source, start=first, end=last)


def _seconds(value: Any) -> float:
    """Return a number of seconds; tables of text, such as CSV, hold it as text."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{value} is no number")
    return float(value)
