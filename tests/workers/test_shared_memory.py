"""Arrays cross the shared memory as they are, and nothing outside it is ever read."""

import os

import numpy as np
import pytest

from tests.media.recipes import moving_clip
from vqe_core.media import as_media_source, open_video
from vqe_core.workers import DecodeWorker, open_video_in
from vqe_core.workers.messages import Placement
from vqe_core.workers.shared_memory import (
    SLOTS,
    Cancelled,
    Credits,
    SlotReader,
    SlotWriter,
    forbid_shrinking,
    nameless_file,
)


@pytest.fixture
def memory():
    descriptor = nameless_file("test")
    yield descriptor
    os.close(descriptor)


def test_arrays_of_growing_and_shrinking_sizes(memory):
    credits = Credits()
    credits.begin(0)
    writer, reader = SlotWriter(memory, credits), SlotReader(memory)
    generator = np.random.default_rng(0)
    for size in (10, 300_000, 5, 2_000_000, 70_000, 2_000_000):
        array = generator.integers(0, 256, (size, 3), dtype=np.uint8)
        np.testing.assert_array_equal(reader.copy(writer.put(array)), array)
        credits.give(0)


def test_a_slot_is_not_written_before_it_is_free(memory):
    credits = Credits()
    credits.begin(0)
    writer, reader = SlotWriter(memory, credits), SlotReader(memory)
    arrays = [np.full((4, 4), number, dtype=np.float32) for number in range(SLOTS)]
    places = [writer.put(array) for array in arrays]
    credits.cancel(0)
    with pytest.raises(Cancelled):
        writer.put(arrays[0])
    for place, array in zip(places, arrays, strict=True):
        np.testing.assert_array_equal(reader.copy(place), array)


def test_a_job_that_was_cancelled_before_it_began():
    credits = Credits()
    credits.cancel(3)
    credits.begin(3)
    with pytest.raises(Cancelled):
        credits.wait()
    credits.begin(4)
    credits.wait(SLOTS)


@pytest.mark.parametrize(
    "place", [Placement(0, (1000,), "|u1"), Placement(-8, (4,), "|u1"), Placement(96, (8,), "<f4")]
)
def test_places_outside_the_memory_are_refused(memory, place):
    os.ftruncate(memory, 100)
    with pytest.raises(ValueError, match="outside the shared memory of 100 bytes"):
        SlotReader(memory).copy(place)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no sealed memory")
def test_a_worker_cannot_take_the_memory_away(memory):
    forbid_shrinking(memory)
    os.ftruncate(memory, 4096)
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 0)


def test_a_file_does_where_there_is_no_nameless_memory(monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    source = as_media_source(moving_clip("closed.mp4"))
    with DecodeWorker() as worker:
        there = [frame.pixels for frame in open_video_in(worker, source).frames(np.arange(40))]
    here = [frame.pixels for frame in open_video(source).frames(np.arange(40))]
    np.testing.assert_array_equal(there, here)
