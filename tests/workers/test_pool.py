"""Decode workers from one call to the next: kept, ended when idle, never taken along by a fork."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from vqe_core.workers import DecodeWorker, WorkerLimits, WorkerPool
from vqe_core.workers import pool as waiting_workers
from vqe_core.workers.pool import WAITING, WaitingWorkers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="worker processes need a POSIX system")


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    WAITING.end_idle()
    yield
    WAITING.end_idle()


def pid_of_call(timeout: float = 120.0) -> int | None:
    """Which process decodes for a call."""
    with WorkerPool(True, timeout) as pool, pool.worker() as worker:
        assert worker is not None
        worker.start()
        return worker.pid


def test_the_next_call_has_the_workers_of_the_one_before():
    first = pid_of_call()
    assert first is not None
    assert pid_of_call() == first
    assert pid_of_call(timeout=5.0) != first  # other limits
    assert len(WAITING) == 2
    with WorkerPool(True, 120.0) as pool, pool.worker() as one, pool.worker() as other:
        assert one is not None and other is not None and one is not other
        assert one.pid == first


def test_workers_of_a_call_that_failed_are_ended():
    with pytest.raises(KeyError), WorkerPool(True, 120.0) as pool:
        with pool.worker() as worker:
            assert worker is not None
            worker.start()
        raise KeyError
    assert (worker.pid, len(WAITING)) == (None, 0)


def test_a_worker_that_is_still_in_use_is_ended_and_not_given_away():
    pool = WorkerPool(True, 120.0)
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


def test_a_forked_process_begins_without_workers_and_leaves_those_of_its_parent():
    first = pid_of_call()
    child = os.fork()
    if child == 0:
        os._exit(len(WAITING) and 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pid_of_call() == first
