"""What the caller sets for training does not reach the scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests import tiny
from vqe_core.encoders import load_image_text_encoder
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity


@pytest.fixture
def rows():
    from vqe_core.toy.clips import make_clip

    return [make_clip(seed) for seed in range(3)]


def test_scores_under_autocast_are_those_without_and_so_is_what_is_stored(rows, tmp_path):
    columns = {
        "predictions": [clip.captions(1)[0] for clip in rows],
        "videos": [clip.frames for clip in rows],
        "references": [clip.captions(2) for clip in rows],
    }
    plain = EMScore(clip_model_path="toy").score(**columns)
    cached = EMScore(clip_model_path="toy", cache_dir=tmp_path)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cold = cached.score(**columns)
    assert cold.rows == cached.score(**columns).rows == plain.rows


@pytest.mark.parametrize("method", ["tags", "joint"])
def test_sounds_are_compared_alike_under_autocast(rows, method):
    columns = {
        "videos": [clip.frames for clip in rows],
        "audios": [{"array": clip.waveform, "sampling_rate": clip.sampling_rate} for clip in rows],
    }
    scorer = VideoAudioSimilarity(hf_clip="toy", method=method)
    plain = scorer.score(**columns)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert scorer.score(**columns).rows == plain.rows


@pytest.mark.parametrize("family", [tiny.tiny_clip, tiny.tiny_siglip], ids=lambda family: family.__name__)
def test_an_encoder_alone_is_no_exception(family, tmp_path):
    encoder = load_image_text_encoder(str(family(tmp_path)), "cpu")
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8))
    pictures, (text,) = encoder.embed_images(images), encoder.embed_texts(["a red cat"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(encoder.embed_images(images), pictures)
        assert torch.equal(encoder.embed_texts(["a red cat"])[0].pooled, text.pooled)


def test_longer_neighbours_do_not_move_a_text_in_half_precision(clip_folder):
    encoder = load_image_text_encoder(clip_folder, "cpu", "bfloat16")
    short, long = "a cat", "a red cat and a red dog and a red man and a red house"
    (alone,), (beside, _) = encoder.embed_texts([short]), encoder.embed_texts([short, long])
    assert torch.equal(alone.tokens, beside.tokens)
