"""Seconds and counts reach who measures, from all threads, and nobody else."""

from __future__ import annotations

import threading

from vqe_core.timings import added, count, measured, timed, timed_items


def test_what_threads_do_is_summed():
    with measured() as timings:
        threads = [threading.Thread(target=lambda: [count("n") for _ in range(1000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert timings.sums() == {"n": 4000}


def test_nothing_is_kept_where_nobody_measures():
    with measured() as timings:
        pass
    count("n")
    with timed("stage"):
        pass
    assert list(timed_items("stage", [1, 2])) == [1, 2]
    assert timings.sums() == {}


def test_items_pass_as_they_are_and_their_making_is_timed():
    def items():
        yield from (1, 2)
        raise KeyError("no more")

    seen = []
    with measured() as timings:
        try:
            for item in timed_items("make", items()):
                seen.append(item)
        except KeyError:
            seen.append("end")
    assert seen == [1, 2, "end"]
    assert set(timings.sums()) == {"make"}
    assert added(timings.sums(), {"n": 2})["n"] == 2
