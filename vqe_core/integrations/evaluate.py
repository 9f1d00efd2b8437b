"""Metrics of ``evaluate`` whose inputs may be left out, mixed freely, and hold media.

Conventions: cells are stored as strings. What is no plain string is JSON behind a mark; large content lies in files
beside the table, named by its hash.
The mixin is no ``EvaluationModule``, because ``evaluate.load`` takes the first of those it finds in a script.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from vqe_core import errors
from vqe_core.errors import InputError, InputTypeError, VqeError
from vqe_core.media import as_audio_source, as_media_source
from vqe_core.scorers.rows import as_columns, is_missing, is_several_videos
from vqe_core.types import AudioSamples, MediaSource

# Files of a parent that a forked process inherited. Never freed: to close them would write into them, and unlock them.
_OF_PARENTS: list[Any] = []
_FILES = ("writer", "buf_writer", "filelock", "rendez_vous_lock", "filelocks", "file_paths", "data", "cache_file_name")
MARK = "\0json:"  # no path and no sensible caption starts with NUL
Spill = Callable[[bytes, str], str]


class OptionalInputs:
    """Mixin that goes before ``evaluate.Metric`` among the bases. ``evaluate`` appends to its docstrings.

    Rows that were added wait here, and no file is open for them before ``compute``: a forked process or a copy begins
    without any, and leaves those of its origin alone.

    Attributes:
        scorer: computes the scores and says which inputs there are.
        shared: options that mean the same to it and to ``evaluate``; any other that both know is, at load, of
            ``evaluate``.
    """

    scorer: ClassVar[Any]
    shared: ClassVar[tuple[str, ...]] = ("seed",)

    @property
    def columns(self) -> dict[str, Cell]:
        """Cell of each input."""
        return {entry.name: CELLS[entry.kind] for entry in self.scorer.inputs}

    @property
    def required(self) -> tuple[str, ...]:
        """Inputs that must be given."""
        return tuple(entry.name for entry in self.scorer.inputs if entry.required)

    @classmethod
    def input_features(cls) -> Any:
        """Return the ``datasets.Features`` of the inputs as they are stored, for ``evaluate.MetricInfo``."""
        from datasets import Features, Value

        text = Value("large_string")
        return Features({entry.name: [text] if entry.kind == "texts" else text for entry in cls.scorer.inputs})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take options of the scorer too, as ``evaluate.load`` passes them on; ``compute`` may overrule them.

        ``cache_dir`` is the folder of ``evaluate`` here, and that of embeddings in ``compute``.
        """
        hosts = inspect.signature(super().__init__).parameters
        known = {field.name for field in dataclasses.fields(self.scorer)}.intersection(self.shared)
        # What neither knows must raise: the host would swallow it.
        self.options = {name: value for name, value in kwargs.items() if name in known or name not in hosts}
        self.scorer(**self.options)
        self._begin()
        super().__init__(*args, **{name: value for name, value in kwargs.items() if name in hosts})
        self._round, self._experiment = 0, self.experiment_id  # type: ignore[attr-defined]

    def _begin(self) -> None:
        """Begin without rows, in this process."""
        self._process, self._one_at_a_time = os.getpid(), threading.RLock()
        self._spill_name: str | None = None
        self._waiting: list[dict[str, list[Any]]] = []

    def _settle(self) -> None:
        """Begin anew in a process that was forked from the one that added the rows."""
        if self._process != os.getpid():
            _OF_PARENTS.append([self.__dict__.get(name) for name in _FILES])
            self.__dict__.update({name: None for name in _FILES if name in self.__dict__})
            self._begin()

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Score the rows given here, or added before. Optional columns may be left out or be None."""
        given = {"predictions": predictions, "references": references}
        inputs = {name: kwargs.pop(name, given.get(name)) for name in self.columns}
        options = {**self.options, **kwargs}
        self.scorer(**options)  # a wrong option is told before the rows added so far are used up
        self._settle()
        with self._one_at_a_time:
            if any(column is not None for column in inputs.values()):
                self.add_batch(**inputs)
            elif not self._has_rows():
                self._nothing_added()
            try:
                self._hand_over()
                outcome = super().compute(**options)  # type: ignore[misc]
            finally:
                self._remove_spilled()
            self._next_round()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _nothing_added(self) -> None:
        """Add no row: a process of a distributed run may have none, but must say so, or the others wait for it."""
        if self.num_process == 1:  # type: ignore[attr-defined]
            raise InputError(f"no rows to score; give {', '.join(self.required)}, or call add or add_batch first")
        super().add_batch(**{name: [] for name in self.columns})  # type: ignore[misc]

    def _hand_over(self) -> None:
        """Give the rows that wait to ``evaluate``, which writes them to a file."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            joined = {name: [cell for batch in waiting for cell in batch[name]] for name in self.columns}
            super().add_batch(**joined)  # type: ignore[misc]

    def _compute(self, **inputs_and_options: Any) -> dict[str, Any] | BaseException:
        """Score the stored rows; unknown options raise in the constructor of the scorer.

        An error, Ctrl-C too, is returned, not raised: ``evaluate`` cleans up after a result only, and would leave its
        files and locks behind, so that the next ``compute`` waits for them.
        """
        options = {name: value for name, value in inputs_and_options.items() if name not in self.columns}
        try:
            rows = {
                name: [cell.decode(value) for value in inputs_and_options[name]] for name, cell in self.columns.items()
            }
            result: dict[str, Any] = self.scorer(**options).compute(**rows)
        except BaseException as error:
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
        # A shard without rows.
        if all(column is None or (hasattr(column, "__len__") and len(column) == 0) for column in given.values()):
            return self._add({name: [] for name in self.columns})
        lists = as_columns(**{name: given.get(name) for name in self.columns})
        self._settle()
        count = len(next(column for column in lists.values() if column is not None))
        encoded = {
            name: [None] * count
            if column is None
            else [self.columns[name].encode(value, self._spill) for value in column]
            for name, column in lists.items()
        }
        return self._add(encoded)

    def _add(self, encoded: dict[str, list[Any]]) -> None:
        self._settle()
        with self._one_at_a_time:
            if self.num_process == 1:  # type: ignore[attr-defined]
                self._waiting.append(encoded)
            else:  # the processes wait for each other when the first row comes
                super().add_batch(**encoded)  # type: ignore[misc]

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Add one row. Optional inputs may be left out or be None."""
        row = {"predictions": prediction, "references": reference, **kwargs}
        return self.add_batch(**{name: None if value is None else [value] for name, value in row.items()})

    def _next_round(self) -> None:
        """Rename files and locks of a distributed run, so that a process that goes on at once waits for the others.

        It would take their old locks for new ones.
        """
        if self.num_process > 1:  # type: ignore[attr-defined]
            self._round += 1
            self._module_info.experiment_id = f"{self._experiment}-{self._round}"  # type: ignore[attr-defined]

    def _has_rows(self) -> bool:
        return bool(self._waiting) or getattr(self, "writer", None) is not None

    def _spill_folder(self) -> Path:
        """Return the folder of this object; the ranks of a distributed run share one, as rank 0 reads them all."""
        data_dir, experiment = Path(self.data_dir), self.experiment_id  # type: ignore[attr-defined]
        if self.num_process > 1:  # type: ignore[attr-defined]
            return data_dir / f"spill-{experiment}"
        if self._spill_name is None:
            self._spill_name = f"spill-{uuid.uuid4().hex}"
        return data_dir / self._spill_name

    def _remove_spilled(self) -> None:
        if self.process_id == 0:  # type: ignore[attr-defined]
            shutil.rmtree(self._spill_folder(), ignore_errors=True)

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
        """Leave out rows, files and locks: a copy begins without rows, and the rows stay where they were added."""
        own = ("_process", "_one_at_a_time", "_spill_name", "_waiting")
        state = {name: value for name, value in self.__dict__.items() if name not in own}
        return {**state, **{name: None for name in _FILES if name in state}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()


class Cell(NamedTuple):
    """Encoding and decoding of the cells of one input."""

    encode: Callable[[Any, Spill], Any]
    decode: Callable[[Any], Any]


def encode_text(value: Any, spill: Spill | None = None) -> str | None:
    """Encode one text: a string as it is, anything else marked so that the row check can name it."""
    if is_missing(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str) and not value.startswith(MARK) and value.isprintable():
        return value
    return MARK + json.dumps({"value": value}, default=_described)


def encode_texts(value: Any, spill: Spill | None = None) -> list[str | None] | None:
    """Encode a string or a list of strings."""
    if is_missing(value):
        return None
    if isinstance(value, list | tuple | np.ndarray):
        return [encode_text(item) if not is_missing(item) else MARK + '{"value": null}' for item in value]
    return [encode_text(value)]


def decode_text(cell: str | None) -> Any:
    """Return what ``encode_text`` was given; for types JSON lacks, an object with the same type name and repr."""
    if cell is None or not cell.startswith(MARK):
        return cell
    content = json.loads(cell[len(MARK) :])
    if "value" in content and isinstance(content["value"], dict) and "__type__" in content["value"]:
        described = content["value"]
        return type(described["__type__"], (), {"__repr__": lambda self: described["repr"]})()
    return content["value"]


def decode_texts(cells: Sequence[str | None] | None) -> list[Any] | None:
    """Return the list that ``encode_texts`` was given."""
    return None if cells is None else [decode_text(cell) for cell in cells]


def _described(value: Any) -> dict[str, str]:
    return {"__type__": type(value).__name__, "repr": repr(value)[:80]}


def encode_media(value: Any, spill: Spill) -> str | None:
    """Encode a video or a list of videos: a path as it is; bytes and frames spilled to files."""
    if is_several_videos(value):
        return MARK + json.dumps({"several": [encode_media(item, spill) for item in value]})
    return _encode(value, as_media_source, spill)


def encode_audio(value: Any, spill: Spill) -> str | None:
    """Encode audio: a path as it is; bytes and samples spilled to files."""
    return _encode(value, as_audio_source, spill)


def _encode(value: Any, as_source: Callable[[Any], Any], spill: Spill) -> str | None:
    """Encode a source; what cannot be one is kept as its error, for the row check to raise."""
    if is_missing(value):
        return None
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    try:
        source = as_source(value)
        spilled = _spilled_audio(source, spill) if isinstance(source, AudioSamples) else _spilled(source, spill)
    except VqeError as error:
        return MARK + json.dumps({"error": {"kind": type(error).__name__, "message": str(error), "code": error.code}})
    return MARK + json.dumps({"media": spilled})


def _spilled_audio(samples: AudioSamples, spill: Spill) -> dict[str, Any]:
    content = {"waveform": spill(np.ascontiguousarray(samples.waveform).tobytes(), ".samples")}
    return {**content, "shape": samples.waveform.shape, "rate": samples.sampling_rate, "start": samples.start}


def _spilled(source: MediaSource, spill: Spill) -> dict[str, Any]:
    content: dict[str, Any] = {"start": source.start, "end": source.end, "fps": source.fps}
    if source.path is not None:
        content["path"] = source.path
    elif source.data is not None:
        content["path"] = spill(source.data, ".media")
    elif source.frames is not None:
        images = source.frames if isinstance(source.frames, tuple) else (source.frames,)
        content["frames"] = spill(b"".join(np.ascontiguousarray(image).tobytes() for image in images), ".frames")
        if isinstance(source.frames, tuple):
            content["shapes"] = [image.shape for image in images]
        else:
            content["shape"] = source.frames.shape
    else:
        raise InputTypeError(
            f"{source.name} is an open decoder, which evaluate cannot store; "
            "give its path or bytes, or use the compute method of vqe_core's own class, which takes decoders"
        )
    return content


def decode_media(cell: str | None) -> Any:
    """Return a path, a source, samples, a list of them, None, or the error of what can be none of these."""
    if cell is None or not cell.startswith(MARK):
        return cell
    content = json.loads(cell[len(MARK) :])
    if "error" in content:
        error = content["error"]
        return getattr(errors, error["kind"])(error["message"], code=error["code"])
    if "several" in content:
        return [decode_media(item) for item in content["several"]]
    if "media" not in content:
        return decode_text(cell)
    media = content["media"]
    if "waveform" in media:
        waveform = np.fromfile(media["waveform"], dtype=np.float32).reshape(media["shape"])
        return AudioSamples(waveform, media["rate"], media["start"])
    times = {name: media[name] for name in ("start", "end", "fps")}
    if "frames" not in media:
        return MediaSource(path=media["path"], **times)
    pixels = np.fromfile(media["frames"], dtype=np.uint8)
    frames = pixels.reshape(media["shape"]) if "shape" in media else _split(pixels, media["shapes"])
    return MediaSource(frames=frames, **times)


def _split(pixels: np.ndarray, shapes: Sequence[Sequence[int]]) -> tuple[np.ndarray, ...]:
    """Return images one after the other as images of their own shapes."""
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
    return tuple(part.reshape(shape) for part, shape in zip(np.split(pixels, ends), shapes, strict=True))


CELLS = {  # by kind of ``vqe_core.scorers.call.Input``
    "text": Cell(encode_text, decode_text),
    "texts": Cell(encode_texts, decode_texts),
    "video": Cell(encode_media, decode_media),
    "audio": Cell(encode_audio, decode_media),
    "value": Cell(encode_text, decode_text),
}
