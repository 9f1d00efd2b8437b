"""Videos are read side by side and handed out in order."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext

import pytest
import torch

from vqe_core.embed.batching import ImageBatcher
from vqe_core.embed.prefetch import OrderedPrefetch


def threads(jobs, read, *, count=3, worker=nullcontext, waiting=4):
    return OrderedPrefetch(jobs, read, threads=count, worker=worker, waiting=waiting)


def test_items_come_job_by_job_in_order_however_long_each_takes():
    def read(job, worker):
        for item in range(job % 5):
            time.sleep(0.002 * ((job * 7 + item) % 3))
            yield job, item

    with threads(20, read) as reading:
        got = [list(reading.items(job)) for job in range(20)]
    assert got == [[(job, item) for item in range(job % 5)] for job in range(20)]


def test_jobs_run_side_by_side():
    together = threading.Barrier(3, timeout=30)

    def read(job, worker):
        together.wait()  # passes only if three jobs are being read at once
        yield job

    with threads(3, read) as reading:
        assert [list(reading.items(job)) for job in range(3)] == [[0], [1], [2]]


def test_what_waits_is_bounded_when_the_consumer_is_slow():
    made, taken, most = 0, 0, 0
    lock = threading.Lock()

    def read(job, worker):
        nonlocal made
        for item in range(10):
            with lock:
                made += 1
            yield item

    with threads(30, read, count=2, waiting=3) as reading:
        time.sleep(0.2)
        for job in range(30):
            for _ in reading.items(job):
                with lock:
                    taken += 1
                    most = max(most, made - taken)
                time.sleep(0.0005)
    # two threads may be two jobs ahead each, three items of each wait, and each thread holds one more in its hand
    assert 0 < most <= 4 * 3 + 2
    assert taken == 300


def test_an_error_belongs_to_its_job_alone():
    def read(job, worker):
        yield job
        if job == 1:
            raise ValueError("job 1 is bad")
        yield job

    with threads(4, read) as reading:
        assert list(reading.items(0)) == [0, 0]
        seen = []
        with pytest.raises(ValueError, match="job 1 is bad"):
            for item in reading.items(1):
                seen.append(item)
        assert seen == [1]
        assert [list(reading.items(job)) for job in (2, 3)] == [[2, 2], [3, 3]]


def test_leaving_half_way_ends_the_lanes():
    def read(job, worker):
        yield from range(1000)

    with threads(50, read) as reading:
        next(reading.items(0))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vqe-prefetch")]


def test_a_job_that_is_left_half_way_does_not_hold_up_the_next():
    def read(job, worker):
        yield from range(100)

    with threads(3, read) as reading:
        items = reading.items(0)
        assert next(items) == 0
        items.close()
        assert list(reading.items(1)) == list(range(100))


def test_each_lane_has_a_worker_of_its_own_and_gives_it_back():
    entered, left = [], []

    @contextmanager
    def worker():
        entered.append(object())
        mine = entered[-1]
        yield mine
        left.append(mine)

    together = threading.Barrier(2, timeout=30)

    def read(job, mine):
        if job < 2:
            together.wait()
        yield mine

    with threads(6, read, count=2, worker=worker) as reading:
        used = {id(next(reading.items(job))) for job in range(6)}
    assert len(entered) == len(left) == 2
    assert used <= {id(one) for one in entered}


def test_after_an_error_nobody_waits_for_lanes_or_batches_that_are_busy(monkeypatch):
    monkeypatch.setattr("vqe_core.embed.prefetch._PATIENCE", 0.05)
    free = threading.Event()

    def read(job, worker):
        yield job
        free.wait()

    class Busy:
        def embed_images(self, images):
            free.wait()
            return images

    try:
        # The test would hang here if either waited.
        with pytest.raises(KeyboardInterrupt), threads(8, read, count=8) as reading, ImageBatcher(Busy(), 1) as batcher:
            batcher.add(0, torch.zeros(3, 2, 2))
            next(reading.items(0))
            raise KeyboardInterrupt
    finally:
        free.set()
