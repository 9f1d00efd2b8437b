"""Threads of torch and numpy: safe in a process that was forked, and few where there is little to compute.

A process is forked for example by ``datasets.map(num_proc=...)``.

A fork copies memory but no threads. A pool of threads that the parent used is dead in the child, and the next parallel
operation of torch, or of the BLAS of numpy, waits for it for ever; a lock that another thread of the parent held stays
locked in the child.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

from vqe_core.errors import InputError

_STARTED_IN = os.getpid()  # a spawned process imports this module anew, a forked one inherits it
_settled_in = _STARTED_IN


def in_forked_process() -> bool:
    """Tell whether this process was forked from the one that imported this package."""
    return os.getpid() != _STARTED_IN


def settle_in_process() -> None:
    """Make torch and numpy safe to use here; the first thing that anything which computes does.

    In a forked process each gets one thread: it then never waits for the parent's. Anywhere else nothing happens.
    """
    global _settled_in
    if os.getpid() == _settled_in:
        return
    import threadpoolctl
    import torch

    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1, user_api="blas")
    _settled_in = os.getpid()


def check_not_forked(loaded_in: int, what: str) -> None:
    """Refuse what has threads of its own in a forked process, where it would wait for them for ever.

    Args:
        loaded_in: id of the process that loaded it.
        what: for the message.

    Raises:
        InputError: this process was forked from that one.
    """
    if os.getpid() != loaded_in:
        raise InputError(
            f"{what} was loaded before this process was forked, and cannot run here; load the model in the new "
            "process only, use num_proc=1, or backend='torch'"
        )


def after_fork(function: Callable[[], Any]) -> None:
    """Call ``function`` in every process forked from now on; nothing where there is no fork (Windows)."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


class ProcessLock:
    """A re-entrant lock that is free in a forked process, whoever held it in the parent."""

    def __init__(self) -> None:
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread of the CPU inside, in the calling thread alone; also a decorator.

    For work that is little: threads that wait for each other's share of it spin, which takes more time than the work,
    and many times more where the cores are busy. Unlike ``torch.set_num_threads`` it changes nothing for others.

    Example:
        >>> import torch
        >>> with one_thread():
        ...     torch.get_num_threads()
        1
    """
    import torch

    if torch.get_num_threads() == 1:
        yield
        return
    openmp, limit_mkl = _thread_limits()
    with openmp.limit(limits=1):
        before = limit_mkl(1)
        try:
            yield
        finally:
            limit_mkl(before)


@cache  # looking for the libraries takes 25 ms
def _thread_limits() -> tuple[Any, Callable[[int], int]]:
    """Return what limits OpenMP in the calling thread, and MKL, which ``torch.set_num_threads`` tells apart.

    Both are settings of a thread. MKL's takes a number, 0 for that of OpenMP, and returns the one before; where torch
    has no MKL it does nothing.
    """
    import ctypes

    import torch
    from threadpoolctl import ThreadpoolController

    limit_mkl = getattr(ctypes.CDLL(torch._C.__file__), "MKL_Set_Num_Threads_Local", lambda number: 0)
    return ThreadpoolController().select(user_api="openmp"), limit_mkl


_DEVICES = ("cpu", "cuda", "mps")


@contextmanager
def own_precision() -> Iterator[None]:
    """Autocast of the caller is off inside: it would round what is computed on its thread, and only that.

    Also a decorator, ``@own_precision()``, of functions that compute.

    Example:
        >>> import torch
        >>> with torch.autocast("cpu", dtype=torch.bfloat16), own_precision():
        ...     torch.is_autocast_enabled("cpu")
        False
    """
    import torch

    with ExitStack() as stack:
        for device in _DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def float32_products(device: str) -> dict[str, str]:
    """Return, for the signature, how the caller lets a GPU round products of float32; empty where it does not."""
    import torch

    precision = torch.get_float32_matmul_precision()
    on_card = torch.device(device).type == "cuda"
    return {"float32_products": precision} if on_card and precision != "highest" else {}
