"""Options are plain Python values, however they were given."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.samplers import sampler_spec
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity


@pytest.mark.parametrize(
    ("name", "option", "given", "meant"),
    [
        ("uniform", "frame_num", np.int64(4), 4),
        ("every_n_frames", "every_n_frames", np.int32(2), 2),
        ("every_n_seconds", "every_n_seconds", np.float32(0.5), 0.5),
        ("every_n_seconds", "every_n_seconds", 1, 1.0),
        ("scene", "threshold", np.int8(30), 30.0),
    ],
)
def test_numbers_of_numpy_mean_what_pythons_mean(name, option, given, meant):
    spec = sampler_spec(registry.load("sampler", name)(**{option: given}))
    assert json.dumps(spec) == json.dumps({"name": name, option: meant})


@pytest.mark.parametrize("scorer", [EMScore, VideoAudioSimilarity])
def test_a_metric_takes_them_with_a_cache_too(scorer, tmp_path):
    numbers = {"every_n_frames": np.int32(2), "max_frames": np.int64(4), "row_timeout": np.float32(7)}
    plain = scorer(**{name: value.item() for name, value in numbers.items()})
    assert scorer(**numbers) == plain
    assert scorer(every_n_seconds=1).every_n_seconds == 1.0
    assert type(scorer(every_n_seconds=1).every_n_seconds) is float
    frames = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    model = {"clip_model_path": "toy"} if scorer is EMScore else {"hf_clip": "toy", "method": "description"}
    words = {"predictions": ["a red square"]} if scorer is EMScore else {"audio_descriptions": ["a bell"]}
    stored = scorer(**model, **numbers, cache_dir=tmp_path).score(**words, videos=[frames])
    assert stored.status == ["ok"]


def test_a_switch_is_no_number():
    with pytest.raises(InputError, match=re.escape("frame_num (True) must be a whole number")):
        EMScore(frame_num=True)
    with pytest.raises(InputError, match=re.escape("frame_num (4.0) must be a whole number")):
        EMScore(frame_num=4.0)
