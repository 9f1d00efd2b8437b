"""Servings of DataFlow, their own classes. Run by ``test_in_dataflow.py``, where open-dataflow is installed."""

import importlib
import os
import sys
import types

import pytest

from tests.integrations.dataflow.tables import storage_of, write_clips, written
from tests.servers import chat_server, completion
from vqe_core.errors import InputError, InputTypeError
from vqe_core.integrations.dataflow import VideoAudioSimilarity


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def serving_class():
    """Load a class of a module of dataflow.serving, whose own import wants the client of every vendor."""
    import dataflow

    parent = types.ModuleType("dataflow.serving")
    parent.__path__ = [os.path.join(os.path.dirname(dataflow.__file__), "serving")]
    sys.modules["dataflow.serving"] = parent
    yield lambda module, name: getattr(importlib.import_module(f"dataflow.serving.{module}"), name)
    for name in [name for name in sys.modules if name.startswith("dataflow.serving")]:
        del sys.modules[name]


def run(operator, clips, folder):
    storage = storage_of([{"video_path": str(path)} for path in clips], "jsonl", folder)
    operator.run(storage.step())
    return written(storage)


def test_the_api_serving_describes_sounds_with_its_own_key(serving_class, clips, tmp_path):
    made = serving_class("api_llm_serving_request", "APILLMServing_request")
    with chat_server(lambda number, request: completion("a bell tolls")) as chat:
        serving = made(api_url=f"{chat.url}/chat/completions", model_name="hears", max_workers=2)
        operator = VideoAudioSimilarity(hf_clip="toy", llm_serving=serving)
        frame = run(operator, clips, tmp_path)
    assert frame["video_audio_status"].tolist() == ["ok"] * len(clips)
    assert set(frame["description"]) == {"a bell tolls"}
    assert {request["messages"][0]["content"][0]["type"] for request in chat.requests} == {"input_audio"}
    assert {request["model"] for request in chat.requests} == {"hears"}
    assert chat.headers[0]["Authorization"] == "Bearer of the test"
    assert operator.summary["signature"]["describer"]["describer_model"] == "hears"
    assert operator.llm_serving is serving


def test_a_sound_without_an_answer_fails_its_row_alone(serving_class, clips, tmp_path):
    made = serving_class("api_llm_serving_request", "APILLMServing_request")

    def answer(number, request):
        return (400, {}, b"no audio here") if number == 0 else completion("a bell tolls")

    with chat_server(answer) as chat:
        serving = made(api_url=f"{chat.url}/chat/completions", model_name="hears", max_workers=1, max_retries=1)
        frame = run(VideoAudioSimilarity(hf_clip="toy", describer=serving), clips, tmp_path)
    assert sorted(frame["video_audio_status"]) == ["describer_failed", "ok", "ok"]
    assert frame["video_audio_message"].str.contains("its log says why").sum() == 1


def test_the_local_vllm_server_is_asked_as_an_endpoint(serving_class, clips, tmp_path):
    made = serving_class("localhost_llm_api_serving", "LocalHostLLMAPIServing_vllm")
    with chat_server(lambda number, request: completion("rain falls")) as chat:
        port = int(chat.url.split(":")[2].split("/")[0])
        serving = made(hf_model_name_or_path="Qwen/Qwen2-Audio-7B-Instruct", vllm_server_port=port)
        serving.backend_initialized = True  # the server runs; vLLM itself would need a GPU
        frame = run(VideoAudioSimilarity(hf_clip="toy", llm_serving=serving), clips, tmp_path)
    assert set(frame["description"]) == {"rain falls"}
    assert {request["model"] for request in chat.requests} == {"Qwen/Qwen2-Audio-7B-Instruct"}


def test_the_api_serving_judges_images_and_audio(serving_class, clips, tmp_path):
    made = serving_class("api_llm_serving_request", "APILLMServing_request")
    with chat_server(lambda number, request: completion('{"score": 7, "reason": "a bell"}')) as chat:
        serving = made(api_url=f"{chat.url}/chat/completions", model_name="sees", max_workers=2)
        operator = VideoAudioSimilarity(method="judge", llm_serving=serving)
        frame = run(operator, clips, tmp_path)
    assert frame["similarity"].tolist() == pytest.approx([0.7] * len(clips))
    assert set(frame["reason"]) == {"a bell"}
    assert frame["passed_filter"].all()
    kinds = {part["type"] for request in chat.requests for part in request["messages"][0]["content"]}
    assert kinds == {"text", "image_url", "input_audio"}
    assert operator.summary["signature"]["judge"]["judge_model"] == "sees"
    assert operator.llm_serving is serving


def test_a_serving_of_text_is_refused_as_judge(serving_class):
    made = serving_class("local_model_llm_serving", "LocalModelLLMServing_vllm")
    serving = made(hf_model_name_or_path="Qwen/Qwen2.5-7B-Instruct")
    with pytest.raises(
        InputTypeError, match=r"judge \(LocalModelLLMServing_vllm\) takes no conversation.*EndpointJudge"
    ):
        VideoAudioSimilarity(llm_serving=serving, method="judge")


def test_a_local_text_model_is_refused(serving_class):
    made = serving_class("local_model_llm_serving", "LocalModelLLMServing_vllm")
    serving = made(hf_model_name_or_path="Qwen/Qwen2.5-7B-Instruct")
    with pytest.raises(InputTypeError, match=r"LocalModelLLMServing_vllm\) sends text only.*EndpointDescriber"):
        VideoAudioSimilarity(llm_serving=serving)


def test_two_describers_are_refused():
    with pytest.raises(InputError, match="give one"):
        VideoAudioSimilarity(llm_serving=lambda wave, rate: "a", describer=lambda wave, rate: "b")
    with pytest.raises(InputError, match="give one"):
        VideoAudioSimilarity(llm_serving=lambda *shown: 0, judge=lambda *shown: 1, method="judge")


def test_any_describer_will_do(clips, tmp_path):
    frame = run(VideoAudioSimilarity(hf_clip="toy", describer=lambda waveform, rate: "a drum"), clips, tmp_path)
    assert set(frame["description"]) == {"a drum"}
