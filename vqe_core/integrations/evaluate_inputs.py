"""Inputs of an ``evaluate`` metric that may be left out, mixed freely, and hold media.

``evaluate`` writes every input to an Arrow table. The table here holds short strings only: a text as it is, a
media path as it is, and anything else as JSON behind a mark, with bytes and frames spilled to files that are
removed after ``compute``. So a wrong value reaches the row check as what it was, not as the text "nan".

The mixin is no ``EvaluationModule``, because ``evaluate.load`` takes the first of those it finds in a script.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from vqe_core.errors import InputError, InputTypeError, VqeError
from vqe_core.media import as_media_source
from vqe_core.scorers.rows import as_columns, is_missing
from vqe_core.types import MediaSource

MARK = "\0json:"  # no path and no sensible caption starts with NUL

Spill = Callable[[bytes, str], str]


def encode_text(value: Any, spill: Spill | None = None) -> str | None:
    """One text cell: strings as they are, anything else marked so that the row check can name it."""
    if is_missing(value):
        return None
    if isinstance(value, str) and not value.startswith(MARK) and value.isprintable():
        return value
    return MARK + json.dumps({"value": value}, default=_described)


def encode_texts(value: Any, spill: Spill | None = None) -> list[str | None] | None:
    """One cell of a string or a list of strings."""
    if is_missing(value):
        return None
    if isinstance(value, list | tuple | np.ndarray):
        return [encode_text(item) if not is_missing(item) else MARK + '{"value": null}' for item in value]
    return [encode_text(value)]


def decode_text(cell: str | None) -> Any:
    """The value that ``encode_text`` was given; for types JSON lacks, an object with the same name and repr."""
    if cell is None or not cell.startswith(MARK):
        return cell
    content = json.loads(cell[len(MARK) :])
    if "value" in content and isinstance(content["value"], dict) and "__type__" in content["value"]:
        described = content["value"]
        return type(described["__type__"], (), {"__repr__": lambda self: described["repr"]})()
    return content["value"]


def decode_texts(cells: Sequence[str | None] | None) -> list[Any] | None:
    """The list that ``encode_texts`` was given."""
    return None if cells is None else [decode_text(cell) for cell in cells]


def _described(value: Any) -> dict[str, str]:
    return {"__type__": type(value).__name__, "repr": repr(value)[:80]}


def encode_media(value: Any, spill: Spill) -> str | None:
    """One media cell: a path as it is; bytes and frames spilled to files; what cannot be used is marked."""
    if is_missing(value):
        return None
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    try:
        source = as_media_source(value)
    except VqeError:
        return encode_text(value) or ""
    return MARK + json.dumps({"media": _spilled(source, spill)})


def _spilled(source: MediaSource, spill: Spill) -> dict[str, Any]:
    content: dict[str, Any] = {"start": source.start, "end": source.end, "fps": source.fps}
    if source.path is not None:
        content["path"] = source.path
    elif source.data is not None:
        content["path"] = spill(source.data, ".media")
    elif source.frames is not None:
        content["frames"] = spill(np.ascontiguousarray(source.frames).tobytes(), ".frames")
        content["shape"] = source.frames.shape
    else:
        raise InputTypeError(
            f"videos holds {source.name}, an open decoder, which evaluate cannot store; "
            "give its path or bytes, or use vqe_core.EMScore(...).compute, which takes decoders"
        )
    return content


def decode_media(cell: str | None) -> Any:
    """A path, a ``MediaSource``, None, or the unusable value for the row check to name."""
    if cell is None or not cell.startswith(MARK):
        return cell
    content = json.loads(cell[len(MARK) :])
    if "media" not in content:
        return decode_text(cell)
    media = content["media"]
    times = {name: media[name] for name in ("start", "end", "fps")}
    if "frames" not in media:
        return MediaSource(path=media["path"], **times)
    frames = np.fromfile(media["frames"], dtype=np.uint8).reshape(media["shape"])
    return MediaSource(frames=frames, **times)


class Cell(NamedTuple):
    """How one input is written to the table and read back."""

    encode: Callable[[Any, Spill], Any]
    decode: Callable[[Any], Any]


TEXT = Cell(encode_text, decode_text)
TEXTS = Cell(encode_texts, decode_texts)
MEDIA = Cell(encode_media, decode_media)


class OptionalInputs:
    """Put it before ``evaluate.Metric`` among the bases.

    ``columns`` says how each input is stored, ``required`` which must be given, ``scorer`` what computes.
    The docstrings below are needed: ``evaluate`` appends to them.
    """

    columns: ClassVar[Mapping[str, Cell]] = {}
    required: ClassVar[tuple[str, ...]] = ()
    scorer: ClassVar[Any]

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Score the rows given here, or added before. Optional columns may be left out or be None."""
        given = {"predictions": predictions, "references": references}
        inputs = {name: kwargs.pop(name, given.get(name)) for name in self.columns}
        try:
            if any(column is not None for column in inputs.values()):
                self.add_batch(**inputs)
            elif not self._has_rows():
                raise InputError(f"no rows to score; give {', '.join(self.required)}, or call add or add_batch first")
            outcome = super().compute(**kwargs)  # type: ignore[misc]
        finally:
            shutil.rmtree(self._spill_folder(), ignore_errors=True)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _compute(self, **inputs_and_options: Any) -> dict[str, Any] | Exception:
        """Score the stored rows. Unknown options raise: the scorer's constructor does not know them.

        An error is returned, not raised: ``evaluate`` cleans up after a result only, and would leave its files
        and locks behind, so that the next ``compute`` waits for them.
        """
        options = {name: value for name, value in inputs_and_options.items() if name not in self.columns}
        try:
            rows = {
                name: [cell.decode(value) for value in inputs_and_options[name]] for name, cell in self.columns.items()
            }
            result: dict[str, Any] = self.scorer(**options).compute(**rows)
        except Exception as error:
            return error
        return result

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Add rows. Optional columns may be left out or be None."""
        given = {"predictions": predictions, "references": references, **kwargs}
        unknown = [name for name, column in given.items() if name not in self.columns and column is not None]
        if unknown:
            raise InputError(f"{', '.join(unknown)} is no input of this metric; it takes {', '.join(self.columns)}")
        missing = [name for name in self.required if given.get(name) is None]
        if missing:
            raise InputError(f"{', '.join(missing)} must be given; this metric takes {', '.join(self.columns)}")
        # A rank of a distributed run may have no rows, but must still say so.
        if all(column is None or (hasattr(column, "__len__") and len(column) == 0) for column in given.values()):
            return super().add_batch(**{name: [] for name in self.columns})  # type: ignore[misc]
        lists = as_columns(**{name: given.get(name) for name in self.columns})
        count = len(next(column for column in lists.values() if column is not None))
        encoded = {
            name: [None] * count
            if column is None
            else [self.columns[name].encode(value, self._spill) for value in column]
            for name, column in lists.items()
        }
        return super().add_batch(**encoded)  # type: ignore[misc]

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Add one row. Optional inputs may be left out or be None."""
        row = {"predictions": prediction, "references": reference, **kwargs}
        return self.add_batch(**{name: None if value is None else [value] for name, value in row.items()})

    def _has_rows(self) -> bool:
        return getattr(self, "writer", None) is not None

    def _spill_folder(self) -> Path:
        # One folder an experiment: its ranks share it, others do not, so it can be removed after compute.
        return Path(self.data_dir) / f"spill-{self.experiment_id}"  # type: ignore[attr-defined]

    def _spill(self, data: bytes, suffix: str) -> str:
        """Write ``data`` once, named by its content, so that equal videos of two rows stay one video."""
        folder = self._spill_folder()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (hashlib.sha256(data).hexdigest() + suffix)
        if not path.exists():
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            part.write_bytes(data)
            os.replace(part, path)
        return str(path)

    def __getstate__(self) -> dict[str, Any]:
        """Picklable after ``compute`` too: ``evaluate`` leaves used file locks behind."""
        state = dict(self.__dict__)
        if state.get("writer") is not None:
            raise TypeError("rows were added; call compute before pickling this metric")
        unused = ("filelock", "rendez_vous_lock", "filelocks", "file_paths", "data", "buf_writer")
        return {**state, **{name: None for name in unused if name in state}}
