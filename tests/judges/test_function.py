"""A user's function as judge."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.judges.exhibits import RATE, exhibit
from vqe_core.errors import InputError, InputTypeError
from vqe_core.judges import Judge, as_judge
from vqe_core.judges.endpoint import EndpointJudge
from vqe_core.judges.exhibit import Exhibit
from vqe_core.judges.function import FunctionJudge


def loudness(frames, timestamps, waveform, sampling_rate):
    return float(waveform.mean()), f"{len(frames)} frames,\nto {timestamps[-1]:g} s, {sampling_rate} Hz"


def test_it_gets_what_is_shown_and_keeps_the_order():
    found = FunctionJudge(loudness, progress=False).judge([exhibit(0.25), exhibit(0.75, count=3)])
    assert found == [(0.25, f"2 frames, to 1 s, {RATE} Hz"), (0.75, f"3 frames, to 2 s, {RATE} Hz")]


@pytest.mark.parametrize("result", [0.5, np.float32(0.5), (0.5, None), (0.5, ""), [0.5, ""]])
def test_a_number_alone_will_do(result):
    assert FunctionJudge(lambda *shown: result, progress=False).judge([exhibit()]) == [(0.5, "")]


@pytest.mark.parametrize("result", [None, "0.5", True, 1.5, -0.1, float("nan"), (0.5, 1), (0.5, "", ""), ("a", "b")])
def test_what_is_no_judgement_is_an_error_of_its_clip(result):
    def judge(frames, timestamps, waveform, sampling_rate):
        return result if waveform[0] > 0.5 else 1

    bad, good = FunctionJudge(judge, progress=False).judge([exhibit(0.9), exhibit(0.1)])
    assert bad.code == "bad_judgement"
    assert good == (1.0, "")


def test_an_exception_of_the_function_concerns_its_clip_alone():
    def judge(*shown):
        if shown[2][0] > 0.5:
            raise KeyError("no such thing")
        return 0

    error, good = FunctionJudge(judge, name="mine", progress=False).judge([exhibit(0.9), exhibit(0.1)])
    assert (error.code, good) == ("judge_failed", (0.0, ""))
    assert str(error) == "judge mine failed on clip 0: KeyError: 'no such thing'"


def test_the_signature_names_the_function():
    assert FunctionJudge(loudness).signature()["judge_name"].endswith("test_function.loudness")
    assert FunctionJudge(loudness, name="v2").signature() == {"judge": "function", "judge_name": "v2"}


def test_as_judge_takes_judges_and_functions():
    endpoint = EndpointJudge(api_url="http://localhost:8000/v1", model_name="m")
    assert as_judge(endpoint) is endpoint
    assert isinstance(as_judge(loudness), Judge)
    assert as_judge(loudness) == FunctionJudge(loudness)


@pytest.mark.parametrize("value", [None, "gpt", 3])
def test_anything_else_is_refused(value):
    with pytest.raises(InputTypeError, match=re.escape(f"judge ({value!r}) must be a function")):
        as_judge(value)
    with pytest.raises(InputError, match="must be callable"):
        FunctionJudge(value)


@pytest.mark.parametrize(
    "change",
    [
        {"frames": np.zeros((0, 4, 4, 3), np.uint8)},
        {"frames": np.zeros((2, 4, 4, 3), np.float32)},
        {"timestamps": np.zeros(3)},
        {"waveform": np.zeros((1, 4), np.float32)},
        {"waveform": np.zeros(4)},
    ],
)
def test_an_exhibit_checks_itself(change):
    fields = {**vars(exhibit()), **change}
    with pytest.raises(InputError, match="must be"):
        Exhibit(**fields)
