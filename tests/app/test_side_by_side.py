"""Every metric answers for itself: one that cannot says why, and costs no other."""

from __future__ import annotations

import pytest

from vqe_core.app.captions import read_request
from vqe_core.app.side_by_side import asked, score_by_all
from vqe_core.embed import videos
from vqe_core.errors import InternalError, MediaError
from vqe_core.toy.clips import make_clip, write_clip

MODELS = {"Toy": "toy"}


def test_all_metrics_answer(tmp_path):
    clip = make_clip(1)
    path = str(write_clip(clip, tmp_path / "clip.mp4"))
    request = read_request(MODELS, path, f"{clip.captions(1)[0]}\n{clip.foils()[-1].text}", None, "toy", 4)
    found = score_by_all(request)
    verdicts = {metric: content["verdict"] for metric, content in found.content.items()}
    assert verdicts["EMScore"] == verdicts["CLIPScore"] == "Caption 1 fits best."
    assert verdicts["Caption judge"] == "Caption 1 fits best, the judge says."
    assert verdicts["Video-audio similarity"].startswith("Fits better than ")
    assert found.html.count('class="vqe-fold"') == 4


def test_metrics_that_look_at_the_same_frames_embed_them_once(tmp_path, monkeypatch):
    path = str(write_clip(make_clip(2), tmp_path / "clip.mp4"))
    opened: list[str] = []
    real = videos.open_video_in

    def counting(worker, source, *given, **how):
        opened.append(source.path)
        return real(worker, source, *given, **how)

    monkeypatch.setattr(videos, "open_video_in", counting)
    score_by_all(read_request(MODELS, path, "a red star\na blue ring", None, "toy", 4))
    assert opened == [path]


def test_a_metric_that_cannot_says_why():
    def silent():
        raise MediaError("'/srv/uploads/a.mp4' has no sound", code="no_audio")

    answer = asked("Sound", "does it fit?", silent)
    assert answer.result is None
    assert answer.verdict == "This video has no audio. 'a.mp4' has no sound"
    assert asked("Judge", "?", lambda: "Not asked.").verdict == "Not asked."


def test_a_fault_of_ours_is_none_of_a_metric_s_answers():
    def faulty():
        raise InternalError("a fault")

    with pytest.raises(InternalError):
        asked("Sound", "?", faulty)
