"""Closed sets of option values, and the one check of them."""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any, Literal, get_args

from vqe_core.errors import InputError

# Several reference captions: best value of each metric (the published rule), or all metrics of the best one.
MultiReference = Literal["max_component", "best_reference"]
# A video's frames: matched all at once (the paper's), each scored as a video of its own and averaged, or the clauses of
# a caption that tells events in order each matched with its own part of them.
FrameAggregation = Literal["video", "mean_of_frames", "in_order"]
# A text beyond the model's context: overlapping windows, cut (the end token is kept), or refused.
LongText = Literal["windows", "truncate", "error"]
# A row that cannot be scored: stop, warn and go on, or go on in silence; its status says why in any case.
OnError = Literal["raise", "warn", "skip"]

# The end token's idf: the mean of the others (EMScore), or its own (FactVC), which is 0 as every caption has it.
IdfEos = Literal["mean", "own"]
# What makes images as small as a model takes them: as loaded fastest, or always Pillow, as published code does.
Resize = Literal["auto", "torchvision", "pil"]

# What runs the image tower: torch (auto is that), torch after compiling it, or OpenVINO. Their numbers differ.
Backend = Literal["auto", "torch", "compile", "openvino"]
# Integers of 8 bits in place of float32 in the image tower's products, for filtering: faster, and a little off.
Quantize = Literal["int8"]
# Both in one word, as towers are built by it.
Computing = Literal["auto", "torch", "compile", "openvino", "int8"]

# What decodes video files: FFmpeg by PyAV (auto is that), or an NVIDIA GPU, whose pixels differ a little.
Decoder = Literal["auto", "pyav", "nvdec"]

# How sound and image are compared; auto: by a judge where there is one, by description where there is one, in a
# joint space where the model has one, else by tags.
Method = Literal["auto", "description", "tags", "joint", "judge"]
# One number from the similarities of frames or windows.
ReduceMode = Literal["avg", "max", "min"]
# A row of several videos passes if any, or if all of them pass.
AnyOrAll = Literal["any", "all"]


_NUMBERS: dict[Any, tuple[type, type]] = {
    "int": (numbers.Integral, int),
    "int | None": (numbers.Integral, int),
    "float": (numbers.Real, float),
    "float | None": (numbers.Real, float),
}


def plain_numbers(options: Any) -> None:
    """Turn the numbers of a frozen dataclass into Python's own, by the types of its fields: 1 s is 1.0 s.

    Numbers of NumPy cannot be written as JSON, and options that mean the same must look the same in a signature.
    """
    for field in dataclasses.fields(options):
        taken, plain = _NUMBERS.get(field.type, (bool, bool))
        value = getattr(options, field.name)
        if isinstance(value, taken) and not isinstance(value, bool):
            object.__setattr__(options, field.name, plain(value))


def did_you_mean(value: Any, allowed: Iterable[Any], *, quoted: bool = True) -> str:
    """Return the end of a message that names the nearest of the allowed words; nothing where none is near.

    Example:
        >>> did_you_mean("emscor", ["emscore", "clip_score"]), did_you_mean("x", ["emscore"])
        ("; did you mean 'emscore'?", '')
    """
    words = {str(word).lower(): str(word) for word in allowed}
    near = difflib.get_close_matches(str(value).lower(), words, n=1)
    return f"; did you mean {words[near[0]]!r}?" if near and quoted else f"; did you mean {near[0]}?" if near else ""


def check_choice(name: str, value: Any, allowed: Any) -> None:
    """Raise InputError unless ``value`` is among the values of the ``Literal`` type ``allowed``."""
    choices = get_args(allowed)
    if value not in choices:
        raise InputError(f"{name} ({value!r}) must be one of {', '.join(choices)}{did_you_mean(value, choices)}")


def check_count(name: str, value: Any) -> None:
    """Raise InputError unless the option ``name`` is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise InputError(f"{name} ({value!r}) must be a whole number of at least 1")


def check_positive(name: str, value: Any, unit: str) -> None:
    """Raise InputError unless the option ``name`` is a positive finite number of ``unit``."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise InputError(f"{name} ({value!r}) must be a positive finite number of {unit}")


def check_number(name: str, value: Any) -> None:
    """Raise InputError unless the option ``name`` is a finite number; None is checked by nobody."""
    if not (isinstance(value, numbers.Real) and math.isfinite(value)):
        raise InputError(f"{name} ({value!r}) must be a number, or None for no bound")


def option(default: Any, help_text: str, **command_line: Any) -> Any:
    """Return a dataclass field with what the command line shows of it.

    Args:
        default: in Python.
        help_text: one line.
        command_line: ``rule`` is ``"count"``, ``"seconds"``, ``"number"`` or ``"share"``; ``kind`` names the components
            that it chooses; ``many=True`` takes several values, ``choices`` are the words that it may be,
            ``python_only=True`` makes no flag, ``bare`` is what the flag alone means, ``metavar``; ``written=True``
            names a column that is written, not read; and ``changes_scores=False`` leaves the option out of
            fingerprints of `datasets`, ``names="model"`` or ``names="file"`` puts the content of what is named into
            them.
    """
    return dataclasses.field(default=default, metadata={"help": help_text, **command_line})
