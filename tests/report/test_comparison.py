"""The forms of a comparison say the same."""

from __future__ import annotations

import csv
import json
import math
import re

import pytest

from vqe_core.errors import InputError
from vqe_core.report.comparison import (
    FORMS,
    Comparison,
    PairedDifference,
    ScoreComparison,
    SystemMean,
    interval_chart,
)

HOSTILE = "<script>alert(1)</script>"


def made(second="b_2 & c", others=True):
    pair = PairedDifference("a", second, 0.0123, 0.001, 0.024, 0.00005, 0.00005, 0.4, 0.62, 51.0, True)
    same = PairedDifference("a", second, 0.0, -0.01, 0.01, 1.0, 1.0, math.nan, 0.5, math.inf, False)
    systems = (SystemMean("a", 0.5, 0.4, 0.6), SystemMean(second, 0.4877, 0.39, 0.59))
    headline = ScoreComparison("EMScore(X,V)_full_F", 1200, 60, systems, (pair,), 3)
    other = ScoreComparison("EMScore(X,V)_cogr", 1200, 60, systems, (same,))
    settings = {"interval": "bca", "confidence": 0.95, "num_resamples": 9999, "seed": 0}
    return Comparison(
        headline,
        (other,) if others else (),
        "video (video_path) and id (id)",
        {"a": 2},
        {"emscore": {"model": "toy", "sampler": {"name": "uniform"}}},
        ("torch 1 in a, 2 in b",),
        settings,
    )


def test_the_table_reads_as_a_sentence_and_a_table():
    text = made().render()
    assert text == str(made())
    assert "EMScore(X,V)_full_F: 1,200 rows of 60 videos, matched by video (video_path) and id (id); 3 left out" in text
    assert "1  a        0.5000  [0.4000, 0.6000]" in text
    assert "<.0001" in text and "a is better than b_2 & c: to see a difference of 0.0123" in text
    assert "takes 51 videos (here 60)" in text
    assert re.search(r"EMScore\(X,V\)_cogr +0.5000 +0.4877 +no difference seen", text)
    assert "intervals: BCa bootstrap by video; p: approximate randomisation by video; 9,999 resamples, seed 0" in text
    assert text.endswith("note: torch 1 in a, 2 in b")
    assert "EMScore(X,V)_cogr" not in made(others=False).render()


def test_json_and_csv_hold_every_number():
    plain = json.loads(made().render("json"))
    assert plain["ranking"] == ["a", "b_2 & c"]
    assert plain["headline"]["pairs"][0]["verdict"] == "a is better than b_2 & c"
    assert plain["others"][0]["pairs"][0]["videos_needed"] is None  # no JSON for infinity
    rows = list(csv.DictReader(made().render("csv").splitlines()))
    assert len(rows) == 6
    assert (rows[2]["against"], float(rows[2]["value"]), rows[2]["verdict"]) == (
        "b_2 & c",
        0.0123,
        "a is better than b_2 & c",
    )
    assert rows[5]["cohens_d"] == rows[5]["videos_needed"] == ""


def test_markdown_and_latex_are_well_formed():
    tables = [part.splitlines() for part in made("b|c").render("markdown").split("\n\n") if part.startswith("|")]
    assert len(tables) == 3
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    text = made().render("latex")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    assert r"b\_2 \& c" in text and r"95 \%" in text and r"$<$.0001" in text
    for table in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end", text, re.S):
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in table[1].split(r"\\")[:-1]} == {len(table[0])}


def test_the_page_escapes_names_and_needs_nothing_else():
    page = made(HOSTILE).render("html")
    assert HOSTILE not in page and "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)
    assert "Paired differences, 95 % intervals" in page and "Signature of emscore" in page
    assert made(HOSTILE).render("html") == page
    assert "All scores" not in made(others=False).render("html")


def test_a_chart_holds_its_intervals_and_zero():
    lines, zero = interval_chart([("a", 0.5, 0.4, 0.6, True), ("b", math.nan, math.nan, math.nan, False)], True)
    assert 0 < zero < lines[0].low < lines[0].value < lines[0].high < 100
    assert lines[1].value == 50.0
    _, zero = interval_chart([("a", 0.5, 0.4, 0.6, True)], False)
    assert zero is None
    lines, _ = interval_chart([("a", 0.5, 0.5, 0.5, True)], False)  # nothing varies
    assert lines[0].low == lines[0].high == 50.0


def test_other_forms_are_told():
    with pytest.raises(InputError, match=r"format \('word'\) must be one of table, json, csv, markdown, latex, html"):
        made().render("word")
    assert set(FORMS) == {"table", "json", "csv", "markdown", "latex", "html"}
