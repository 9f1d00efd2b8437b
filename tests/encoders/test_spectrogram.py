"""Spectrograms of CLAP equal those of its feature extractor."""

import numpy as np
import pytest
from transformers import ClapFeatureExtractor

from vqe_core.encoders.spectrogram import AGREEMENT, ClapSpectrogram
from vqe_core.runtime import one_thread

RATE = 16_000


def extractor(**options):
    usual = {"sampling_rate": RATE, "max_length_s": 1, "fft_window_size": 512, "hop_length": 160, "frequency_max": 8000}
    return ClapFeatureExtractor(**{**usual, **options})


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
@pytest.mark.parametrize("samples", [1, 400, RATE // 3, RATE // 2 + 1, RATE - 1, RATE])
def test_it_is_the_extractors_whatever_the_length(padding, samples):
    theirs = extractor(padding=padding)
    waveform = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    expected = theirs([waveform], sampling_rate=RATE, truncation="rand_trunc", return_tensors="np")["input_features"]
    own = ClapSpectrogram.of(theirs, theirs.mel_filters_slaney)
    assert own is not None
    assert own(waveform).shape == expected[0, 0].shape
    np.testing.assert_allclose(own(waveform).numpy(), expected[0, 0], rtol=0, atol=AGREEMENT)


def test_the_bits_do_not_depend_on_the_threads():
    own = ClapSpectrogram.of(extractor(), extractor().mel_filters_slaney)
    waveform = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)
    with one_thread():
        expected = own(waveform)
    assert bool((own(waveform) == expected).all())


def test_of_silence_it_is_the_floor():
    own = ClapSpectrogram.of(extractor(), extractor().mel_filters_slaney)
    assert set(own(np.zeros(800, np.float32)).flatten().tolist()) == {-100.0}


def test_an_extractor_that_computes_otherwise_keeps_its_own():
    class Louder(ClapFeatureExtractor):
        def _np_extract_fbank_features(self, *given, **how):
            return super()._np_extract_fbank_features(*given, **how) + 1e-3

    louder = Louder(sampling_rate=RATE, max_length_s=1, fft_window_size=512, hop_length=160, frequency_max=8000)
    assert ClapSpectrogram.of(louder, louder.mel_filters_slaney) is None
    assert ClapSpectrogram.of(object(), extractor().mel_filters_slaney) is None
