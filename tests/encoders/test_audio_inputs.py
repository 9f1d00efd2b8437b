"""Waveforms and stretches of video are checked before a model sees them."""

import re
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vqe_core.encoders.audio_inputs import check_waveforms, check_windows, embed_in_groups, embed_side_by_side
from vqe_core.errors import InputError, InputTypeError
from vqe_core.types import AudioSamples

RATE = 1000


def check(*waveforms, **options):
    return check_waveforms(list(waveforms), sampling_rate=RATE, longest=2.0, **options)


def test_float_arrays_become_contiguous_float32():
    double = np.linspace(-1, 1, 20)[::2]
    (found,) = check(double)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, double, atol=1e-7)


def test_the_one_extra_sample_of_resampling_is_cut_and_a_second_is_refused():
    assert len(check(np.zeros(2 * RATE + 1, np.float32))[0]) == 2 * RATE
    with pytest.raises(
        InputError, match="has 2002 samples, the model hears at most 2000; cut it into windows"
    ) as raised:
        check(np.zeros(2 * RATE + 2, np.float32))
    assert raised.value.code == "sound_too_long"


def test_audio_samples_are_checked_for_rate_and_channels():
    mono = AudioSamples(np.ones((1, 9), np.float32), RATE)
    np.testing.assert_array_equal(check(mono)[0], np.ones(9, np.float32))
    with pytest.raises(InputError, match="waveform 1 has 44100 Hz, the model hears 1000 Hz; resample") as raised:
        check(mono, AudioSamples(np.ones((1, 9), np.float32), 44100))
    assert raised.value.code == "wrong_sampling_rate"
    with pytest.raises(InputError, match=re.escape("must be mono, shape (samples,), got (2, 9)")):
        check(AudioSamples(np.ones((2, 9), np.float32), RATE))


@pytest.mark.parametrize(
    ("waveform", "message", "code"),
    [
        (np.zeros((9, 2), np.float32), "must be mono", "not_mono"),
        (np.zeros(0, np.float32), "has 0 samples, the model needs at least 1", "no_sound"),
        (np.array([0, np.nan], np.float32), "NaN or infinity", "bad_samples"),
        (np.array([0, np.inf], np.float32), "NaN or infinity", "bad_samples"),
        (np.zeros(9, np.int16), "got int16 array; convert 16-bit samples with", "bad_type"),
        ([0.0, 0.1], "got list", "bad_type"),
    ],
)
def test_what_is_no_mono_float_sound_is_refused(waveform, message, code):
    with pytest.raises(InputError, match=message) as raised:
        check(waveform)
    assert raised.value.code == code


@pytest.mark.parametrize("given_", [np.zeros(9, np.float32), np.zeros((2, 9), np.float32), "sound.wav", 3])
def test_a_single_sound_is_not_taken_for_a_list(given_):
    with pytest.raises(InputTypeError, match=re.escape("for a single sound give [waveform]")):
        check_waveforms(given_, sampling_rate=RATE, longest=2.0)


def test_a_model_may_ask_for_more_than_one_sample():
    with pytest.raises(InputError, match="has 3 samples, the model needs at least 4"):
        check(np.zeros(3, np.float32), fewest_samples=4)


@pytest.mark.parametrize(
    "window",
    [
        np.zeros((2, 3, 8, 8), np.uint8),
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        "clip.mp4",
    ],
)
def test_only_uint8_rgb_frames_are_taken(window):
    with pytest.raises(InputError, match=re.escape("window 0 must be uint8 (N, H, W, 3) RGB frames")):
        check_windows([window])


def test_a_window_without_frames_is_refused():
    with pytest.raises(InputError, match="has no frame") as raised:
        check_windows([np.zeros((0, 8, 8, 3), np.uint8)])
    assert raised.value.code == "no_frames"


@given(st.lists(st.integers(1, 4), min_size=1, max_size=20), st.integers(1, 5))
def test_groups_keep_the_order_and_hold_only_equal_items(lengths, batch_size):
    batches = []

    def embed(items):
        batches.append([len(item) for item in items])
        return torch.tensor([[float(item[0]), float(len(item))] for item in items])

    items = [[i] * length for i, length in enumerate(lengths)]
    rows = embed_in_groups(items, len, embed, batch_size)
    assert rows.tolist() == [[float(i), float(length)] for i, length in enumerate(lengths)]
    assert all(len(set(batch)) == 1 and len(batch) <= batch_size for batch in batches)


def test_an_empty_list_and_a_batch_size_of_0_are_refused():
    with pytest.raises(InputError, match="nothing to embed"):
        embed_in_groups([], len, torch.stack, 4)
    with pytest.raises(InputError, match=re.escape("batch_size (0) must be at least 1")):
        embed_in_groups([[1]], len, torch.stack, 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_on_a_cpu_each_is_embedded_alone_on_one_thread_in_the_order_given(threads):
    before, seen, prepared_on = torch.get_num_threads(), [], set()

    def prepare(some):
        prepared_on.add(threading.get_ident())
        return torch.tensor(some, dtype=torch.float64)

    def embed(inputs):
        seen.append((len(inputs), torch.get_num_threads()))
        return torch.stack([inputs, inputs**2], dim=1)

    torch.set_num_threads(threads)
    try:
        rows = embed_side_by_side([3, 1, 2, 5], prepare, embed, 16, "cpu")
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert rows.tolist() == [[3, 9], [1, 1], [2, 4], [5, 25]]
    assert rows.dtype == torch.float32
    assert seen == [(1, 1)] * 4
    assert prepared_on == {threading.get_ident()}  # numpy's BLAS is used by one thread at a time


def test_what_fails_side_by_side_is_raised_and_nothing_to_embed_is_refused():
    def fails(some):
        raise InputError("no")

    with pytest.raises(InputError, match=r"^no$"):
        embed_side_by_side([1, 2], torch.tensor, fails, 16, "cpu")
    with pytest.raises(InputError, match="nothing to embed"):
        embed_side_by_side([], torch.tensor, fails, 16, "cpu")


def test_a_gpu_takes_batches_of_one_size_so_that_no_row_depends_on_how_many_there_are():
    sizes = []

    def embed(inputs):
        sizes.append(len(inputs))
        return torch.stack([inputs, inputs**2], dim=1).float()

    rows = embed_side_by_side([3, 1, 2, 5, 4], torch.tensor, embed, 2, "cuda")
    assert rows.tolist() == [[3, 9], [1, 1], [2, 4], [5, 25], [4, 16]]
    assert sizes == [2, 2, 2]
    sizes.clear()
    parity = embed_side_by_side([3, 1, 2, 5, 4], torch.tensor, embed, 2, "cuda", alike=lambda item: item % 2)
    assert parity.tolist() == rows.tolist()
    assert sizes == [2, 1, 2]  # of unlike lengths there would be much to fill
