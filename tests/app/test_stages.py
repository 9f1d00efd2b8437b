"""A visitor sees what happens, in order, and an older alert is gone at once."""

from __future__ import annotations

import re

from vqe_core.app.stages import LISTEN, LOOK, READ, SCORE, Stages, in_stages
from vqe_core.timings import timed

ALL = (READ, LOOK, LISTEN, SCORE)


def now(html: str) -> str:
    return re.search(r'aria-current="step">(.*?) …', html)[1]


def test_the_stages_are_told_in_order_and_the_result_last():
    def handler(value):
        for name in ("decode", "encode", "decode", "sounds", "score"):
            with timed(name):
                pass
        return f"<p>{value}</p>"

    *before, last = in_stages(handler, ALL)("done")
    assert [now(html) for html in before] == list(ALL)
    assert last == "<p>done</p>"
    assert 'class="done"' in before[-1] and 'class="later"' not in before[-1]
    assert all('role="status"' in html for html in before)


def test_what_goes_on_side_by_side_never_goes_back():
    told: list[int] = []
    stages = Stages(ALL, told.append)
    for name in ("encode", "decode", "wait", "sounds", "encode", "unheard of"):
        stages.begin(name)
    assert told == [1, 2]


def test_a_stage_that_a_page_has_not_is_not_shown():
    told: list[int] = []
    stages = Stages((READ, SCORE), told.append)
    stages.begin("sounds")
    stages.begin("score")
    assert told == [1]
