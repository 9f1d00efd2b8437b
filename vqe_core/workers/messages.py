"""Messages of parent and worker: pickles, each after its length, over two pipes."""

from __future__ import annotations

import os
import pickle
import struct
from enum import IntEnum
from typing import Any, BinaryIO, NamedTuple

LENGTH = struct.Struct("<Q")

# Two writers may share a pipe only while each writes no more than this at once (PIPE_BUF is 512 at the least).
_ATOMIC_BYTES = 512

# Exit statuses of a worker: it could not even take in what it was asked, or it met a fault of its own program.
MEMORY_EXIT, FAULT_EXIT = 77, 78


class Request(IntEnum):
    """Message of the parent."""

    JOB = 0
    CREDIT = 1
    CANCEL = 2


class Reply(IntEnum):
    """Answer of the worker; a job ends with END or ERROR."""

    READY = 0
    PIECE = 1
    END = 2
    ERROR = 3


class Placement(NamedTuple):
    """Place of an array in the shared memory."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


def packed(message: Any) -> list[bytes]:
    """Return a message as the bytes to write, in one part if it is short."""
    body = pickle.dumps(message, protocol=5)
    head = LENGTH.pack(len(body))
    return [head + body] if len(body) + len(head) <= _ATOMIC_BYTES else [head, body]


def write_message(descriptor: int, message: Any) -> None:
    """Write a message to a blocking pipe."""
    for part in packed(message):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def read_message(stream: BinaryIO) -> Any:
    """Return the next message.

    Raises:
        EOFError: the other end is closed.
    """
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return pickle.loads(body)
