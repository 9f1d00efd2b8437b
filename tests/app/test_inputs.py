"""A request has one allowance for reading, however often its clip is looked at, and one end."""

from __future__ import annotations

import numpy as np
import pytest

from vqe_core.app import page
from vqe_core.app.inputs import check_clip, frames_at
from vqe_core.app.page import MAX_DECODING, SCORER_LIMITS, in_time, told_in_words
from vqe_core.deadline import current_deadline, deadline
from vqe_core.errors import MediaError
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.toy.clips import make_clip, write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_clip(make_clip(seed=7), tmp_path_factory.mktemp("clip") / "clip.mp4"))


def score(clip: str) -> None:
    EMScore(clip_model_path="toy", frame_num=2, **SCORER_LIMITS).compute(predictions=["a star"], videos=[clip])


def test_every_look_at_a_clip_is_on_one_clock(clip):
    spent = [0.0]
    with deadline(600, one_row=True) as request:
        assert request.clock is not None
        for look in (check_clip, score, lambda path: frames_at(path, np.array([0.0, 0.5]))):
            look(clip)
            spent.append(request.clock.spent)
    assert spent == sorted(set(spent))


@pytest.mark.parametrize("look", [check_clip, score, lambda path: frames_at(path, np.array([0.0]))])
def test_a_request_that_has_read_long_enough_reads_no_more(clip, look):
    with deadline(600, one_row=True) as request:
        assert request.clock is not None
        request.clock.spent = MAX_DECODING
        with pytest.raises(MediaError) as caught:
            look(clip)
    assert caught.value.code == "timeout"


def test_a_request_ends_and_the_visitor_is_told(clip, monkeypatch):
    monkeypatch.setattr(page, "MAX_REQUEST", 1e-9)

    def handler() -> str:
        score(clip)
        return "scores"

    assert "The clip takes too long." in told_in_words(in_time(handler))()
    monkeypatch.setattr(page, "MAX_REQUEST", 600.0)
    assert told_in_words(in_time(handler))() == "scores"
    assert current_deadline() is None
