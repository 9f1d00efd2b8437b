"""Windows of several sounds are embedded in one call, and a bad one costs its row alone."""

import numpy as np
import pytest
import torch

from vqe_core.embed import SoundBatcher
from vqe_core.embed.sounds import SECONDS_TOGETHER
from vqe_core.errors import InputError, InternalError, VqeError

RATE = 10


class Embedder:
    """Sum and length of a waveform; one that begins with a negative number cannot be embedded."""

    def __init__(self, error=None):
        self.calls, self.error = [], error or InputError("no sound like this")

    def __call__(self, waveforms):
        self.calls.append(len(waveforms))
        if any(waveform[0] < 0 for waveform in waveforms):
            raise self.error
        return torch.tensor([[float(waveform.sum()), float(len(waveform))] for waveform in waveforms])


def windows(*values, seconds=1.0):
    return [np.full(round(seconds * RATE), value, np.float32) for value in values]


def test_windows_of_all_rows_go_in_one_call_and_come_back_by_row():
    embed = Embedder()
    sounds = SoundBatcher(embed, RATE)
    assert list(sounds.add("a", windows(1, 2))) == []
    assert list(sounds.add("b", windows(3))) == []
    found = {key: rows.tolist() for key, rows in sounds.flush()}
    assert found == {"a": [[10.0, 10.0], [20.0, 10.0]], "b": [[30.0, 10.0]]}
    assert embed.calls == [3]
    assert list(sounds.flush()) == []


def test_what_waits_is_bounded_in_seconds():
    embed = Embedder()
    sounds, done = SoundBatcher(embed, RATE), []
    for i in range(7):
        done.append([key for key, _ in sounds.add(i, windows(1, seconds=SECONDS_TOGETHER / 4))])
    assert done == [[], [], [], [0, 1, 2, 3], [], [], []]
    assert [key for key, _ in sounds.flush()] == [4, 5, 6]
    assert embed.calls == [4, 3]


@pytest.mark.parametrize("error", [InputError("no sound like this"), ValueError("a slip")])
def test_a_sound_that_fails_costs_its_row_alone(error):
    sounds = SoundBatcher(Embedder(error), RATE)
    for i, value in enumerate([1, -1, 2]):
        assert list(sounds.add(i, windows(value))) == []
    found = dict(sounds.flush())
    assert [found[i].tolist() for i in (0, 2)] == [[[10.0, 10.0]], [[20.0, 10.0]]]
    assert isinstance(found[1], VqeError)
    assert isinstance(found[1], InternalError) == (type(error) is ValueError)
    assert str(error) in str(found[1])


def test_one_row_that_fails_is_not_tried_twice():
    embed = Embedder()
    sounds = SoundBatcher(embed, RATE)
    assert list(sounds.add("a", windows(-1))) == []
    ((_, error),) = sounds.flush()
    assert isinstance(error, InputError)
    assert embed.calls == [1]
