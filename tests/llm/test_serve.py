"""A real server: ``transformers serve`` with a tiny random audio model. Slow, as it starts a process.

The server runs in this environment where its packages are installed (pip install "transformers[serving]"), or
by the Python that VQE_SERVE_PYTHON names.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.llm.given import clip
from tests.required import absent
from tests.tiny_audio import tiny_qwen2_audio, tones
from vqe_core.llm import EndpointDescriber, EndpointJudge

SERVE = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
NEEDED = "import fastapi, uvicorn, openai"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a busy machine takes minutes to start it


def serving_python():
    """A Python with the packages of the server, None where there is none."""
    for python in (os.environ.get("VQE_SERVE_PYTHON"), sys.executable):
        if python and subprocess.run([python, "-c", NEEDED], capture_output=True).returncode == 0:
            return python
    return None


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny_qwen2_audio(tmp_path_factory.mktemp("qwen2_audio")))


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    python = serving_python()
    if python is None:
        absent('no Python has the packages of the server: pip install "transformers[serving]", or set VQE_SERVE_PYTHON')
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [python, "-c", SERVE, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1", log
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(url, process, log):
    end = time.monotonic() + 400
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            assert process.poll() is None, log.read_text()[-2000:]
            time.sleep(0.5)
    raise AssertionError(f"no server after 400 s: {log.read_text()[-2000:]}")


def test_a_real_server_takes_the_sounds(server, model):
    url, log = server
    judge = EndpointDescriber(
        api_url=url, model_name=model, max_workers=2, timeout=120, max_tokens=8, key_name=None, progress=False
    )
    found = judge.describe([(waveform, 16_000) for waveform in tones(0.5, 1.0, 2.0)])
    # Random weights may speak no letter at all, which is a bad description; but the server must have understood.
    codes = ["ok" if isinstance(text, str) else text.code for text in found]
    assert set(codes) <= {"ok", "bad_description"}, (found, log.read_text()[-3000:])
    assert all(isinstance(text, str) or "no usable text" in str(text) for text in found), found


def test_a_judge_whose_model_has_no_eyes_is_an_error_of_each_clip_and_never_a_number(server, model):
    url, log = server
    judge = EndpointJudge(
        api_url=url, model_name=model, retries=0, timeout=120, max_tokens=8, key_name=None, progress=False
    )
    found = judge.judge([clip(), clip(0.5)])
    # The server may refuse pictures, fail on them, or leave them out: then random weights say no number.
    codes = {getattr(error, "code", "ok") for error in found}
    assert codes <= {"judge_failed", "judge_refused", "bad_judgement"}, (found, log.read_text()[-3000:])


def test_a_model_that_the_server_does_not_have_is_an_error_of_each_sound(server):
    url, _ = server
    judge = EndpointDescriber(
        api_url=url, model_name="no/such-model", retries=0, timeout=60, key_name=None, progress=False
    )
    found = judge.describe([(waveform, 16_000) for waveform in tones(0.2, 0.2)])
    assert all(getattr(error, "code", "ok").startswith("describer_") for error in found), found
