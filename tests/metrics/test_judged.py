"""Video-audio similarity by a judge that sees and hears: what it is shown, and what becomes of its answer."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest

import vqe_core
from tests.clips import write_clip
from tests.llm.given import shown
from tests.servers import chat_server, completion
from vqe_core.cli import main
from vqe_core.errors import InputError, InputTypeError
from vqe_core.llm import EndpointJudge
from vqe_core.llm.judge_prompt import LONGEST_SIDE
from vqe_core.tables import read_table
from vqe_core.toy.clips import make_clip
from vqe_core.toy.clips import write_clip as write_toy_clip

RATE = 16_000
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def metric(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return evaluate.load("metrics/video_audio_similarity", cache_dir=str(tmp_path_factory.mktemp("evaluate")))


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def frames(seed: int, count: int = 20) -> np.ndarray:
    """Images of one grey each, that tells the image."""
    return np.stack([np.full((48, 64, 3), 10 * i + seed, np.uint8) for i in range(count)])


def sound(level: float = 0.25, seconds: float = 2.0, rate: int = RATE) -> dict[str, Any]:
    """A tone of amplitude ``level``."""
    wave = level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    return {"array": wave.astype(np.float32), "sampling_rate": rate}


def clip(seed: int = 0, count: int = 20) -> dict[str, Any]:
    return {"frames": frames(seed, count), "fps": 10}


def half(*shown: Any) -> float:
    return 0.5


def test_the_endpoint_is_shown_the_sampled_frames_and_the_sound(metric):
    with chat_server(lambda n, r: completion('{"reason": "a bell", "score": 7}')) as chat:
        result = metric.compute(
            videos=[clip()],
            audios=[sound(0.5, rate=48_000)],
            method="judge",
            api_url=chat.url,
            model_name="sees",
            frame_num=3,
            per_sample=True,
        )
    texts, pictures, heard = shown(chat.requests[0])
    assert texts[:3] == ["Picture at 0.00 s:", "Picture at 0.90 s:", "Picture at 1.90 s:"]
    assert [round(float(picture.mean())) for picture in pictures] == [0, 90, 190]
    assert (len(heard), round(float(np.abs(heard[RATE // 2 : -RATE // 2]).max()), 2)) == (2 * RATE, 0.5)
    assert chat.requests[0]["temperature"] == 0
    assert result["similarity"] == 0.7
    assert result["samples"]["reason"] == ["a bell"]
    assert result["signature"]["judge"]["judge_model"] == "sees"
    assert "score" in result["signature"]["judge"]["judge_prompt"]


def test_what_has_no_meaning_for_a_judge_is_absent(metric):
    result = metric.compute(videos=[clip(0), clip(1)], audios=[sound(0.1), sound(0.2)], judge=half, per_sample=True)
    assert result["signature"]["method"] == "judge"
    assert set(result) == {
        *("similarity", "avg_similarity", "max_similarity", "min_similarity", "passed_filter"),
        *("num_rows", "num_failed", "warnings", "signature", "environment", "samples"),
    }
    assert "percentile" not in result["samples"]


def test_frames_and_sound_are_of_the_same_seconds(tmp_path):
    seen = []

    def judge(pictures: np.ndarray, timestamps: np.ndarray, waveform: np.ndarray, sampling_rate: int) -> float:
        seen.append((timestamps, len(waveform) / sampling_rate, pictures[:, 0, 0, 0]))
        return 1

    path = str(write_clip(tmp_path / "a.mp4", frames(0, 20)))
    scorer = vqe_core.VideoAudioSimilarity(judge=judge, every_n_seconds=0.5)
    assert scorer.compute(videos=[{**clip(count=20), "start": 1.0}], audios=[sound(seconds=0.6)])["similarity"] == 1
    times, seconds, greys = seen.pop()
    np.testing.assert_allclose(times, [0, 0.5])
    assert seconds == pytest.approx(0.6)
    np.testing.assert_array_equal(greys, [100, 150])
    scorer.compute(videos=[path], audios=[sound(seconds=1.2)])
    times, seconds, _ = seen.pop()
    assert (seconds, times.max() < 1.2, times[0]) == (pytest.approx(1.2), True, 0)


def test_pictures_are_shrunk_and_few_however_large_and_many_they_are():
    shapes = []

    def judge(pictures: np.ndarray, timestamps: np.ndarray, *heard: Any) -> float:
        shapes.append((pictures.shape, len(set(timestamps.tolist()))))
        return 1

    large = {"frames": np.zeros((4, 300, 1200, 3), np.uint8), "fps": 2}
    vqe_core.VideoAudioSimilarity(judge=judge).compute(videos=[large], audios=[sound()])
    every = vqe_core.VideoAudioSimilarity(judge=judge, frame_sampling_method="all", per_sample=True)
    many = every.compute(videos=[{"frames": np.zeros((90, 8, 8, 3), np.uint8), "fps": 45}], audios=[sound()])
    short = vqe_core.VideoAudioSimilarity(judge=judge, frame_num=5)
    short.compute(videos=[clip(count=2)], audios=[sound(seconds=0.2)])
    assert shapes == [((3, 128, LONGEST_SIDE, 3), 3), ((32, 8, 8, 3), 32), ((2, 48, 64, 3), 2)]
    assert "kept 32 evenly" in many["samples"]["message"][0]


def test_a_missing_or_silent_sound_keeps_its_status_and_is_not_sent(tmp_path):
    without = str(write_clip(tmp_path / "b.mp4", frames(0)))
    with chat_server(lambda n, r: completion("8")) as chat:
        scorer = vqe_core.VideoAudioSimilarity(
            method="judge", api_url=chat.url, model_name="m", per_sample=True, on_error="skip"
        )
        result = scorer.compute(
            videos=[clip(), without, clip(), clip(), "none.mp4"],
            audios=[sound(), None, sound(0.0), sound(seconds=0.01), None],
        )
    assert result["samples"]["status"] == ["ok", "no_audio", "silent", "too_short", "not_found"]
    assert result["samples"]["reason"] == ["", None, None, None, None]
    assert len(chat.requests) == 1


def test_each_failure_of_a_judge_is_a_status_of_its_row_and_never_a_number():
    def answer(number: int, request: Any) -> Any:
        level = round(10 * float(np.abs(shown(request)[2]).max()))
        return {1: (400, {}, b"no"), 2: completion("I cannot hear"), 3: completion('{"score": 70}')}.get(
            level, completion("8/10")
        )

    with chat_server(answer) as chat:
        scorer = vqe_core.VideoAudioSimilarity(
            method="judge", api_url=chat.url, model_name="m", per_sample=True, on_error="skip", max_workers=1
        )
        result = scorer.compute(videos=[clip()] * 4, audios=[sound(level) for level in (0.1, 0.2, 0.3, 0.4)])
    assert result["samples"]["status"] == ["judge_refused", "bad_judgement", "bad_judgement", "ok"]
    assert [value == value for value in result["samples"]["similarity"]] == [False, False, False, True]
    assert result["samples"]["passed_filter"] == [False, False, False, True]
    assert (result["similarity"], result["num_failed"], chat.most_at_once) == (0.8, 3, 1)


def test_what_a_judge_object_says_is_checked():
    class Judge:
        sampling_rate = None

        def signature(self) -> dict[str, str]:
            return {}

        def judge(self, exhibits: Any) -> list[Any]:
            return [0.25, "0.5", 3.0, (0.75, "x")][: len(exhibits)]

    scorer = vqe_core.VideoAudioSimilarity(judge=Judge(), per_sample=True, on_error="skip")
    samples = scorer.compute(videos=[clip(i) for i in range(4)], audios=[sound()] * 4)["samples"]
    assert samples["status"] == ["ok", "bad_judgement", "bad_judgement", "ok"]
    assert samples["similarity"][::3] == [0.25, 0.75]
    five = scorer.compute(videos=[clip(i) for i in range(5)], audios=[sound()] * 5)["samples"]
    assert five["status"] == ["judge_failed"] * 5
    assert "4 answers for 5 clips" in five["message"][0]


def test_equal_clips_are_judged_once():
    asked = []

    def judge(pictures: np.ndarray, *heard: Any) -> float:
        asked.append(int(pictures[0, 0, 0, 0]))
        return 1

    videos, audios = [clip(0), clip(0), clip(1), clip(1)], [sound(0.1), sound(0.1), sound(0.1), sound(0.2)]
    vqe_core.VideoAudioSimilarity(judge=judge).compute(videos=videos, audios=audios)
    assert asked == [0, 1, 1]


def test_the_filter_and_the_reductions_work_by_the_judges_numbers():
    def judge(pictures: np.ndarray, *heard: Any) -> float:
        return 0.7 if pictures[0, 0, 0, 0] else 0.2

    rows = {"videos": [[clip(0), clip(1)], [clip(1)]], "audios": [sound()] * 2}
    options = {"judge": judge, "min_score": 0.7, "per_sample": True}
    samples = vqe_core.VideoAudioSimilarity(**options, any_or_all="any").compute(**rows)["samples"]
    assert samples["passed_filter"] == [True, True]  # the score of 0.7 is not a little less
    assert samples["similarity"][0] == pytest.approx(0.45)
    samples = vqe_core.VideoAudioSimilarity(**options, any_or_all="all", reduce_mode="min").compute(**rows)["samples"]
    assert (samples["passed_filter"], samples["similarity"][0]) == ([False, True], 0.2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "judge"}, "method 'judge' needs a judge, or api_url and model_name"),
        ({"method": "judge", "api_url": "http://localhost:1/v1"}, "api_url needs model_name"),
        ({"method": "judge", "api_url": "http://u:key@localhost/v1", "model_name": "m"}, "must be a bare address"),
        ({"judge": 5}, "judge (5) must be a function"),
        ({"judge": half, "method": "tags"}, "judge is not asked by method 'tags'"),
        ({"judge": half, "min_percentile": 0.5}, "min_percentile (0.5) says nothing about method 'judge'"),
        ({"judge": half, "reference_bank": "bank"}, "reference_bank ('bank') says nothing"),
        ({"judge": half, "return_profile": True}, "return_profile (True) says nothing"),
        ({"judge": half, "horizontal_flip": True}, "horizontal_flip (True) says nothing"),
        ({"judge": half, "window": 1.0}, "window (1.0) says nothing"),
        ({"max_workers": 0}, "max_workers (0) must be"),
    ],
)
def test_wrong_options_are_told_at_once(arguments, words):
    with pytest.raises((InputError, InputTypeError), match=re.escape(words)):
        vqe_core.VideoAudioSimilarity(**arguments)


def test_a_bank_of_judgements_is_refused_before_anybody_is_asked():
    asked = []
    scorer = vqe_core.VideoAudioSimilarity(judge=lambda *shown: asked.append(1) or 1)
    with pytest.raises(InputError, match="fit_bank needs embeddings"):
        scorer.fit_bank(videos=[clip()], audios=[sound()])
    assert asked == []


def test_it_maps_with_the_columns_it_promises(tmp_path):
    import datasets
    from datasets.fingerprint import Hasher

    path = str(write_clip(tmp_path / "a.mp4", frames(0), seconds_of_sound=2.0))
    with chat_server(lambda n, r: completion('{"score": 6, "reason": "fits"}')) as chat:
        scorer = vqe_core.VideoAudioSimilarity(
            method="judge", api_url=chat.url, model_name="m", on_error="skip", video_key="clip"
        )
        rows = datasets.Dataset.from_dict({"clip": [path, "none.mp4"]})
        scored = rows.map(scorer, batched=True, features=scorer.features(rows.features))
    assert scored["reason"][:] == ["fits", ""]
    assert scored["similarity"][0] == pytest.approx(0.6)
    assert "percentile" not in scored.column_names
    assert pickle.loads(pickle.dumps(scorer)) == scorer
    other = vqe_core.VideoAudioSimilarity(judge=half, video_key="clip")
    assert Hasher.hash(other) != Hasher.hash(scorer)


def test_the_command_judges(tmp_path, capsys):
    write_clip(tmp_path / "a.mp4", frames(0), seconds_of_sound=2.0)
    table: Path = tmp_path / "rows.jsonl"
    table.write_text(json.dumps({"video_path": "a.mp4"}) + "\n")
    out = tmp_path / "scores.jsonl"
    with chat_server(lambda n, r: completion('{"score": 6, "reason": "fits"}')) as chat:
        named = ["--method", "judge", "--api-url", chat.url, "--model-name", "m", "--max-workers", "2"]
        assert main(["score", "video_audio_similarity", str(table), "--out", str(out), *named]) == 0
    scored = read_table(out)
    assert (scored["similarity"], scored["reason"], scored["status"]) == ([0.6], ["fits"], ["ok"])
    assert "similarity                     0.6000" in capsys.readouterr().out


def test_answers_are_kept_unless_they_are_not_to_be(tmp_path):
    given = {"videos": [clip()], "audios": [sound()]}
    with chat_server(lambda n, r: completion('{"reason": "a bell", "score": 7}')) as chat:
        for options in (
            {},
            {},
            {"cache_dir": str(tmp_path / "other")},
            {"keep_answers": False},
            {"keep_answers": False},
        ):
            scorer = vqe_core.VideoAudioSimilarity(method="judge", api_url=chat.url, model_name="senses", **options)
            assert scorer.compute(**given)["similarity"] == 0.7
        judge = EndpointJudge(api_url=chat.url, model_name="senses", keep_answers=False)
        assert vqe_core.VideoAudioSimilarity(judge=judge).compute(**given)["similarity"] == 0.7
        judge = EndpointJudge(api_url=chat.url, model_name="senses")
        assert vqe_core.VideoAudioSimilarity(judge=judge).compute(**given)["similarity"] == 0.7
        assert len(chat.requests) == 5


@pytest.mark.slow
def test_a_command_that_is_killed_pays_for_no_answer_twice(tmp_path):
    """Five clips, the fourth request hangs, kill -9: the second run sends two requests."""
    for seed in range(5):
        write_toy_clip(make_clip(seed), tmp_path / f"{seed}.mp4")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"video_path": f"{seed}.mp4"}) + "\n" for seed in range(5)))
    reached, go = threading.Event(), threading.Event()

    def answer(number: int, request: Any) -> Any:
        if number == 3:
            reached.set()
            go.wait(60)
        return completion('{"score": 7}')

    with chat_server(answer) as chat:
        command = [sys.executable, "-m", "vqe_core.cli", "score", "video_audio_similarity", str(rows)]
        options = ["--method", "judge", "--api-url", chat.url, "--model-name", "senses", "--max-workers", "1"]
        command += ["--out", str(tmp_path / "scores.jsonl"), *options]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.Popen(command, env=env, start_new_session=True)
        assert reached.wait(300)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        go.set()
        assert not (tmp_path / "scores.jsonl").exists()
        assert len(chat.requests) == 4
        subprocess.run(command, env=env, check=True, capture_output=True)
        assert len(chat.requests) == 6
        answered = [json.dumps(request) for request in chat.requests[:3]]
        assert not set(answered) & {json.dumps(request) for request in chat.requests[4:]}
        subprocess.run([*command, "--out", str(tmp_path / "again.jsonl"), "--no-cache"], env=env, check=True)
        assert len(chat.requests) == 11
    assert read_table(tmp_path / "scores.jsonl")["similarity"] == [0.7] * 5
