"""The batch grows while that pays, and no further."""

from __future__ import annotations

import pytest

from vqe_core.encoders import load_image_text_encoder
from vqe_core.encoders.backends.batch_size import MOST, ON_CPU, USUAL, best_batch_size


def test_a_device_that_is_busy_with_a_small_batch_keeps_to_it():
    assert best_batch_size(lambda size: size / 1000) == USUAL


def test_a_device_that_waits_for_each_call_gets_the_largest():
    assert best_batch_size(lambda size: 1.0) == MOST


def test_it_ends_where_memory_does():
    def seconds(size):
        if size > 128:
            raise RuntimeError("CUDA out of memory")
        return 1.0

    assert best_batch_size(seconds) == 128


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="broken"):
        best_batch_size(lambda size: (_ for _ in ()).throw(RuntimeError("broken")))


def test_on_a_cpu_it_is_a_small_one(clip_folder):
    assert load_image_text_encoder(clip_folder, "cpu").image_batch == ON_CPU
