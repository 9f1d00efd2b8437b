"""A gallery shows the best and worst rows and those next to each threshold, as the order of the scores has them."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.test_html import HOSTILE, Page
from vqe_core.errors import InputError
from vqe_core.report.gallery import MOST_ROWS, GalleryOptions, choose_rows, write_gallery
from vqe_core.report.scored_table import TableColumns
from vqe_core.run import score_run
from vqe_core.tables import write_table
from vqe_core.toy.clips import make_clip, write_clip


@given(
    st.lists(st.floats(-1, 1) | st.just(math.nan), min_size=1, max_size=40).filter(
        lambda values: not all(map(math.isnan, values))
    ),
    st.integers(1, 9),
    st.sampled_from(["p0", "p20", "p50", "p100", "0.25", "-2", "2"]),
)
def test_rows_are_those_that_the_order_of_the_scores_has_there(values, rows, threshold):
    chosen = choose_rows(np.array(values), [threshold], rows)
    order = sorted((i for i, value in enumerate(values) if not math.isnan(value)), key=lambda i: -values[i])
    (band,) = chosen.bands
    kept = [i for i in order if values[i] >= band.value]
    rest = [i for i in order if values[i] < band.value]
    half = math.ceil(rows / 2)
    assert chosen.best == order[:rows] and chosen.worst == order[-rows:]
    assert band.kept == len(kept) and band.above == kept[-half:] and band.below == rest[:half]
    assert set(chosen.rows) == {*order[:rows], *order[-rows:], *kept[-half:], *rest[:half]}


def test_thresholds_come_from_the_highest_down_and_once_each():
    chosen = choose_rows(np.arange(10.0), ["p10", 7.0, "p90", "7.0"], rows=2)
    assert [band.name for band in chosen.bands] == ["p90", "7.0", "p10"]


@pytest.mark.parametrize("threshold", ["good", "p101", "nan", "inf", ""])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(InputError, match=re.escape(repr(threshold))):
        choose_rows(np.arange(3.0), [threshold], rows=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run: two clips with three captions each, and one that is gone."""
    folder = tmp_path_factory.mktemp("gallery")
    rows = {"video_path": ["gone.mp4"], "candidate": ["a star"]}
    for seed in (7, 8):
        clip = make_clip(seed)
        write_clip(clip, folder / f"{seed}.mp4")
        for text in (clip.captions(1)[0], clip.foils()[0].text, clip.foils()[-1].text):
            rows["video_path"].append(f"{seed}.mp4")
            rows["candidate"].append(text)
    write_table(folder / "rows.jsonl", rows)
    score_run(folder / "rows.jsonl", folder / "run", clip_model_path="toy", frame_num=3)
    return folder / "run"


def test_the_folder_of_a_run_becomes_a_page_with_frames_captions_and_scores(run, tmp_path):
    page = write_gallery(run, tmp_path / "g.html", GalleryOptions(thresholds=["p50"], rows=2)).read_text()
    parsed = Page(page)
    text = " ".join(parsed.texts)
    assert "6 rows" in text and "1 of 7 rows have no score (not_found 1)" in " ".join(text.split())
    assert page.count("url(data:image/jpeg;base64,") == len(set(re.findall(r"film s(\d+)", page)))
    assert "keeps the 3 rows above, 50.0 %" in text
    assert "clips" not in text and "7.mp4" in text


def test_a_video_that_is_gone_is_told_on_its_row_and_at_the_head(run, tmp_path):
    table = {"candidate": ["a", "b"], "similarity": [0.1, 0.9], "video_path": ["none.mp4", None]}
    write_table(tmp_path / "scores.jsonl", table)
    page = write_gallery(tmp_path / "scores.jsonl", tmp_path / "g.html").read_text()
    assert "No frames of 2 of the 2 rows below" in page and "none.mp4" in page and "names no video" in page
    assert page.count("no frames") >= 2


def test_texts_of_others_are_escaped(tmp_path):
    table = {"candidate": [HOSTILE] * 2, "similarity": [0.1, 0.9], "video_path": [HOSTILE] * 2}
    write_table(tmp_path / "scores.jsonl", table)
    page = write_gallery(tmp_path / "scores.jsonl", tmp_path / "g.html", GalleryOptions(title=HOSTILE)).read_text()
    assert "script" not in {tag for tag, _ in Page(page).tags}


def test_the_size_depends_on_the_rows_that_are_shown_and_not_on_the_table(tmp_path):
    sizes = []
    for count in (1_000, 20_000):
        values = np.random.default_rng(0).normal(size=count)
        write_table(
            tmp_path / "s.parquet", {"caption": [f"caption {i:09d}" for i in range(count)], "similarity": values}
        )
        sizes.append(write_gallery(tmp_path / "s.parquet", tmp_path / "g.html").stat().st_size)
    assert sizes[1] < 1.05 * sizes[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": TableColumns(score="none")}, "score ('none') is no column"),
        ({"columns": TableColumns(score="candidate")}, "no row has a number there"),
        ({"columns": TableColumns(video="none")}, "video ('none') is no column"),
        ({"columns": TableColumns(score="empty")}, "no row has a number there"),
    ],
)
def test_what_is_no_column_of_scores_is_refused(tmp_path, options, words):
    write_table(tmp_path / "s.jsonl", {"candidate": ["a"], "similarity": [0.5], "empty": [None]})
    with pytest.raises(InputError, match=re.escape(words)):
        write_gallery(tmp_path / "s.jsonl", tmp_path / "g.html", GalleryOptions(**options))


def test_a_table_without_a_score_of_ours_asks_for_its_column(tmp_path):
    write_table(tmp_path / "s.jsonl", {"candidate": ["a"], "mine": [0.5]})
    with pytest.raises(InputError, match=r"name a column of numbers .*mine"):
        write_gallery(tmp_path / "s.jsonl", tmp_path / "g.html")
    write_gallery(tmp_path / "s.jsonl", tmp_path / "g.html", GalleryOptions(columns=TableColumns(score="mine")))


@pytest.mark.parametrize("options", [{"rows": MOST_ROWS + 1}, {"frames": 9}, {"thresholds": [0.1] * 13}])
def test_more_than_a_browser_opens_is_refused(options):
    with pytest.raises(InputError, match="must be at most"):
        GalleryOptions(**options)
