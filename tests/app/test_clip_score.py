"""The captions of a clip are ranked by the best score that there is."""

from __future__ import annotations

import pytest

from vqe_core.app.captions import CaptionRequest, read_request
from vqe_core.app.clip_score import rank_captions, score_captions
from vqe_core.scorers.report import ScoreReport
from vqe_core.toy.clips import make_clip, write_clip


def report(**rows: list[float]) -> ScoreReport:
    return ScoreReport({}, rows, ["ok"] * 3, ["", "read in windows", ""], {})


def test_captions_are_ranked_best_first_and_ties_stay_as_typed():
    ranking = rank_captions(["a", "b", "c"], report(clip_score=[0.5, 0.7, 0.5]))
    assert [(caption.text, caption.notes) for caption in ranking] == [("b", "read in windows"), ("a", ""), ("c", "")]
    assert ranking[0].scores == {"clip_score": 0.7}


def test_references_rank_before_the_video_alone():
    ranking = rank_captions(["a", "b", "c"], report(clip_score=[0.9, 0.7, 0.8], ref_clip_score=[0.1, 0.3, 0.2]))
    assert [caption.text for caption in ranking] == ["b", "c", "a"]


@pytest.mark.parametrize("references", [None, make_clip(seed=7).captions(2)[1]])
def test_a_request_becomes_a_page_with_every_score(tmp_path, references):
    clip = make_clip(seed=7)
    path = str(write_clip(clip, tmp_path / "clip.mp4"))
    request = read_request({"Toy": "toy"}, path, f"two <b> stars\n{clip.captions(1)[0]}", references, "toy", 4)
    assert isinstance(request, CaptionRequest)
    shown = score_captions(request).html
    assert shown.index(clip.captions(1)[0]) < shown.index("two &lt;b&gt; stars")
    assert ("RefCLIPScore" in shown) == (references is not None)
    assert shown.count("Frame 4 of 4") == 1
