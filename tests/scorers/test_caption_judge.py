"""Caption judge: what is shown of a row, what becomes of the answer, what it costs, and what is asked twice."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import vqe_core
from tests.clips import write_clip
from tests.servers import chat_server, completion
from vqe_core import registry
from vqe_core.cli import main
from vqe_core.errors import InputError, InputTypeError
from vqe_core.llm.judge_prompt import CAPTION_PROMPTS, LONGEST_SIDE
from vqe_core.tables import read_table


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def frames(seed=0, count=20):
    """Images of one grey each, that tells the image."""
    return np.stack([np.full((48, 64, 3), 10 * i + seed, np.uint8) for i in range(count)])


def clip(seed=0, count=20):
    return {"frames": frames(seed, count), "fps": 10}


class Noting:
    """A judge that notes what it is shown."""

    def __init__(self, score=0.5):
        self.score, self.shown, self.calls = score, [], 0

    def signature(self):
        return {"judge": "noting"}

    def judge(self, captions):
        self.shown += captions
        self.calls += 1
        return [self.score] * len(captions)


def caption_judge(**options):
    return vqe_core.CaptionJudgeScore(**{"progress": False, "per_sample": True, **options})


def test_a_judge_is_shown_the_sampled_frames_their_times_and_the_words():
    judge = Noting()
    segment = {**clip(), "start": 0.5, "end": 1.5}
    result = caption_judge(judge=judge, frame_num=4).compute(
        predictions=["a dog", "a cat"], videos=[clip(), segment], references=[None, ["a cow", "two cows"]]
    )
    first, second = judge.shown
    assert (first.caption, first.references, second.references) == ("a dog", (), ("a cow", "two cows"))
    uniform = registry.create("sampler", "uniform:frame_num=4")
    assert [len(shown.frames) for shown in judge.shown] == [uniform.frame_num] * 2
    for shown, start in ((first, 0.0), (second, 0.5)):
        greys = shown.frames[:, 0, 0, 0].astype(float)
        np.testing.assert_allclose(shown.timestamps + start, greys / 100, atol=1e-9)  # 10 levels a frame, 10 fps
    assert (result["caption_judge"], result["num_failed"], judge.calls) == (0.5, 0, 1)


def test_references_are_hidden_on_request_and_that_is_signed():
    judge, rows = Noting(), {"predictions": ["a dog"], "videos": [clip()], "references": [["a cow"]]}
    hidden = caption_judge(judge=judge, show_references=False).compute(**rows)
    shown = caption_judge(judge=judge).compute(**rows)
    assert [item.references for item in judge.shown] == [(), ("a cow",)]
    assert hidden["signature"] != shown["signature"]


def test_bare_frames_have_no_times_and_large_ones_are_shrunk_and_few():
    judge = Noting()
    large = np.zeros((40, 300, 1200, 3), np.uint8)
    result = caption_judge(judge=judge, sampler="all").compute(predictions=["a dog"], videos=[large])
    (shown,) = judge.shown
    assert (shown.timestamps, shown.frames.shape) == (None, (32, 128, LONGEST_SIDE, 3))
    assert "kept 32 evenly" in result["samples"]["message"][0]


def test_each_video_is_read_once_and_equal_questions_are_asked_once(tmp_path, monkeypatch):
    import vqe_core.workers as workers

    opened, real = [], workers.open_video_in
    monkeypatch.setattr(workers, "open_video_in", lambda *a, **k: opened.append(a[1].path) or real(*a, **k))
    paths = [str(write_clip(tmp_path / f"{i}.mp4", frames(i))) for i in range(2)]
    judge = Noting()
    rows = {"predictions": ["dog", "cat", "dog", "dog"], "videos": [paths[0], paths[1], paths[0], paths[1]]}
    result = caption_judge(judge=judge).compute(**rows)
    assert sorted(opened) == sorted(paths)
    assert [item.caption for item in judge.shown] == ["dog", "cat", "dog"]
    assert result["samples"]["caption_judge"] == [0.5] * 4


def test_chunks_do_not_show_in_the_result_and_hold_few_images_at_a_time():
    judge = Noting()
    count = 70
    texts = [f"dog {i}" for i in range(count)]
    together = caption_judge(judge=judge, frame_num=2).score(
        predictions=texts, videos=[clip(i % 7) for i in range(count)]
    )
    assert (judge.calls, together.status) == (3, ["ok"] * count)
    assert sorted(item.caption for item in judge.shown) == sorted(texts)

    def share(shown_frames, timestamps, caption, references):
        return int(caption.split()[1]) / count

    by_function = caption_judge(judge=share, frame_num=2).score(
        predictions=texts, videos=[clip(i % 7) for i in range(count)]
    )
    assert by_function.rows["caption_judge"] == [i / count for i in range(count)]


def test_every_failure_is_a_status_of_its_row_and_never_a_number(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")

    def answer(number, request):
        said = json.dumps(request["messages"])
        for word, reply in {
            "refused": (400, {}, b"no"),
            "vague": completion("nice"),
            "scale": completion('{"score": 70}'),
        }.items():
            if word in said.partition("Caption:")[2].partition("}")[0]:
                return reply
        return completion('{"score": 6, "reason": "the dog\\nis a cat"}')

    with chat_server(answer) as chat:
        scorer = caption_judge(api_url=chat.url, model_name="m", on_error="skip", retries=0)
        result = scorer.compute(
            predictions=["a dog", "refused", "vague", "scale", "a dog", "a dog", "", "a dog"],
            videos=[clip(), clip(), clip(), clip(), "none.mp4", str(broken), clip(), None],
        )
    samples = result["samples"]
    failed = ["judge_refused", "bad_judgement", "bad_judgement", "not_found"]
    assert samples["status"][:5] == ["ok", *failed]
    assert samples["status"][5] != "ok"
    assert samples["status"][6:] == ["empty_caption", "no_input"]
    assert samples["caption_judge_reason"][:2] == ["the dog is a cat", None]
    assert (result["caption_judge"], result["num_failed"], len(chat.requests)) == (0.6, 7, 4)


def test_a_video_that_cannot_be_read_ends_a_strict_run_before_its_chunk_is_paid_for(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    judge = Noting()
    with pytest.raises(vqe_core.MediaError, match="row 1"):
        caption_judge(judge=judge).compute(predictions=["a", "b"], videos=[clip(), str(broken)])
    assert judge.shown == []


def test_the_endpoint_is_told_the_template_and_asked_as_the_options_say():
    with chat_server(lambda n, r: (503, {}, b"busy") if n == 0 else completion("5")) as chat:
        options = {"judge_prompt": "vc-inspector", "max_tokens": 77, "retries": 1, "timeout": 9, "max_workers": 1}
        scorer = caption_judge(api_url=chat.url, model_name="m", **options)
        result = scorer.compute(predictions=["a dog"], videos=[clip()])
        assert (result["caption_judge"], len(chat.requests)) == (0.5, 2)
        request = chat.requests[1]
        assert request["max_tokens"] == 77
        assert request["messages"][0]["content"][-1]["text"] == CAPTION_PROMPTS["vc-inspector"]
        assert result["signature"]["judge"]["judge_prompt"] == CAPTION_PROMPTS["vc-inspector"]
        assert scorer.compute(predictions=["a dog"], videos=[clip()])["caption_judge"] == 0.5
        assert len(chat.requests) == 2  # kept
        caption_judge(api_url=chat.url, model_name="m", keep_answers=False, **options).compute(
            predictions=["a dog"], videos=[clip()]
        )
        assert len(chat.requests) == 3


def test_the_estimate_counts_what_the_run_asks_for():
    rows = {
        "predictions": ["a dog", "a dog", "a cat", "x" * 400, "a dog"],
        "videos": [clip(), clip(), clip(count=3), clip(), "none.mp4"],
    }
    with chat_server(lambda n, r: completion("5")) as chat:
        scorer = caption_judge(api_url=chat.url, model_name="m", on_error="skip", frame_num=4)
        cost = scorer.estimate(**rows)
        assert replace(scorer, on_error="raise").estimate(**rows) == cost
        assert chat.requests == []
        scorer.compute(**rows)
        images = [sum(part["type"] == "image_url" for part in r["messages"][0]["content"]) for r in chat.requests]
    assert (cost.rows, cost.requests, cost.images) == (4, 3, sum(images)) == (4, len(chat.requests), 4 + 3 + 4)
    prompt, answer = -(-len(CAPTION_PROMPTS["zero-shot"]) // 4), 40
    assert cost.tokens == 11 * 2 * 3 + 3 * (prompt + answer) + 2 + 2 + 100  # 48 x 64 pixels: 2 x 3 squares of 28
    assert str(cost) == f"4 rows: 3 requests, 11 images, about {cost.tokens} tokens"


def test_the_command_says_what_it_would_ask_for_and_then_judges(tmp_path, capsys):
    write_clip(tmp_path / "a.mp4", frames(0))
    table, out = tmp_path / "rows.jsonl", tmp_path / "scores.jsonl"
    table.write_text(json.dumps({"video_path": "a.mp4", "candidate": "a dog"}) + "\n")
    with chat_server(lambda n, r: completion('{"score": 6, "reason": "fits"}')) as chat:
        command = ["score", "caption_judge", str(table), "--out", str(out), "--api-url", chat.url, "--model-name", "m"]
        assert main([*command, "--estimate"]) == 0
        assert capsys.readouterr().out.startswith("1 rows: 1 requests, 10 images, about ")
        assert chat.requests == [] and not out.exists()
        assert main([*command, "--judge-prompt", "vc-inspector"]) == 0
    scored = read_table(out)
    assert (scored["caption_judge"], scored["caption_judge_reason"]) == ([0.6], ["fits"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"api_url": "http://localhost:1/v1"}, "api_url needs model_name"),
        ({"judge": 5}, "judge (5) must be a function"),
        ({"judge": "toys"}, "caption_judge 'toys' is not known"),
        ({"judge": "toy", "api_url": "http://localhost:1/v1"}, "judge and api_url exclude each other"),
        ({"judge": "toy", "judge_prompt": "vc-inspector"}, "judge_prompt ('vc-inspector') is told to a model"),
        ({"judge": "toy", "judge_prompt": "inspector"}, "judge_prompt ('inspector') must be zero-shot or"),
        ({"judge": "toy", "timeout": 0}, "timeout (0) must be a positive"),
        ({"api_url": "http://localhost:1/v1", "model_name": "m", "retries": -1}, "retries (-1) must be"),
        ({"judge": "toy", "max_tokens": 0}, "max_tokens (0) must be"),
    ],
)
def test_wrong_options_are_told_at_once(arguments, words):
    with pytest.raises((InputError, InputTypeError), match=re.escape(words)):
        vqe_core.CaptionJudgeScore(**arguments)


def test_videos_and_a_judge_are_needed():
    for ask in (caption_judge().compute, caption_judge().estimate):
        with pytest.raises(InputError, match="caption_judge needs a judge, or api_url and model_name"):
            ask(predictions=["a dog"], videos=[clip()])
    with pytest.raises(InputError, match="caption_judge shows videos to a judge; give videos"):
        caption_judge(judge="toy").compute(predictions=["a dog"])
