"""Decode workers from one call to the next: kept, ended when idle, never taken along by a fork."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import numpy as np
import pytest

from vqe_core.deadline import deadline
from vqe_core.embed import EmbedSettings
from vqe_core.types import MediaSource
from vqe_core.workers import DecodeWorker, WorkerLimits, WorkerPool
from vqe_core.workers import pool as waiting_workers
from vqe_core.workers.limits import DEFAULT_WORKER_LIMITS
from vqe_core.workers.pool import MOST_WAITING, WAITING, WaitingWorkers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="worker processes need a POSIX system")


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    WAITING.end_idle()
    yield
    WAITING.end_idle()


def pid_of_call(limits: WorkerLimits = DEFAULT_WORKER_LIMITS) -> int | None:
    """Which process decodes for a call."""
    with WorkerPool(True, limits) as pool, pool.worker() as worker:
        assert worker is not None
        worker.start()
        return worker.pid


def test_the_next_call_has_the_workers_of_the_one_before():
    first = pid_of_call()
    assert first is not None
    assert pid_of_call() == first
    assert pid_of_call(WorkerLimits(row_seconds=5.0)) == first  # which is no matter of the process
    assert pid_of_call(WorkerLimits(memory_bytes=2**30)) != first
    assert len(WAITING) == 2
    with WorkerPool(True) as pool, pool.worker() as one, pool.worker() as other:
        assert one is not None and other is not None and one is not other
        assert one.pid == first


def test_workers_of_a_call_that_failed_are_ended():
    with pytest.raises(KeyError), WorkerPool(True) as pool:
        with pool.worker() as worker:
            assert worker is not None
            worker.start()
        raise KeyError
    assert (worker.pid, len(WAITING)) == (None, 0)


def test_a_worker_that_is_still_in_use_is_ended_and_not_given_away():
    pool = WorkerPool(True)
    with pool:
        using = pool.worker()
        worker = using.__enter__()
        assert worker is not None
        worker.start()
    assert (worker.pid, len(WAITING)) == (None, 0)
    using.__exit__(None, None, None)
    assert len(WAITING) == 0


def test_idle_workers_are_ended(monkeypatch):
    monkeypatch.setattr(waiting_workers, "IDLE_SECONDS", 0.05)
    waiting = WaitingWorkers()
    workers = [DecodeWorker(WorkerLimits()) for _ in range(2)]
    for worker in workers:
        worker.start()
        waiting.give(worker)
    deadline = time.monotonic() + 30
    while any(worker.pid for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [worker.pid for worker in workers] == [None, None]
    assert len(waiting) == 0


def test_few_wait():
    with WorkerPool(True) as pool, contextlib.ExitStack() as stack:
        workers = [stack.enter_context(pool.worker()) for _ in range(MOST_WAITING + 2)]
        for worker in workers:
            assert worker is not None
            worker.start()
    assert len(WAITING) == MOST_WAITING
    assert sum(worker.pid is not None for worker in workers if worker) == MOST_WAITING


@pytest.mark.parametrize(
    ("isolate", "source", "isolated"),
    [
        ("auto", MediaSource(path="x.mp4"), True),
        (None, MediaSource(data=b"x"), True),
        (True, MediaSource(path="x.mp4"), True),
        (False, MediaSource(path="x.mp4"), False),
        ("auto", MediaSource(frames=np.zeros((1, 2, 2, 3), np.uint8)), False),
        (True, MediaSource(decoder=object()), False),
    ],
)
def test_files_and_bytes_are_anybodys_and_frames_are_the_callers(isolate, source, isolated):
    with WorkerPool.of(EmbedSettings(isolate=isolate), [source]) as pool, pool.worker() as worker:
        assert (worker is not None) == isolated


def test_the_limits_are_those_of_the_call():
    settings = EmbedSettings(row_timeout=7.0, row_memory=512)
    with WorkerPool.of(settings, [MediaSource(path="x.mp4")]) as pool, pool.worker() as worker:
        assert worker is not None
        assert worker.limits == WorkerLimits(7.0, 2**29)


def test_a_pool_gives_its_workers_the_deadline_of_the_request_it_was_made_in():
    with deadline(60) as request, WorkerPool(True) as pool, pool.worker() as worker:
        assert worker is not None and worker.deadline is request
    with WorkerPool(True) as pool, pool.worker() as again:
        assert again is worker and again.deadline is None


def test_a_forked_process_begins_without_workers_and_leaves_those_of_its_parent():
    first = pid_of_call()
    child = os.fork()
    if child == 0:
        os._exit(len(WAITING) and 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pid_of_call() == first
