"""One deadline of a request: the nearer of two counts, it can stand still, and it ends with its block."""

import time

import pytest

from vqe_core.deadline import Deadline, check_deadline, current_deadline, deadline, deadline_stopped
from vqe_core.errors import MediaError


def test_a_deadline_holds_inside_its_block_alone():
    check_deadline()
    assert current_deadline() is None
    words = "a clip takes longer than the 1e-09 s that one request may"
    with deadline(1e-9), pytest.raises(MediaError, match=words) as caught:
        check_deadline("a clip")
    assert caught.value.code == "timeout"
    check_deadline()
    assert current_deadline() is None


def test_of_two_the_nearer_one_counts():
    with deadline(1000) as outer:
        with deadline(2000) as inner:
            assert inner is outer
        with deadline(1) as inner:
            assert inner is not outer and inner.left <= 1
        assert current_deadline() is outer


def test_a_deadline_that_stands_still_loses_nothing():
    with deadline_stopped():
        pass
    with deadline(1000) as request:
        with deadline_stopped():
            time.sleep(0.2)
        assert request.left > 999.85
        time.sleep(0.2)
        assert request.left < 999.85


def test_nothing_is_left_once_it_has_passed():
    passed = Deadline(1e-9)
    assert passed.left == 0
    with pytest.raises(MediaError):
        passed.check()
