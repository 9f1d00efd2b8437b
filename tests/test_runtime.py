"""What a forked process inherits: no threads, and no lock that anyone holds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest
import torch

from vqe_core import runtime as processes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def in_fork(check: Callable[[], bool]) -> bool:
    """Whether ``check`` holds in a forked process that ends within ten seconds."""
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(10)
        os._exit(0 if check() else 1)
    return os.waitpid(child, 0)[1] == 0


def test_a_forked_process_gets_one_thread_of_torch_and_its_parent_keeps_its_own():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        processes.settle_in_process()
        assert torch.get_num_threads() == 2
        assert not processes.in_forked_process()

        def child() -> bool:
            untouched = torch.get_num_threads() == 2  # not before something computes
            processes.settle_in_process()
            return untouched and processes.in_forked_process() and torch.get_num_threads() == 1

        assert in_fork(child)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_thread_count_chosen_in_the_child_stays():
    def child() -> bool:
        processes.settle_in_process()
        torch.set_num_threads(2)
        processes.settle_in_process()
        return torch.get_num_threads() == 2

    assert in_fork(child)


def test_a_lock_that_another_thread_holds_is_free_in_a_forked_process():
    lock = processes.ProcessLock()
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def child() -> bool:
        with lock, lock:  # re-entrant
            return True

    try:
        assert in_fork(child)
    finally:
        release.set()
        thread.join()


def test_one_thread_is_that_of_the_caller_alone():
    from concurrent.futures import ThreadPoolExecutor

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with ThreadPoolExecutor(1) as others:
            assert others.submit(torch.get_num_threads).result() == 3
            with processes.one_thread():
                assert torch.get_num_threads() == 1
                assert others.submit(torch.get_num_threads).result() == 3
                with ThreadPoolExecutor(1) as later:
                    assert later.submit(torch.get_num_threads).result() == 3
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_one_thread_holds_for_matrix_products_also_after_a_number_of_threads_was_set():
    """No timing, but time: one thread cannot take more of the CPU than passes."""
    import time

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        square = torch.ones(700, 700)
        torch.mm(square, square)
        with processes.one_thread():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(5):
                torch.mm(square, square)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        assert cpu <= 1.2 * wall + 0.01
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
