"""The demo writes what it says, the same again for the same seed, and says that its model teaches only."""

import json

import pyarrow.parquet
import pytest

from vqe_core.errors import InputError
from vqe_core.media import as_media_source, open_video
from vqe_core.toy.claims import VISIBLE
from vqe_core.toy.clips import make_clip
from vqe_core.toy.demo import format_table, run_demo
from vqe_core.toy.wordings import demo_captions

METRICS = ("figr_P", "figr_R", "figr_F", "cogr", "full_P", "full_R", "full_F")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Two clips, scored by random weights."""
    return run_demo(tmp_path_factory.mktemp("demo"), num_clips=2, seed=3, progress=False)


def test_the_files_are_there_and_nothing_else(result):
    names = sorted(p.relative_to(result.out).as_posix() for p in result.out.rglob("*") if p.is_file())
    assert names == [
        "clips/clip_00.mp4",
        "clips/clip_01.mp4",
        "emscore.parquet",
        "report.html",
        "rows.jsonl",
        "summary.json",
        "video_audio_similarity.parquet",
    ]
    assert len(open_video(as_media_source(str(result.out / "clips/clip_01.mp4"))).table) == 12


def test_the_table_has_a_row_a_caption(result):
    table = pyarrow.parquet.read_table(result.out / "emscore.parquet")
    assert table.num_rows == result.num_rows and result.num_failed == 0
    scores = [f"EMScore(X,V)_{metric}" for metric in METRICS]
    given = ["video_path", "candidate", "kind", "wrong", "num_wrong"]
    assert table.column_names == [*given, *scores, "warnings", "status", "message"]
    rows = table.to_pylist()
    assert {row["kind"] for row in rows} == {"right", "paraphrase", "foil", "unrelated"}
    assert {row["video_path"] for row in rows} == {"clips/clip_00.mp4", "clips/clip_01.mp4"}
    assert all(len(row["wrong"]) == row["num_wrong"] and row["status"] == "ok" for row in rows)
    assert json.loads(table.schema.metadata[b"signature"])["metric"] == "emscore"


def test_the_summary_agrees_with_the_table(result):
    summary = json.loads((result.out / "summary.json").read_text(encoding="utf-8"))
    rows = pyarrow.parquet.read_table(result.out / "emscore.parquet").to_pylist()
    assert [entry["num_wrong"] for entry in summary["severity"]] == [0, 1, 2, 3, 4, 5, 6]
    for entry in summary["severity"]:
        chosen = [row for row in rows if row["num_wrong"] == entry["num_wrong"]]
        assert entry["captions"] == len(chosen)
        for metric in METRICS:
            mean = sum(row[f"EMScore(X,V)_{metric}"] for row in chosen) / len(chosen)
            assert entry["mean"][metric] == pytest.approx(mean)
    assert {entry["attribute"] for entry in summary["attributes"]} == set(VISIBLE)
    assert "teaching model" in summary["note"] and summary["num_failed"] == 0
    assert summary["signature"]["metric"] == "emscore" and "torch" in summary["environment"]


def test_the_page_and_the_printed_table_call_the_model_a_teaching_model(result):
    page, printed = (result.out / "report.html").read_text(encoding="utf-8"), format_table(result)
    assert "teaching model" in page and "teaching model" in printed
    assert str(result.out / "report.html") in printed and str(result.out) not in page
    assert printed.splitlines()[1].startswith("right")


def test_words_of_right_and_wrong_captions_are_shown(result):
    page = (result.out / "report.html").read_text(encoding="utf-8")
    assert page.count('<table class="map">') == 4  # two captions for each of two clips
    assert page.count("data:image/jpeg") == 2


def test_the_same_seed_gives_the_same_files(result, tmp_path):
    again = run_demo(tmp_path, num_clips=2, seed=3, progress=False)
    for name in ("clips/clip_00.mp4", "emscore.parquet", "report.html"):
        assert (again.out / name).read_bytes() == (result.out / name).read_bytes()
    first, second = (json.loads((r.out / "summary.json").read_text()) for r in (result, again))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


@pytest.mark.parametrize("seed", range(5))
def test_captions_are_right_or_wrong_as_they_say(seed):
    captions = demo_captions(0, make_clip(seed, heldout="only"), seed)
    assert len({c.text for c in captions}) == len(captions)
    assert [c.kind for c in captions].count("right") == 1
    assert {c.wrong for c in captions if len(c.wrong) == 1} == {(name,) for name in VISIBLE}
    assert {len(c.wrong) for c in captions} == set(range(7))
    assert all((not c.wrong) == (c.kind in ("right", "paraphrase")) for c in captions)


def test_numbers_out_of_range_are_refused(tmp_path):
    for options in ({"num_clips": 0}, {"seed": -1}, {"num_clips": 2.0}, {"seed": True}):
        (name, value), *_ = options.items()
        with pytest.raises(InputError, match=f"{name} \\({value!r}\\) must be a whole number of at least"):
            run_demo(tmp_path, **options)


def test_no_progress_bar_in_a_pipe(tmp_path, capfd):
    run_demo(tmp_path, num_clips=1)
    assert "clips:" not in capfd.readouterr().err


def test_the_teaching_model_tells_right_from_wrong(tmp_path):
    result = run_demo(tmp_path, num_clips=4, progress=False)
    means = [row.mean for row in result.severity]
    assert means == sorted(means, reverse=True)  # the more is wrong, the lower the score
    assert all(row.share is None or row.share >= 0.75 for row in result.severity)


def test_the_right_sound_beats_the_next_clips(result):
    rows = pyarrow.parquet.read_table(result.out / "video_audio_similarity.parquet").to_pylist()
    assert {(row["kind"], row["method"]) for row in rows} == {
        (kind, method) for kind in ("right", "shuffled") for method in ("joint", "tags")
    }
    assert all(row["status"] == "ok" for row in rows)
    assert all((row["audio_path"] == row["video_path"]) == (row["kind"] == "right") for row in rows)
    joint = next(sound for sound in result.sounds if sound.name == "joint")
    assert joint.wins == 2
    assert "right one wins" in format_table(result).split("sound")[-1]
