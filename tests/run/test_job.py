"""Runs: the same scores however they are cut, killed, resumed, shared out and put together."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.required import required_package
from vqe_core import registry
from vqe_core.errors import InputError, RowsFailedError
from vqe_core.functional.statistics import margin_of_error, sums_by_video
from vqe_core.run import finish_run, run_status, score_run
from vqe_core.run import summary as run_summary
from vqe_core.run.engines.local import _TASKS
from vqe_core.run.folder import RunFolder
from vqe_core.run.parts import part_notes
from vqe_core.run.summary import read_summary
from vqe_core.tables import read_environments, read_signatures, read_table, write_table
from vqe_core.toy.clips import make_clip, write_clip

TOY = {"clip_model_path": "toy"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six clips and a table of twelve rows about them; the last clip is not there."""
    folder = tmp_path_factory.mktemp("clips")
    names = [write_clip(make_clip(seed), folder / f"{seed}.mp4").name for seed in range(5)] + ["none.mp4"]
    rows = [
        {"id": n, "video_path": names[n % 6], "candidate": f"a red circle {n}", "reference": ["a circle", "a square"]}
        for n in range(12)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A table of 100 rows without videos."""
    path = tmp_path / "texts.jsonl"
    rows = {"id": list(range(100)), "candidate": [f"a dog {n}" for n in range(100)], "reference": ["a dog runs"] * 100}
    write_table(path, rows)
    return path


def in_one_call(clips: Path, metric: str, **options: Any) -> dict[str, Any]:
    """The scores of all rows by the scorer itself, in one call."""
    scorer = registry.load("scorer", metric)(on_error="skip", **options)
    report = scorer.score_batch(read_table(clips / "rows.jsonl"), str(clips), whole=True)
    return {**report.rows, "status": report.status, "means": report.scores, "calibration": report.calibration}


@pytest.mark.parametrize("rows_per_part", [1, 5, 100])
@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_parts_of_any_size_give_the_scores_of_one_call(clips, tmp_path, rows_per_part, suffix):
    expected = in_one_call(clips, "emscore", **TOY)
    summary = score_run(clips / "rows.jsonl", tmp_path / f"s{suffix}", rows_per_part=rows_per_part, **TOY)
    table = read_table(tmp_path / f"s{suffix}")
    assert list(table)[:4] == ["id", "video_path", "candidate", "reference"]
    for name in summary.scores:
        assert table[name] == pytest.approx([None if v != v else v for v in expected[name]], abs=0), name
    assert table["status"] == expected["status"] == ["ok"] * 5 + ["not_found"] + ["ok"] * 5 + ["not_found"]
    assert summary.scores == pytest.approx(expected["means"], abs=1e-15)
    assert (summary.num_rows, summary.num_failed, summary.status) == (12, 2, {"ok": 10, "not_found": 2})
    assert summary.examples["not_found"][0] == 5
    assert not (tmp_path / f"s{suffix}.run").exists()


def test_a_summary_has_the_interval_of_its_headline_by_video(clips, tmp_path):
    expected = in_one_call(clips, "emscore", **TOY)["EMScore(X,V)_full_F"]
    known = [i for i, value in enumerate(expected) if value == value]
    sums = sums_by_video(torch.tensor([[expected[i] for i in known]]), torch.tensor([i % 6 for i in known]))
    mean, margin = float(sums.means[0]), float(margin_of_error(sums)[0])
    for rows_per_part in (1, 5, 12):
        out = tmp_path / str(rows_per_part)
        summary = score_run(clips / "rows.jsonl", out, rows_per_part=rows_per_part, **TOY)
        assert list(summary.intervals) == ["EMScore(X,V)_full_F"]
        assert summary.intervals["EMScore(X,V)_full_F"] == pytest.approx((mean - margin, mean + margin), abs=1e-12)
        low, high = read_summary(out)["intervals"]["EMScore(X,V)_full_F"]
        assert low < mean < high


def test_a_shard_without_parts_and_parts_of_an_older_version_have_no_interval(clips, tmp_path, monkeypatch):
    out = tmp_path / "shards"
    nothing = score_run(clips / "rows.jsonl", out, rows_per_part=12, shard="1/2", **TOY)
    assert (nothing.num_rows, nothing.intervals) == (0, {})
    assert score_run(clips / "rows.jsonl", out, rows_per_part=12, shard="0/2", **TOY).intervals

    def older(path):
        return {name: note for name, note in part_notes(path).items() if name != "videos"}

    monkeypatch.setattr(run_summary, "part_notes", older)
    assert score_run(clips / "rows.jsonl", tmp_path / "old", **TOY).intervals == {}


def test_rows_without_a_video_count_one_by_one_and_of_few_there_is_no_interval(texts, tmp_path, monkeypatch):
    summary = score_run(texts, tmp_path / "s.parquet", rows_per_part=7, **TOY)
    (name,) = summary.intervals
    scores = read_table(tmp_path / "s.parquet")[name]
    margin = 1.984217 * np.std(scores, ddof=1) / 10  # Student's t, 99 degrees of freedom
    assert summary.intervals[name] == pytest.approx((np.mean(scores) - margin, np.mean(scores) + margin), rel=1e-5)
    monkeypatch.setattr(run_summary, "MOST_ROWS", 50)  # of more, every second row
    again = score_run(texts, tmp_path / "again.parquet", rows_per_part=7, **TOY)
    low, high = again.intervals[name]
    assert (high + low) / 2 == pytest.approx(np.mean(scores)) and (high - low) / 2 == pytest.approx(margin, rel=0.4)
    write_table(tmp_path / "four.jsonl", {"candidate": ["a", "b", "c", "d"], "reference": ["a"] * 4})
    assert score_run(tmp_path / "four.jsonl", tmp_path / "four.csv", **TOY).intervals == {}


def test_a_table_carries_the_signature_of_one_call_and_what_computed_it(clips, tmp_path):
    once, twice = tmp_path / "once.parquet", tmp_path / "twice.parquet"
    score_run(clips / "rows.jsonl", once, rows_per_part=2, **TOY)
    scorer = registry.load("scorer", "emscore")(on_error="skip", **TOY)
    report = scorer.score_batch(read_table(clips / "rows.jsonl"), str(clips), whole=True)
    assert read_signatures(once) == [report.signature]
    assert read_environments(once) == {"emscore": report.environment}
    assert report.environment["readers"] and report.environment["torch"]
    keys = {"status_key": "state", "message_key": "said"}
    score_run(once, twice, "clip_score", **keys, **TOY)
    assert set(read_environments(twice)) == {"emscore", "clip_score"}
    assert read_environments(twice)["emscore"] == report.environment


def test_numbers_of_all_rows_together_are_those_of_one_call(clips, tmp_path):
    options = {"hf_clip": "toy", "method": "tags"}
    expected = in_one_call(clips, "video_audio_similarity", **options)
    summary = score_run(
        clips / "rows.jsonl", tmp_path / "s.parquet", "video_audio_similarity", rows_per_part=5, **options
    )
    table = read_table(tmp_path / "s.parquet")
    assert table["percentile"] == [None if v != v else v for v in expected["percentile"]]
    assert summary.calibration == expected["calibration"]
    assert summary.scores["percentile"] == pytest.approx(expected["means"]["percentile"])


@pytest.mark.parametrize("bounds", [{}, {"min_score": 0.7}, {"max_score": 0.7}], ids=str)
@pytest.mark.parametrize("metric", ["video_audio_similarity", "video_audio_similarity,emscore"])
@pytest.mark.parametrize("rows_per_part", [1, 5])
def test_rows_pass_by_their_percentile_among_all_as_in_one_call(clips, tmp_path, rows_per_part, metric, bounds):
    options = {"hf_clip": "toy", "method": "tags", "min_percentile": 0.9, **bounds}
    expected = in_one_call(clips, "video_audio_similarity", **options)
    assert {True, False} <= set(expected["passed_filter"])
    out = tmp_path / "run"
    options |= TOY if "," in metric else {}
    score_run(clips / "rows.jsonl", out, metric, rows_per_part=rows_per_part, **options)
    assert len(RunFolder(out).manifest().parts) > 1
    table = read_table(out)
    assert table["passed_filter"] == list(expected["passed_filter"])
    assert table["percentile"] == [None if v != v else v for v in expected["percentile"]]


def test_a_row_that_is_scored_again_lets_others_pass(clips, tmp_path):
    options = {"hf_clip": "toy", "method": "tags", "min_percentile": 0.9, "rows_per_part": 5}
    moved = shutil.copytree(clips, tmp_path / "clips")
    out = tmp_path / "run"
    score_run(moved / "rows.jsonl", out, "video_audio_similarity", **options)
    before = read_table(out)
    write_clip(make_clip(7), moved / "none.mp4")
    score_run(moved / "rows.jsonl", out, "video_audio_similarity", retry_failed=True, **options)
    after = read_table(out)
    expected = in_one_call(moved, "video_audio_similarity", hf_clip="toy", method="tags", min_percentile=0.9)
    assert after["passed_filter"] == [bool(flag) for flag in expected["passed_filter"]]
    assert after["percentile"] == expected["percentile"] != before["percentile"]


def test_words_are_counted_in_all_rows_before_the_first_is_scored(texts, tmp_path):
    scorer = registry.load("scorer", "emscore")(**TOY).fit(read_table(texts)["reference"])
    expected = scorer.score_batch(read_table(texts))
    summary = score_run(texts, tmp_path / "s.parquet", idf=True, rows_per_part=7, **TOY)
    assert summary.signature["idf"] == expected.signature["idf"]
    assert read_table(tmp_path / "s.parquet")["EMScore(X,X*)_full_F"] == expected.rows["EMScore(X,X*)_full_F"]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_words_that_workers_count_have_the_digest_of_one_pass(texts, tmp_path, monkeypatch, engine):
    if engine == "ray":
        required_package("ray")
    monkeypatch.setattr("vqe_core.run.job.COUNTED_HERE", 0)
    fitted = registry.load("scorer", "emscore")(**TOY).fit(read_table(texts)["reference"])
    how = {"idf": True, "engine": engine, "workers": 2, "rows_per_part": 30, "threads": 1}
    summary = score_run(texts, tmp_path / "run", **how, **TOY)
    assert summary.signature["idf"] == fitted.idf.digest()
    assert json.loads((tmp_path / "run/_fitted-idf.json").read_text())["num_captions"] == 100
    assert not (tmp_path / "run/.survey").exists()


def test_words_are_counted_again_only_in_parts_that_were_not(texts, tmp_path, monkeypatch):
    score_run(texts, tmp_path / "whole.jsonl", idf=True, rows_per_part=30, **TOY)
    monkeypatch.setitem(_TASKS, "survey", stop_at(2, _TASKS["survey"]))
    with pytest.raises(Stop):
        score_run(texts, tmp_path / "s.jsonl", idf=True, rows_per_part=30, **TOY)
    counted = RunFolder(tmp_path / "s.jsonl.run").survey_of(0)
    before = counted.stat().st_mtime_ns
    monkeypatch.undo()
    with pytest.raises(Stop):
        score_run(texts, tmp_path / "s.jsonl", idf=True, rows_per_part=30, watch=stop_after(1), **TOY)
    assert before and not counted.exists()  # put together, and no longer needed
    score_run(texts, tmp_path / "s.jsonl", idf=True, rows_per_part=30, **TOY)
    assert (tmp_path / "s.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def stop_at(call: int, task: Any) -> Any:
    calls = itertools.count(1)

    def run(*arguments: Any) -> Any:
        if next(calls) == call:
            raise Stop
        return task(*arguments)

    return run


def test_captions_without_a_word_that_counts_leave_weights_out(tmp_path):
    write_table(tmp_path / "rows.jsonl", {"candidate": ["a dog", "a cat"], "reference": [" ", ""]})
    summary = score_run(tmp_path / "rows.jsonl", tmp_path / "run", idf=True, on_error="skip", **TOY)
    assert summary.status == {"empty_caption": 2}
    assert score_run(tmp_path / "rows.jsonl", tmp_path / "run", idf=True, on_error="skip", **TOY).num_failed == 2


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_workers_give_the_bits_of_one(clips, tmp_path, engine):
    if engine == "ray":
        required_package("ray")
    how = {"threads": 1, "rows_per_part": 3, **TOY}
    score_run(clips / "rows.jsonl", tmp_path / "one.parquet", **how)
    score_run(clips / "rows.jsonl", tmp_path / "two.parquet", engine=engine, workers=2, **how)
    assert read_table(tmp_path / "two.parquet") == read_table(tmp_path / "one.parquet")


def test_shards_are_put_together(texts, tmp_path):
    score_run(texts, tmp_path / "whole.parquet", **TOY)
    first = score_run(texts, tmp_path / "run", shard="0/2", rows_per_part=10, **TOY)
    assert (first.num_rows, run_status(tmp_path / "run")["done_parts"]) == (50, 5)
    with pytest.raises(InputError, match="5 of 10 parts are not done"):
        finish_run(tmp_path / "run")
    score_run(texts, tmp_path / "run", shard="1/2", rows_per_part=10, **TOY)
    summary = finish_run(tmp_path / "run", tmp_path / "merged.parquet")
    assert summary.num_rows == 100
    assert read_table(tmp_path / "merged.parquet") == read_table(tmp_path / "whole.parquet")


def test_datasets_reads_a_folder_of_parts(texts, tmp_path):
    import datasets

    score_run(texts, tmp_path / "run", rows_per_part=10, **TOY)
    rows = datasets.load_dataset(str(tmp_path / "run"), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows["id"][:] == list(range(100))
    assert set(rows["status"]) == {"ok"}
    assert read_signatures(tmp_path / "run/scores-00000-of-00010.parquet")[0]["metric"] == "emscore"


def test_the_folder_of_a_run_is_compared_and_reported_as_the_table_is(clips, tmp_path):
    from vqe_core import compare
    from vqe_core.report.table_report import write_report

    rows = clips / "rows.jsonl"
    score_run(rows, tmp_path / "run", rows_per_part=5, **TOY)
    score_run(rows, tmp_path / "table.parquet", **TOY)
    assert read_table(tmp_path / "run") == read_table(tmp_path / "table.parquet")
    assert read_signatures(tmp_path / "run") == read_signatures(tmp_path / "table.parquet")
    (difference, *_) = compare(tmp_path / "run", tmp_path / "table.parquet").headline.pairs
    assert difference.difference == 0
    write_report([tmp_path / "run"], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "data:image/jpeg" in page  # frames were found where the input was


class Stop(Exception):
    """Stands for whatever ends a run."""


def stop_after(parts: int) -> Any:
    left = [parts]

    def watch(event: dict[str, Any]) -> None:
        if "status" in event:
            left[0] -= 1
            if not left[0]:
                raise Stop

    return watch


def test_the_same_call_goes_on_and_finished_parts_are_not_scored_again(texts, tmp_path):
    score_run(texts, tmp_path / "whole.jsonl", **TOY)
    out = tmp_path / "s.jsonl"
    with pytest.raises(Stop):
        score_run(texts, out, rows_per_part=10, watch=stop_after(4), **TOY)
    assert not out.exists()
    assert run_status(tmp_path / "s.jsonl.run")["done_rows"] == 40
    events: list[dict[str, Any]] = []
    summary = score_run(texts, out, rows_per_part=10, watch=events.append, **TOY)
    assert summary.resumed_rows == 40
    assert sum(event["rows"] for event in events if "number" in event) == 60
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_what_changed_is_refused_by_name(texts, tmp_path):
    out = tmp_path / "s.parquet"
    with pytest.raises(Stop):
        score_run(texts, out, rows_per_part=10, watch=stop_after(1), **TOY)
    with pytest.raises(InputError, match=r"`frame_num` was not set, is 12; start a new folder, or --restart"):
        score_run(texts, out, frame_num=12, **TOY)
    with pytest.raises(InputError, match="the run is of emscore, not of clip_score"):
        score_run(texts, out, "clip_score", **TOY)
    with texts.open("a") as file:
        file.write('{"id": 100, "candidate": "one more", "reference": "a dog"}\n')
    with pytest.raises(InputError, match=r"the input .* has changed since the run began \(`texts.jsonl` was"):
        score_run(texts, out, **TOY)
    assert score_run(texts, out, restart=True, **TOY).num_rows == 101


def test_threads_and_rows_a_part_that_are_named_are_those_of_the_run(texts, tmp_path):
    out = tmp_path / "run"
    score_run(texts, out, rows_per_part=60, threads=1, shard="0/2", **TOY)
    for wrong, words in (
        ({"rows_per_part": 50}, "`rows_per_part` was 60, is 50"),
        ({"threads": 2}, "`threads` was 1, is 2"),
    ):
        with pytest.raises(
            InputError, match=f"{words}; leave it out to go on as the run was begun, start a new folder, or --restart"
        ):
            score_run(texts, out, shard="1/2", **wrong, **TOY)
    assert score_run(texts, out, workers=2, **TOY).num_rows == 100  # not named: as they are
    once = tmp_path / "once"
    score_run(texts, once, shard="0/2", **TOY)
    with pytest.raises(InputError, match="`rows_per_part` was not set, is 10"):
        score_run(texts, once, rows_per_part=10, **TOY)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"shard": "3/2"}, "must be I/N"),
        ({"workers": 0}, r"workers \(0\) must be"),
        ({"threads": 0}, r"threads \(0\) must be"),
        ({"rows_per_part": 0}, r"rows_per_part \(0\) must be"),
        ({"engine": "slurm"}, "slurm"),
        ({"address": "auto"}, "address"),
    ],
)
def test_a_wrong_argument_begins_no_run(texts, tmp_path, wrong, words):
    for out in (tmp_path / "run", tmp_path / "s.parquet"):
        with pytest.raises(InputError, match=words):
            score_run(texts, out, **wrong, **TOY)
    assert [path for path in tmp_path.iterdir() if path != texts] == []


def test_a_call_that_could_score_nothing_leaves_nothing_to_go_on_with(texts, tmp_path):
    out = tmp_path / "s.jsonl"
    with pytest.raises(InputError, match="is no file"):
        score_run(texts, out, idf=str(tmp_path / "gone.json"), **TOY)
    assert not out.with_name("s.jsonl.run").exists()
    assert score_run(texts, out, **TOY).num_failed == 0


def test_options_that_change_no_score_may_change(texts, tmp_path):
    with pytest.raises(Stop):
        score_run(texts, tmp_path / "s.parquet", rows_per_part=10, watch=stop_after(1), **TOY)
    assert score_run(texts, tmp_path / "s.parquet", workers=1, batch_size=3, on_error="warn", **TOY).num_rows == 100


def test_failed_rows_alone_are_tried_again(clips, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for path in clips.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    run = tmp_path / "run"
    before = score_run(folder / "rows.jsonl", run, rows_per_part=4, **TOY)
    assert before.num_failed == 2
    parts = {path.name: path.read_bytes() for path in run.glob("scores-*")}
    write_clip(make_clip(7), folder / "none.mp4")
    events: list[dict[str, Any]] = []
    after = score_run(folder / "rows.jsonl", run, retry_failed=True, watch=events.append, **TOY)
    assert sum(event["rows"] for event in events if "number" in event) == 2
    assert (after.num_failed, after.status) == (0, {"ok": 12})
    assert {name for name in parts if (run / name).read_bytes() != parts[name]} == {
        "scores-00001-of-00003.parquet",
        "scores-00002-of-00003.parquet",
    }
    score_run(folder / "rows.jsonl", tmp_path / "anew.parquet", **TOY)
    finish_run(run, tmp_path / "retried.parquet")
    assert read_table(tmp_path / "retried.parquet") == read_table(tmp_path / "anew.parquet")


def test_two_calls_on_one_folder_do_not_work_at_once(texts, tmp_path):
    with pytest.raises(Stop):
        score_run(texts, tmp_path / "run", rows_per_part=10, watch=stop_after(1), **TOY)
    with (
        RunFolder(tmp_path / "run").locked(),
        pytest.raises(InputError, match=r"another process works in .*process \d+"),
    ):
        score_run(texts, tmp_path / "run", **TOY)
    assert score_run(texts, tmp_path / "run", **TOY).num_rows == 100


def test_a_folder_that_holds_something_else_is_not_emptied(texts, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"holds 'thesis.txt', which no run wrote"):
        score_run(texts, tmp_path / "run", restart=True, **TOY)
    assert (tmp_path / "run/thesis.txt").read_text() == "years of work"


def test_rows_that_fail_are_raised_where_that_is_asked_for_and_parts_are_kept(clips, tmp_path):
    with pytest.raises(RowsFailedError, match=r"1 of 4 rows cannot be scored:\n  row (5|11): \[not_found\]"):
        score_run(clips / "rows.jsonl", tmp_path / "s.parquet", on_error="raise", rows_per_part=4, **TOY)
    assert run_status(tmp_path / "s.parquet.run")["done_parts"]
    score_run(clips / "rows.jsonl", tmp_path / "run", rows_per_part=4, **TOY)
    with pytest.raises(RowsFailedError, match=r"row 5: \[not_found\]"):  # also of an earlier call
        score_run(clips / "rows.jsonl", tmp_path / "run", on_error="raise", **TOY)


def test_what_goes_wrong_first_is_told_also_where_the_folder_holds_something_else(texts, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="no table at"):
        score_run(tmp_path / "none.jsonl", tmp_path / "run", **TOY)
    assert (tmp_path / "run/thesis.txt").exists()


def test_rows_of_a_planning_that_was_killed_are_not_scored(texts, tmp_path):
    rows = RunFolder(tmp_path / "run").rows
    rows.mkdir(parents=True)
    (rows / "00000.jsonl").write_text('{"candidate": "another table"}\n')
    (rows / "00000.parquet").write_bytes(b"torn")
    assert score_run(texts, tmp_path / "run", **TOY).num_rows == 100
    assert read_table(tmp_path / "run")["candidate"] == read_table(texts)["candidate"]


KILLED = """
import sys
from vqe_core.run import score_run
if __name__ == "__main__":
    score_run(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]), rows_per_part=4, threads=1, clip_model_path="toy",
              watch=lambda event: print("part", flush=True) if "number" in event else None)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_killed_run_loses_no_finished_part_and_leaves_no_process(texts, tmp_path, workers):
    score_run(texts, tmp_path / "whole.jsonl", threads=1, **TOY)
    out = tmp_path / "s.jsonl"
    command = [sys.executable, "-c", KILLED, str(texts), str(out), str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == b"part\n"
    process.kill()
    process.wait()
    folder = RunFolder(tmp_path / "s.jsonl.run")
    deadline = time.monotonic() + 5
    while workers_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not workers_of(folder)
    done = folder.done(25)
    assert len(done) >= 3
    events: list[dict[str, Any]] = []
    score_run(texts, out, watch=events.append, **TOY)
    assert {event["number"] for event in events if "number" in event} == set(range(25)) - done
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not list(tmp_path.glob("s.jsonl.*"))


def workers_of(folder: RunFolder) -> list[int]:
    """Processes that have the module of workers on their command line, and work for this test's process no more."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if b"vqe_core.run.worker" in line and parent == 1:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
def test_a_killed_worker_is_replaced(texts, tmp_path):
    score_run(texts, tmp_path / "whole.jsonl", threads=1, **TOY)
    killed: list[int] = []

    def watch(event: dict[str, Any]) -> None:
        if "number" in event and not killed:
            (child, *_) = children()
            os.kill(child, signal.SIGKILL)
            killed.append(child)

    score_run(texts, tmp_path / "s.jsonl", workers=2, threads=1, rows_per_part=10, watch=watch, **TOY)
    assert killed
    assert (tmp_path / "s.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_what_a_killed_worker_left_half_written_is_not_in_the_result(texts, tmp_path):
    def watch(event: dict[str, Any]) -> None:
        if "number" in event:
            (tmp_path / f"run/.tmp-1-{event['number']}.parquet").write_bytes(b"torn")

    score_run(texts, tmp_path / "run", rows_per_part=50, watch=watch, **TOY)
    assert not list((tmp_path / "run").glob(".tmp-*"))


def children() -> list[int]:
    """Workers of this process."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    found = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
    return [pid for pid in found if b"vqe_core.run.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
