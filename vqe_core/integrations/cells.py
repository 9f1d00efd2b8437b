"""Cells of the table that ``evaluate`` keeps.

``evaluate`` writes every input to an Arrow table. The table here holds short strings only: a text as it is, a
media path as it is, and anything else as JSON behind a mark, with bytes, frames and samples spilled to files that
are removed after ``compute``. So a wrong value reaches the row check as what it was, not as the text "nan".
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from vqe_core import errors
from vqe_core.errors import InputTypeError, VqeError
from vqe_core.media import as_audio_source, as_media_source
from vqe_core.scorers.rows import is_missing, is_several_videos
from vqe_core.types import AudioSamples, MediaSource

MARK = "\0json:"  # no path and no sensible caption starts with NUL

Spill = Callable[[bytes, str], str]


def encode_text(value: Any, spill: Spill | None = None) -> str | None:
    """One text cell: strings as they are, anything else marked so that the row check can name it."""
    if is_missing(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
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
    """One cell of a video, or a list of videos: a path as it is; bytes and frames spilled to files."""
    if is_several_videos(value):
        return MARK + json.dumps({"several": [encode_media(item, spill) for item in value]})
    return _encode(value, as_media_source, spill)


def encode_audio(value: Any, spill: Spill) -> str | None:
    """One cell of a sound: a path as it is; bytes and samples spilled to files."""
    return _encode(value, as_audio_source, spill)


def _encode(value: Any, as_source: Callable[[Any], Any], spill: Spill) -> str | None:
    """What cannot be a source is kept as its error, for the row check to raise."""
    if is_missing(value):
        return None
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    try:
        source = as_source(value)
        spilled = _spilled_sound(source, spill) if isinstance(source, AudioSamples) else _spilled(source, spill)
    except VqeError as error:
        return MARK + json.dumps({"error": {"kind": type(error).__name__, "message": str(error), "code": error.code}})
    return MARK + json.dumps({"media": spilled})


def _spilled_sound(samples: AudioSamples, spill: Spill) -> dict[str, Any]:
    content = {"waveform": spill(np.ascontiguousarray(samples.waveform).tobytes(), ".samples")}
    return {**content, "shape": samples.waveform.shape, "rate": samples.sampling_rate, "start": samples.start}


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
            f"{source.name} is an open decoder, which evaluate cannot store; "
            "give its path or bytes, or use the compute method of vqe_core's own class, which takes decoders"
        )
    return content


def decode_media(cell: str | None) -> Any:
    """A path, a source, samples, a list of them, None, or the error of what can be none of these."""
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
    frames = np.fromfile(media["frames"], dtype=np.uint8).reshape(media["shape"])
    return MediaSource(frames=frames, **times)


class Cell(NamedTuple):
    """How one input is written to the table and read back."""

    encode: Callable[[Any, Spill], Any]
    decode: Callable[[Any], Any]


TEXT = Cell(encode_text, decode_text)
TEXTS = Cell(encode_texts, decode_texts)
MEDIA = Cell(encode_media, decode_media)
AUDIO = Cell(encode_audio, decode_media)
