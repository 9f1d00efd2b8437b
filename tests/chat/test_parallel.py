"""Many slow calls at a time."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqe_core.chat.parallel import run_bounded


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 5))
def test_results_keep_the_order_whatever_ends_first(delays, workers):
    def call(task, left):
        time.sleep(task[1] * 0.002)
        assert 0 < left <= 30
        return task[0]

    tasks = list(enumerate(delays))
    found = run_bounded(call, tasks, workers=workers, deadline=30, late=-1, progress=False)
    assert found == [i for i, _ in tasks]


def test_a_call_that_hangs_is_left_behind():
    release = threading.Event()
    start = time.monotonic()
    found = run_bounded(
        lambda task, left: release.wait(20) if task else "done", [0, 1, 1], workers=2, deadline=0.5, late="late"
    )
    release.set()
    assert time.monotonic() - start < 5
    assert found == ["done", "late", "late"]


def test_an_exception_reaches_the_caller_and_stops_the_rest():
    called = []

    def call(task, left):
        called.append(task)
        raise KeyError("a defect")

    with pytest.raises(KeyError, match="a defect"):
        run_bounded(call, list(range(100)), workers=1, deadline=30, late=None)
