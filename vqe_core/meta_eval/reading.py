"""Files of a release, read as data: JSON, stored embeddings, and pickles that can hold no code.

A pickle is a program: opening one that somebody else made may run anything. Here a reader of its own knows only the
steps that make numbers, texts, lists, tuples, dictionaries and sets; what numpy left in the file is kept as plain parts
and becomes arrays afterwards, by public functions that check sizes. So numpy's own way back from a pickle, which trusts
the file with addresses of objects, is never taken.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vqe_core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_UNIT_TOLERANCE = 1e-2  # of stored embeddings, which may have been kept in float16


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it is not there, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} cannot be read as JSON: {error}") from error


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text, those that hold nothing left out.

    Raises:
        InputError: it is not there, or no UTF-8.
    """
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as text: {error}") from error


def read_embeddings(path: Path) -> Tensor:
    """Read the stored embeddings of a video's frames.

    Args:
        path: of a tensor that ``torch.save`` wrote; read by torch's weights-only loader, which builds tensors alone.

    Returns:
        Float32 (N, D), unit rows, N frames; N may be 0.

    Raises:
        InputError: it is not there, holds anything but a tensor of unit rows, or would run code.
    """
    import torch

    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a file that may hold anything; pickle alone raises a dozen kinds
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{str(path)!r} cannot be read as a tensor: {reason[0]}") from error
    if not isinstance(values, torch.Tensor) or values.ndim != 2 or not values.is_floating_point():
        shape = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
        raise InputError(f"{str(path)!r} must hold embeddings of frames, float (N, D), got {shape}")
    values = values.float()
    lengths = values.norm(dim=-1)
    if not bool(((lengths - 1).abs() < _UNIT_TOLERANCE).all()):
        worst = float(lengths[(lengths - 1).abs().nan_to_num(torch.inf).argmax()])
        raise InputError(
            f"{str(path)!r} must hold unit rows, as the release does; one has length {worst:.3g}: divide by it"
        )
    return values


def read_pickle(path: Path) -> Any:
    """Read a pickled file that holds data, and run nothing that it says.

    Args:
        path: of a pickle of any protocol.

    Returns:
        Numbers, texts, bytes, None, truth values, and lists, tuples, sets, dictionaries and numpy arrays of them.

    Raises:
        InputError: it is not there, is damaged, or holds anything else: a class, a function, structured arrays.

    Source:
        https://docs.python.org/3/library/pickle.html#restricting-globals

    Example:
        >>> path = getfixture("tmp_path") / "scores.pkl"
        >>> _ = path.write_bytes(pickle.dumps({"scores": np.arange(3.0)}))
        >>> read_pickle(path)
        {'scores': array([0., 1., 2.])}
        >>> _ = path.write_bytes(pickle.dumps(print))
        >>> read_pickle(path)
        Traceback (most recent call last):
        vqe_core.errors.InputError: ... asks for builtins.print, which is no data; ...
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    try:
        return _plain(_DataReader(io.BytesIO(data)).load())
    except _NoDataError as error:
        raise InputError(
            f"{str(path)!r} {error}; only numbers, texts, lists and numpy arrays are read, as in the release"
        ) from error
    except Exception as error:  # a file may break any step
        raise InputError(f"{str(path)!r} is no whole pickle of data: {type(error).__name__}: {error}") from error


class _NoDataError(Exception):
    """A pickle holds something that is not data."""


class _Stand:
    """Base of what stands for numpy's parts while a file is read; has no dictionary, so a file sets nothing on it."""

    __slots__ = ()


class _Dtype(_Stand):
    """Stands for ``numpy.dtype``: a letter with a size, and the order of bytes."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        # version, order, then what only structured types have, then sizes that the code says already
        if not isinstance(state, tuple) or any(part is not None for part in state[2:5]):
            raise _NoDataError("holds a structured array")
        self.order = state[1]

    def real(self) -> np.dtype[Any]:
        if not isinstance(self.code, str) or not re.fullmatch(r"b1|[biuf][1248]|f16|[SU]\d{1,6}|O8?", self.code):
            raise _NoDataError(f"holds an array of type {self.code!r}")
        if self.order not in ("<", ">", "|", "="):
            raise _NoDataError(f"holds an array with bytes in the order {self.order!r}")
        return np.dtype(self.order + self.code)


class _Array(_Stand):
    """Stands for a numpy array: shape, type, order of the axes, and bytes, or a list where it holds objects."""

    __slots__ = ("parts",)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _NoDataError("holds an array in a form that is not known")
        self.parts = state[1:]

    def real(self, depth: int) -> np.ndarray:
        shape, dtype, by_columns, content = self.parts
        if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
            raise _NoDataError("holds an array without type or shape")
        kind = dtype.real()
        if any(type(length) is not int or length < 0 for length in shape):
            raise _NoDataError(f"holds an array of shape {shape!r}")
        count = math.prod(shape)
        if kind.hasobject:
            if not isinstance(content, list) or len(content) != count:
                raise _NoDataError("holds an array of objects without its objects")
            flat = np.empty(count, dtype=object)
            for i, value in enumerate(content):
                flat[i] = _plain(value, depth + 1)
        else:
            flat = _from_bytes(kind, content, count)
        return flat.reshape(shape, order="F" if by_columns is True else "C")


class _Number(_Stand):
    """Stands for a single number of numpy."""

    __slots__ = ("parts",)

    def __init__(self, dtype: Any, content: Any) -> None:
        self.parts = dtype, content

    def real(self) -> Any:
        dtype, content = self.parts
        if not isinstance(dtype, _Dtype) or dtype.real().hasobject:
            raise _NoDataError("holds a number without type")
        return _from_bytes(dtype.real(), content, 1)[0]


class _Reconstruct(_Stand):
    """Stands for numpy's function that begins an array."""

    __slots__ = ()

    def __call__(self, *_: Any) -> _Array:
        return _Array()


class _FromBuffer(_Stand):
    """Stands for numpy's function that makes an array of a buffer (protocol 5)."""

    __slots__ = ()

    def __call__(self, content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
        array = _Array()
        array.parts = shape, dtype, order == "F", content
        return array


class _Encode(_Stand):
    """Stands for ``_codecs.encode``, by which protocols before 3 keep bytes."""

    __slots__ = ()

    def __call__(self, text: Any, encoding: Any = "") -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise _NoDataError(f"encodes a text by {encoding!r}")
        return text.encode("latin1")


class _NewBytes(_Stand):
    """Stands for ``bytes``, by which protocols before 3 keep the empty one."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> bytes:
        if arguments:
            raise _NoDataError("makes bytes of something")
        return b""


_NUMPY = ("numpy.core", "numpy._core")  # before and from numpy 2 on
_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    **{(f"{room}.multiarray", "_reconstruct"): _Reconstruct() for room in _NUMPY},
    **{(f"{room}.multiarray", "scalar"): _Number for room in _NUMPY},
    **{(f"{room}.numeric", "_frombuffer"): _FromBuffer() for room in _NUMPY},
    ("_codecs", "encode"): _Encode(),
    ("__builtin__", "bytes"): _NewBytes(),
    ("builtins", "bytes"): _NewBytes(),
}
# Steps that no data needs: objects of classes, numbers that stand for classes, and what lies outside the file.
_REFUSED = (
    *(pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4),
    *(pickle.PERSID, pickle.BINPERSID, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.BYTEARRAY8),
)


_Reader: Any = pickle._Unpickler


# The one in Python, not in C: its steps are a table that can be cut, and its memo takes no room for numbers that a file
# merely names.
class _DataReader(_Reader):
    """Reader of pickles that knows the steps of ``_KNOWN`` and of plain data."""

    dispatch: ClassVar[dict[int, Any]] = {
        key: step for key, step in _Reader.dispatch.items() if bytes([key]) not in _REFUSED
    }

    def find_class(self, module: str, name: str) -> Any:
        found = _KNOWN.get((module, name))
        if found is None:
            raise _NoDataError(f"asks for {module}.{name}, which is no data")
        return found

    def load_build(self) -> None:
        """Fill an array or its type; nothing else has a state."""
        if not isinstance(self.stack[-2], _Dtype | _Array):
            raise _NoDataError(f"sets the state of a {type(self.stack[-2]).__name__}")
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build

    def load_bytearray(self) -> None:
        """Read bytes that may change, as arrays are by protocol 5; the file must really hold them."""
        (length,) = struct.unpack("<Q", self.read(8))
        content = self.read(length) if length < 2**62 else b""
        if len(content) != length:
            raise _NoDataError("ends early")
        self.append(content)

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray


def _from_bytes(kind: np.dtype[Any], content: Any, count: int) -> np.ndarray:
    if isinstance(content, str):  # as protocols before 3 keep bytes of Python 2
        content = content.encode("latin1")
    if not isinstance(content, bytes) or len(content) != count * kind.itemsize:
        raise _NoDataError("holds an array whose bytes do not fill its shape")
    return np.frombuffer(content, dtype=kind).copy() if content else np.zeros(count, dtype=kind)


_DEEPEST = 100


def _plain(value: Any, depth: int = 0) -> Any:
    """Return what was read with real arrays in it."""
    if depth > _DEEPEST:
        raise _NoDataError(f"is nested deeper than {_DEEPEST}, or holds itself")
    if isinstance(value, _Array):
        return value.real(depth)
    if isinstance(value, _Number):
        return value.real()
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_plain(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return {_plain(key, depth + 1): _plain(item, depth + 1) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return value
    raise _NoDataError("holds a part of numpy alone")
