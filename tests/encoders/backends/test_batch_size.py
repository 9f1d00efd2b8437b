"""Batches are halved where memory runs out, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
import warnings
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch

from vqe_core.encoders import load_image_text_encoder, unload_encoders
from vqe_core.encoders.backends.batch_size import THIN, BackOff, ran_out_of_memory, suited_threads
from vqe_core.errors import ModelError


class SmallMemory:
    """Encodes at most ``room`` items at once, as a device with little memory does."""

    def __init__(self, encode: Any, room: int) -> None:
        self.encode, self.room, self.sizes = encode, room, []

    def __call__(self, batch: Any) -> Any:
        self.sizes.append(len(batch))
        if len(batch) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.encode(batch)


def test_batches_are_halved_until_they_fit_and_stay_small():
    device = SmallMemory(list, room=3)
    batches = BackOff()
    with pytest.warns(UserWarning, match="memory ran out on a batch of 10; batches are halved"):
        assert batches.run(device, list(range(10))) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert device.sizes == [10, 5, 2, 2, 2, 2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # told once
        assert batches.run(device, list(range(3))) == [[0, 1], [2]]


def test_memory_that_shrinks_halves_again_without_losing_a_row():
    device = SmallMemory(list, room=4)
    batches = BackOff(limit=4)

    def shrinking(batch):
        device.room = 4 if batch[0] < 4 else 1
        return device(batch)

    assert list(chain.from_iterable(batches.run(shrinking, list(range(9))))) == list(range(9))
    assert batches.limit == 1


def test_one_item_that_does_not_fit_is_an_error_with_a_way_out():
    with pytest.warns(UserWarning, match="batches are halved"), pytest.raises(ModelError, match="use a smaller model"):
        BackOff().run(SmallMemory(list, room=0), [1, 2])


def test_other_errors_pass_and_nothing_is_tried_again():
    calls = []

    def broken(batch):
        calls.append(batch)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        BackOff().run(broken, [1, 2])
    assert len(calls) == 1


def test_an_empty_batch_is_encoded_once():
    assert BackOff().run(list, []) == [[]]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (MemoryError(), True),
        (RuntimeError("expected scalar type Float but found Half"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_memory(error, expected):
    assert ran_out_of_memory(error) is expected


def test_what_torch_says_of_the_cpu_counts():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert ran_out_of_memory(caught.value)


def test_an_encoder_gives_the_same_embeddings_from_small_batches(clip_folder):
    unload_encoders()
    encoder: Any = load_image_text_encoder(clip_folder, device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 40, 50, 3), dtype=np.uint8)
    images = torch.stack([encoder.prepare_image(image) for image in pixels])
    texts = ["a red cat", "the dog runs", "ball", "a big house"]
    whole, written = encoder.embed_images(images), encoder.embed_texts(texts)
    tower = SmallMemory(encoder.vision_tower, room=2)
    windows = SmallMemory(encoder._embed_windows, room=1)
    object.__setattr__(encoder, "vision_tower", tower)
    object.__setattr__(encoder, "_embed_windows", windows)
    with pytest.warns(UserWarning, match="batches are halved"):
        parts, written_apart = encoder.embed_images(images), encoder.embed_texts(texts)
    unload_encoders()
    assert tower.sizes == [5, 2, 2, 1]
    # Four texts of two lengths, padded to a multiple of four; their batches are full whatever there is.
    assert windows.sizes[:3] == [64, 32, 16]
    assert set(windows.sizes[6:]) == {1}
    assert torch.allclose(parts, whole, atol=1e-6)
    for one, other in zip(written, written_apart, strict=True):
        assert torch.allclose(one.tokens, other.tokens, atol=1e-6)


REAL = """
import resource, sys, warnings
import torch
from vqe_core.encoders.backends.batch_size import BackOff
torch.set_num_threads(1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**27, resource.RLIM_INFINITY))
def encode(batch):  # 64 MiB a row
    return torch.ones(len(batch), 2**24).sum(dim=1)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    batches = BackOff()
    rows = torch.cat(batches.run(encode, list(range(16))))
print(len(rows), bool((rows == 2**24).all()), batches.limit, len(told))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_a_cpu_that_really_runs_out_of_memory():
    ran = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    count, right, limit, warned = ran.stdout.split()
    assert (count, right, warned) == ("16", "True", "1")
    assert int(limit) in (1, 2, 4)


def test_a_thin_tower_computes_on_one_thread_and_a_wide_one_on_all():
    from transformers import CLIPTextConfig

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for width, expected in ((THIN, 1), (2 * THIN, 2)):
            with suited_threads(CLIPTextConfig(hidden_size=width)):
                assert torch.get_num_threads() == expected
        with suited_threads(object()):  # says nothing
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
