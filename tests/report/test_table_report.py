"""The report of a table holds its rows, their frames and words, escapes all texts, and can do without the rest."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests.report.test_html import HOSTILE, Page
from vqe_core.errors import InputError
from vqe_core.report.compare import compare
from vqe_core.report.scored_table import TableColumns
from vqe_core.report.table_report import LIST_BYTES, ReportOptions, read_tables, render_tables, write_report
from vqe_core.run import score_table
from vqe_core.tables import read_signatures, read_table, write_table
from vqe_core.toy.clips import make_clip, write_clip

FULL = "EMScore(X,V)_full_F"
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A scored table of two clips: right and wrong captions, and a row whose video is gone."""
    folder = tmp_path_factory.mktemp("scored")
    rows = {"video_path": [], "candidate": []}
    for seed in (7, 8):
        clip = make_clip(seed)
        write_clip(clip, folder / f"{seed}.mp4")
        for text in (clip.captions(1)[0], clip.foils()[0].text, clip.foils()[-1].text):
            rows["video_path"].append(f"{seed}.mp4")
            rows["candidate"].append(text)
    rows["video_path"].append("gone.mp4")
    rows["candidate"].append("a star")
    write_table(folder / "rows.jsonl", rows)
    options = {"clip_model_path": "toy", "on_error": "skip", "frame_num": 3, "progress": False}
    score_table("emscore", folder / "rows.jsonl", folder / "scores.parquet", options)
    return folder / "scores.parquet"


def listed(page):
    return json.loads(DATA.search(page).group(1))


def test_the_page_has_words_and_frames_of_the_rows_worth_a_look(scored):
    page = render_tables(read_tables([scored]), ReportOptions(rows=2))
    tags, text = Page(page).tags, " ".join(Page(page).texts)
    table = read_table(scored)
    values = [value for value in table[FULL] if value is not None]
    worst = table["candidate"][int(np.argmin(values))]
    assert f"{np.mean(values):.3f}" in text and "not_found" in text and "gone.mp4" in text
    shown = re.search(r"Worst rows.*?</details>", page, re.DOTALL).group(0)
    assert worst == re.sub(r"<.*?>", "", re.search(r'class="said">(.*?)</span><small>', shown).group(1))
    assert "<mark title=" in page and '<table class="map wide"' in page and '<ul class="gains"' in page
    assert "Frame 3 of 3" in {a.get("aria-label", "")[:12] for _, a in tags}
    assert "uniform, 3" in text and "How to read this" in text


def test_the_page_asks_for_nothing_and_is_the_same_again(scored):
    page = render_tables(read_tables([scored]), ReportOptions(rows=1))
    assert page == render_tables(read_tables([scored]), ReportOptions(rows=1))
    tags = Page(page).tags
    assert not {tag for tag, _ in tags} & {"link", "iframe", "object", "img"}
    assert not any("src" in attributes or "href" in attributes for _, attributes in tags)
    assert not re.search(r"https?:|@import", re.sub(r"base64,[\w+/=]+", "", page))


def test_the_list_holds_every_row_with_its_numbers(scored):
    (data,) = listed(render_tables(read_tables([scored]), ReportOptions(evidence=False)))
    table = read_table(scored)
    assert data["caption"] == table["candidate"] and data["total"] == 7 and data["row"] is None
    assert [data["videos"][i] for i in data["video"]] == table["video_path"]
    assert [data["statuses"][i] for i in data["status"]] == table["status"]
    assert data["scores"][FULL][:6] == pytest.approx(table[FULL][:6], abs=1e-4) and data["scores"][FULL][6] is None
    assert data["message"]["6"] == table["message"][6]


def test_without_evidence_frames_are_there_and_no_model_is_loaded(scored, monkeypatch):
    monkeypatch.setattr("vqe_core.report.table_report.explain_captions", lambda *_: pytest.fail("loaded a model"))
    page = render_tables(read_tables([scored]), ReportOptions(rows=1, evidence=False))
    assert '<ul class="gains"' not in page and "data:image/jpeg" in page and "Frame 6 of 6" in page


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"model": "nobody/has-this", "revision": "0" * 40}, "the model nobody/has-this@0000.* is not on this disk"),
        ({"revision": "local-other"}, "scored with revision local-other of toy"),
        ({"metric": "video_audio_similarity"}, "the table names no model"),
    ],
)
def test_where_the_model_is_not_at_hand_the_page_says_so(scored, tmp_path, changed, why):
    (signature,) = read_signatures(scored)
    path = scored.with_name("changed.parquet")
    write_table(path, read_table(scored), {**signature, **changed})
    page = render_tables(read_tables([path]), ReportOptions(rows=1))
    assert re.search(f"No word evidence, .*{why}", page) and "data:image/jpeg" in page


def test_missing_and_broken_media_are_told_beside_their_rows(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video at all" * 100)
    videos = ["bad.mp4", "gone.mp4", None, {"path": "bad.mp4", "start": 3.0, "end": 1.0}]
    write_table(tmp_path / "t.jsonl", {"video": videos, "caption": list("abcd"), "similarity": [0.1, 0.2, 0.3, 0.4]})
    page = write_report([tmp_path / "t.jsonl"], tmp_path / "out.html").read_text(encoding="utf-8")
    assert "gone.mp4" in page and "the row names no video" in page and "cannot be" in page
    assert page.count('class="nothing"') == 4 + 4 - 4  # every row once: the best rows are the worst, too


@pytest.mark.parametrize("column", ["candidate", "video_path", "message", "status", "title"])
def test_a_hostile_text_stays_text(tmp_path, column):
    rows = {"video_path": ["a"], "candidate": ["x"], "similarity": [0.5], "status": ["ok"], "message": [""]}
    rows = {name: [*cells, HOSTILE if name == column else cells[0]] for name, cells in rows.items()}
    rows["similarity"] = [0.5, 0.4]
    write_table(tmp_path / "t.parquet", rows, {"metric": "video_audio_similarity", "model": HOSTILE})
    page = render_tables(read_tables([tmp_path / "t.parquet"]), ReportOptions(title=HOSTILE, evidence=False))
    assert page.count("<script") == page.count("</script>") == 2 and "<img" not in page and page.count("</style>") == 1
    assert not any(name.startswith("on") for _, a in Page(page).tags for name in a)
    assert len(listed(page)[0]["caption"]) == 2


def test_several_tables_are_systems_side_by_side(scored, tmp_path):
    (signature,) = read_signatures(scored)
    table = read_table(scored)
    (tmp_path / "b").mkdir()
    lower = {**table, FULL: [None if value is None else value - 0.1 for value in table[FULL]]}
    write_table(tmp_path / "b" / "scores.parquet", lower, {**signature, "idf": "abc"})
    tables = read_tables([tmp_path / "b" / "scores.parquet", scored])
    assert [table.name for table in tables] == ["b/scores", f"{scored.parent.name}/scores"]
    page = render_tables(tables, ReportOptions(rows=1, evidence=False))
    systems = re.search(r'class="systems".*?</table>', page, re.DOTALL).group(0)
    assert systems.index(tables[1].name) < systems.index("b/scores")  # the better mean first
    assert "signatures that differ in idf: their scores are not comparable" in page and "Not compared: " in page
    assert [entry["name"] for entry in listed(page)] == ["b/scores", tables[1].name]


def test_systems_are_compared_on_the_rows_that_all_have(tmp_path):
    rng = np.random.default_rng(0)
    rows = {"id": list(range(30)), "video_path": [f"{i // 3}.mp4" for i in range(30)], "caption": ["x"] * 30}
    good = rng.uniform(0.4, 0.6, 30)
    for name, values in (("good", good), ("poor", good - 0.2)):
        write_table(tmp_path / f"{name}.jsonl", {**rows, "clip_score": values.tolist()})
    page = render_tables(read_tables([tmp_path / "poor.jsonl", tmp_path / "good.jsonl"]), ReportOptions(evidence=False))
    assert "<li>good is better than poor: " in page
    found = compare(tmp_path / "poor.jsonl", tmp_path / "good.jsonl", names=["poor", "good"])
    for system in found.headline.systems:
        assert f">{system.low:.3f} to {system.high:.3f}<" in page


def test_a_large_table_stays_below_ten_megabytes(tmp_path):
    rng = np.random.default_rng(0)
    long = ["".join(map(chr, rng.integers(97, 123, 500))) for _ in range(300)]
    rows = {"caption": long * 100, "similarity": rng.uniform(size=30_000).tolist()}
    rows |= {name: rng.uniform(size=30_000).tolist() for name in ("avg_similarity", "percentile")}
    write_table(tmp_path / "t.parquet", rows)
    page = render_tables(read_tables([tmp_path / "t.parquet"]))
    assert len(page.encode()) < LIST_BYTES + 1_000_000
    (data,) = listed(page)
    assert data["total"] == 30_000 and max(map(len, data["caption"])) <= 160
    assert len(data["caption"]) == len(data["scores"]["similarity"])


def test_rows_that_do_not_fit_are_left_out_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr("vqe_core.report.table_report.LIST_BYTES", 20_000)
    write_table(tmp_path / "t.jsonl", {"caption": ["word " * 30] * 1000, "similarity": np.arange(1000.0).tolist()})
    (data,) = listed(render_tables(read_tables([tmp_path / "t.jsonl"])))
    assert 50 < len(data["row"]) < 400 and (data["row"][0], data["row"][-1]) == (0, 999)
    assert data["scores"]["similarity"] == [float(row) for row in data["row"]]


def test_a_table_without_any_score_is_shown_and_no_table_is_refused(tmp_path):
    rows = {"similarity": [None, None], "status": ["not_found"] * 2, "message": ["gone"] * 2, "caption": ["a", "b"]}
    write_table(tmp_path / "t.jsonl", rows)
    assert "2</strong><span>rows without a score" in render_tables(read_tables([tmp_path / "t.jsonl"]))
    with pytest.raises(InputError, match="name at least one scored table"):
        read_tables([])
    with pytest.raises(InputError, match="video \\('film'\\) is no column"):
        read_tables([tmp_path / "t.jsonl"], ReportOptions(columns=TableColumns(video="film")))
