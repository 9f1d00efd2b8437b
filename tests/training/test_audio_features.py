"""The fast log-mel spectrograms of training are those of the extractor that the model ships with."""

import numpy as np
import pytest

from training.audio_features import SAMPLING_RATE, SECONDS, log_mel, make_extractor
from vqe_core.toy.clips import make_clip


@pytest.mark.parametrize(
    "waveform",
    [
        make_clip(1, size=16, num_frames=4).waveform,
        make_clip(2, size=16, num_frames=4).waveform,
        np.zeros(48000, np.float32),
        np.random.default_rng(0).uniform(-1, 1, 48000).astype(np.float32),
    ],
    ids=["clip 1", "clip 2", "silence", "noise"],
)
def test_training_spectrograms_are_those_of_the_extractor(waveform):
    found = make_extractor()(waveform, sampling_rate=SAMPLING_RATE, return_tensors="np")["input_features"]
    assert found.shape == (1, 1, 63, 64)
    np.testing.assert_allclose(log_mel(waveform), found[0, 0], atol=1e-4)


def test_the_extractor_hears_three_seconds_and_repeats_a_short_sound():
    extractor = make_extractor()
    assert extractor.nb_max_samples == SECONDS * SAMPLING_RATE
    waveform = make_clip(1, size=16, num_frames=4).waveform
    twice = extractor(waveform[:24000], sampling_rate=SAMPLING_RATE, return_tensors="np")["input_features"]
    np.testing.assert_allclose(log_mel(np.tile(waveform[:24000], 2)), twice[0, 0], atol=1e-4)
