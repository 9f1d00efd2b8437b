"""The number in what a judge says: found where it is certain, and never made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.llm.judge_prompt import DEFAULT_PROMPT, MAX_LETTERS, read_judgement


@pytest.mark.parametrize(
    ("text", "score", "reason"),
    [
        ('{"reason": "a bell tolls", "score": 7}', 0.7, "a bell tolls"),
        ('{"score": 7.5}', 0.75, ""),
        ('{"Score": "8/10", "Reason": "fits"}', 0.8, "fits"),
        ('Sure!\n```json\n{\n "reason": "a\\nbell",\n "score": 0\n}\n```', 0.0, "a bell"),
        ('{"result": {"score": 10, "reason": "inner"}}', 1.0, "inner"),
        ('[{"score": 4}]', 0.4, ""),
        ('{"reason": "score: 3 of the bell", "score": 6}', 0.6, "score: 3 of the bell"),
        ("{'score': 7, 'reason': 'quotes'}", 0.7, "{'score': 7, 'reason': 'quotes'}"),
        ('{"score": 7, "reason": "cut o', 0.7, '{"score": 7, "reason": "cut o'),
        ("8", 0.8, ""),
        (" **8/10**. ", 0.8, ""),
        ("8 out of 10", 0.8, ""),
        ("Score: 8", 0.8, "Score: 8"),
        ("**Score**: 8/10\nThe 2 bells fit.", 0.8, "**Score**: 8/10 The 2 bells fit."),
        ("The score is 3.", 0.3, "The score is 3."),
        ("The 2 bells fit, so I give 9/10.", 0.9, "The 2 bells fit, so I give 9/10."),
        ('<think>score: 2? or 3?</think>{"score": 9}', 0.9, ""),
        ('{"score": 5, "reason": "\\ud800"}', 0.5, "?"),
        ('{"score": 5, "reason": ["no text"]}', 0.5, ""),
    ],
)
def test_a_number_is_found_in_what_models_say(text, score, reason):
    found = read_judgement(text)
    assert found.score == pytest.approx(score)
    assert found.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It fits well.",
        "There is 1 dog, and it barks.",
        "1. The dog barks.",
        "nine",
        "mp3",
        "7-8",
        "7 or 8",
        "Score: 7 to 8",
        "7,5",
        "80%",
        "Score: 80 percent",
        "8/100",
        "4/5",
        "Score: 8 out of 12",
        "score: 8/10, or score: 9/10",
        '{"score": 8} {"score": 9}',
        '{"score": 11}',
        '{"score": -1}',
        '{"score": NaN}',
        '{"score": 1e999}',
        '{"score": 1' + "0" * 400 + "}",
        '{"score": true}',
        '{"score": null}',
        '{"score": "high"}',
        '{"reason": "a bell", "sco',
        '{"a":' * 3000,
        "<think>the score is 8",
        "x" * (MAX_LETTERS + 1),
        None,
        7,
        ["8"],
        DEFAULT_PROMPT,
    ],
    ids=lambda text: repr(text)[:30],
)
def test_where_no_number_is_certain_there_is_none(text):
    with pytest.raises(InputError) as raised:
        read_judgement(text)
    assert raised.value.code == "bad_judgement"
    assert len(str(raised.value)) < 400


@given(st.text(max_size=200))
def test_whatever_is_said_gives_a_number_in_range_or_an_error(text):
    try:
        found = read_judgement(text)
    except InputError as error:
        assert error.code == "bad_judgement"
    else:
        assert 0 <= found.score <= 1


def test_a_long_reason_is_cut():
    assert len(read_judgement('{"score": 1, "reason": "' + "bell " * 1000 + '"}').reason) == 300
