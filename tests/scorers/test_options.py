"""Options that mean the same say the same, and a wrong one is told at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vqe_core import CLIPScore, EMScore, VideoAudioSimilarity, registry
from vqe_core.errors import InputError, InputTypeError
from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.samplers import EveryNSecondsSampler, MiddleSampler, SceneSampler, UniformSampler
from vqe_core.scorers.options import GROUPS, group_of, help_of

SCORERS = (EMScore, CLIPScore, VideoAudioSimilarity)


@pytest.mark.parametrize(
    ("options", "sampler"),
    [
        ({}, UniformSampler(10)),
        ({"frame_num": 4}, UniformSampler(4)),
        ({"every_n_seconds": 2}, EveryNSecondsSampler(2.0)),
        ({"frame_sampling_method": "middle"}, MiddleSampler()),
        ({"sampler": "every_n_seconds:every_n_seconds=2"}, EveryNSecondsSampler(2.0)),
        ({"sampler": "scene"}, SceneSampler()),
        ({"sampler": SceneSampler(threshold=10)}, SceneSampler(threshold=10.0)),
    ],
)
def test_shorthand_specs_and_objects_name_one_sampler(options, sampler):
    assert EMScore(**options).frame_sampler == sampler


def test_one_frame_is_the_middle_where_it_is_shorthand_only():
    assert VideoAudioSimilarity(frame_num=1).frame_sampler == MiddleSampler()
    assert VideoAudioSimilarity(sampler=UniformSampler(1)).frame_sampler == UniformSampler(1)
    assert VideoAudioSimilarity().frame_sampler == UniformSampler(3)


@pytest.mark.parametrize("scorer", SCORERS)
def test_a_copy_with_another_option_keeps_the_component(scorer):
    chosen = scorer(sampler="scene:threshold=7", reader="pyav:scan=decode")
    copy = dataclasses.replace(chosen, max_frames=3)
    assert copy.frame_sampler == SceneSampler(7.0) and copy.video_reader == PyAVReader(scan="decode")


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize(
    "usual", [{}, {"decoder": "auto"}, {"decoder": "pyav"}, {"reader": "pyav"}, {"reader": "auto"}]
)
def test_the_usual_reader_has_many_names(scorer, usual):
    assert scorer(**usual).video_reader is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampler": "scene", "every_n_seconds": 1}, "sampler and every_n_seconds (1) exclude each other"),
        ({"sampler": "scene:treshold=1"}, "'treshold=1' must be option=value; sampler 'scene' takes threshold"),
        ({"sampler": 3}, "sampler must be the name of a sampler"),
        ({"reader": "frames"}, "reader ('frames') must be one of auto, pyav, nvdec"),
        ({"decoder": "opencv"}, "decoder ('opencv') must be one of auto, pyav, nvdec"),
        ({"reader": "pyav", "decoder": "nvdec"}, "reader and decoder ('nvdec') exclude each other"),
        ({"reader": object()}, "reader must be the name of a reader"),
        ({"backend": "tensorrt"}, "backend ('tensorrt') must be one of auto, torch, compile, openvino"),
        ({"batch_size": 0}, "batch_size (0) must be a whole number of at least 1"),
        ({"max_frames": None}, "max_frames (None) must be a whole number of at least 1"),
        ({"row_timeout": float("nan")}, "row_timeout (nan) must be a positive finite number of seconds"),
        ({"cache_dir": 3}, "cache_dir (3) must be the path of a folder"),
    ],
)
@pytest.mark.parametrize("scorer", SCORERS)
def test_a_wrong_option_is_told_at_once(scorer, options, words):
    with pytest.raises((InputError, InputTypeError)) as caught:
        scorer(**options)
    assert words in str(caught.value)


def test_two_models_exclude_each_other():
    with pytest.raises(InputError, match=r"encoder and clip_model_path \('toy'\) exclude each other"):
        EMScore(clip_model_path="toy", encoder="toy")
    with pytest.raises(InputError, match=r"encoder and hf_clip \('toy'\) exclude each other"):
        VideoAudioSimilarity(hf_clip="toy", encoder="toy")


def test_numbers_of_numpy_are_those_of_python():
    scorer = EMScore(max_frames=np.int64(7), row_timeout=np.float32(2))
    assert (type(scorer.max_frames), type(scorer.row_timeout)) == (int, float)
    assert scorer == EMScore(max_frames=7, row_timeout=2)


@pytest.mark.parametrize("scorer", SCORERS)
def test_every_option_has_a_group_and_a_help_that_names_what_there_is(scorer):
    titles = {title for title, _ in GROUPS}
    for field in dataclasses.fields(scorer):
        assert group_of(field.name) in {*titles, None}
        text = help_of(field, scorer)
        assert text and "{" not in text
        if field.metadata.get("kind") == "sampler":
            assert all(name in text for name in registry.names("sampler"))


@pytest.mark.parametrize("scorer", SCORERS)
def test_no_concern_has_more_options_than_one_can_read(scorer):
    for _, group in GROUPS:
        assert len(dataclasses.fields(group)) <= 8


@pytest.mark.parametrize("options", [{"row_timeout": 5.0}, {"row_memory": 512}, {"row_timeout": 5, "row_memory": 9}])
def test_a_limit_without_worker_processes_is_refused(options):
    with pytest.raises(InputError, match="cannot hold with isolate=False") as caught:
        EMScore(isolate=False, **options)
    assert all(name in str(caught.value) for name in options)
    assert EMScore(**options) != EMScore(isolate=False)


def test_a_limit_on_a_system_without_worker_processes_is_refused(monkeypatch):
    monkeypatch.setattr("vqe_core.scorers.options.os.name", "nt")
    with pytest.raises(InputError, match="on this system, which has no worker processes"):
        EMScore(row_timeout=5.0)
    assert EMScore().isolate == "auto"


def test_isolation_by_its_names():
    assert EMScore(isolate=None) == EMScore(isolate="auto") == EMScore()
    with pytest.raises(InputError, match="isolate \\('yes'\\) must be 'auto', True or False"):
        EMScore(isolate="yes")
