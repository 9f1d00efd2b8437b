"""Comparison of systems: matching, refusals, numbers against the plain computation, and captioners of known quality."""

from __future__ import annotations

import csv
import json
import math
import re
import warnings
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch

from tests.required import required_package
from vqe_core import EMScore, compare, score_dataset
from vqe_core.cli import main
from vqe_core.errors import EnvironmentWarning, InputError, InputTypeError
from vqe_core.functional.statistics import holm
from vqe_core.run import score_table
from vqe_core.tables import write_table
from vqe_core.toy.clips import make_clip, write_clip

SIGNATURE = {"metric": "clip_score", "version": "1", "sampler": {"name": "uniform", "frame_num": 10}, "prefix": ""}
ENVIRONMENT = {"torch": "2.10", "av": "17.1"}


def table(shift=0.0, seed=0, videos=20, rows=3, noise=0.1, **more):
    """Columns of a system whose scores share what the videos are like."""
    of_videos = np.random.default_rng(99).normal(0.5, 0.1, videos).repeat(rows)
    scores = of_videos + shift + np.random.default_rng(seed).normal(0, noise, videos * rows)
    names = [f"{i}.mp4" for i in range(videos) for _ in range(rows)]
    return {"video_path": names, "id": list(range(videos * rows)), "clip_score": scores.tolist(), **more}


def written(path, columns, environment=ENVIRONMENT, **signature):
    write_table(path, columns, {**SIGNATURE, **signature}, environments={"clip_score": environment})
    return path


def test_means_differences_and_p_values_are_those_of_the_plain_computation():
    one, two = table(0.06, seed=1), table(seed=2)
    found = compare(one, two, names=["one", "two"], num_resamples=2000)
    pair, score = found.headline.pairs[0], found.headline
    assert [s.name for s in score.systems] == found.ranking == ["one", "two"]
    assert [s.mean for s in score.systems] == pytest.approx([np.mean(t["clip_score"]) for t in (one, two)])
    by_video = (np.array(one["clip_score"]) - np.array(two["clip_score"])).reshape(20, 3).mean(axis=1)
    assert pair.difference == pytest.approx(by_video.mean())
    assert pair.cohens_d == pytest.approx(by_video.mean() / by_video.std(ddof=1))
    assert pair.superiority == np.mean(by_video > 0)
    rng = np.random.default_rng(5)
    drawn = [abs((rng.choice([-1, 1], 20) * by_video).mean()) for _ in range(4000)]
    assert pair.p_value == pytest.approx(np.mean(np.array(drawn) >= by_video.mean()), abs=0.02)
    means = [by_video[rng.integers(20, size=20)].mean() for _ in range(4000)]
    assert (pair.low, pair.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.01)
    assert (score.num_rows, score.num_videos, score.num_failed) == (60, 20, 0)
    assert pair.p_adjusted == pair.p_value  # one pair


def test_it_is_of_its_seed_alone_whatever_the_order_of_tables_and_rows():
    one, two = table(0.03, seed=1), table(seed=2)
    shuffled = np.random.default_rng(3).permutation(60)
    mixed = {name: [column[i] for i in shuffled] for name, column in two.items()}
    first = compare(one, two, names=["one", "two"], num_resamples=500).headline
    for tables, names in (((one, mixed), ["one", "two"]), ((mixed, one), ["two", "one"])):
        again = compare(*tables, names=names, num_resamples=500).headline
        assert [s.mean for s in again.systems] == pytest.approx([s.mean for s in first.systems], abs=1e-12)
        assert again.pairs[0].p_value == first.pairs[0].p_value
        assert again.pairs[0].low == pytest.approx(first.pairs[0].low, abs=1e-9)
    other = compare(one, two, names=["one", "two"], num_resamples=500, seed=1).headline
    assert other.pairs[0].low != first.pairs[0].low


def test_several_pairs_are_corrected_and_the_best_is_first():
    found = compare(*(table(shift, seed=i) for i, shift in enumerate((0.0, 0.2, 0.02))), num_resamples=999)
    assert found.ranking[0] == "B"
    pairs = found.headline.pairs
    assert (pairs[0].first, pairs[0].second) == (found.ranking[0], found.ranking[1])
    assert len(pairs) == 3 and all(p.difference >= 0 for p in pairs)
    assert [p.p_adjusted for p in pairs] == pytest.approx(holm(torch.tensor([p.p_value for p in pairs])).tolist())
    assert {p.verdict for p in pairs if "B" in (p.first, p.second)} == {"B is better than A", "B is better than C"}


def test_rows_are_matched_by_video_and_id_and_what_is_not_everywhere_is_left_out():
    one, two = table(seed=1), table(0.3, seed=1)
    two = {name: column[5:][::-1] for name, column in two.items()}
    two["clip_score"][0] = math.nan  # row 59
    two["clip_score"][1] = None
    found = compare(one, two, num_resamples=99)
    assert found.matched_by == "video (video_path) and id (id)"
    assert dict(found.num_unmatched) == {"A": 5}
    assert (found.headline.num_rows, found.headline.num_failed, found.headline.num_videos) == (53, 2, 19)
    assert found.headline.systems[1].mean == pytest.approx(np.mean(one["clip_score"][5:58]))
    text = str(found)
    assert "2 left out, as a system has no score for them; 5 left out, as not all systems have them" in text


def test_without_ids_the_order_within_a_video_and_its_segment_count():
    one, two = ({name: c for name, c in table(seed=s).items() if name != "id"} for s in (1, 2))
    found = compare(one, two, num_resamples=99)
    assert found.matched_by == "video (video_path) and order within it"
    segments = {"start": [0, 1, 2] * 20, "end": [1, 2, 3] * 20}
    turned = {name: column[::-1] for name, column in {**two, **segments}.items()}
    by_segment = compare({**one, **segments}, turned, num_resamples=99)
    assert by_segment.matched_by == "video (video_path), segment (start, end) and order within it"
    assert by_segment.headline.pairs[0].difference == pytest.approx(found.headline.pairs[0].difference)
    assert by_segment.headline.num_videos == 20
    as_text = {**two, "start": [f"{t}.0" for t in segments["start"]], "end": [f"{t}" for t in segments["end"]]}
    assert (
        compare({**one, **segments}, as_text, num_resamples=99).headline
        == compare({**one, **segments}, {**two, **segments}, num_resamples=99).headline
    )
    bare = compare({"clip_score": [0.1, 0.2]}, {"clip_score": [0.2, 0.4]}, num_resamples=99)
    assert bare.matched_by == "their order, each row as a video of its own"
    assert bare.headline.num_videos == 2


def test_other_signatures_are_refused_by_field_and_other_versions_noted(tmp_path):
    one = written(tmp_path / "one.parquet", table(seed=1))
    other = written(tmp_path / "other.parquet", table(seed=2), sampler={"name": "uniform", "frame_num": 5}, prefix="a ")
    words = "sampler.frame_num: 10 in one, 5 in other; prefix:  in one, a  in other"
    with pytest.raises(InputError, match=re.escape(words)):
        compare(one, other)
    newer = written(tmp_path / "newer.parquet", table(seed=2), environment={"torch": "2.11", "av": "17.1"})
    with pytest.warns(EnvironmentWarning, match=r"torch 2\.10 in one, 2\.11 in newer"):
        found = compare(one, newer, num_resamples=99)
    assert len(found.notes) == 1 and found.notes[0] in str(found)
    assert found.signatures["clip_score"]["prefix"] == ""
    same = written(tmp_path / "same.parquet", table(seed=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compare(one, same, num_resamples=99).notes == ()
    without = {name: value for name, value in SIGNATURE.items() if name != "sampler"}
    write_table(tmp_path / "text.parquet", table(seed=3), without)  # it had no videos
    assert compare(one, tmp_path / "text.parquet", num_resamples=99)


def test_tables_without_a_signature_are_said_to_have_none(tmp_path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.csv"
    write_table(one, table(seed=1))
    write_table(two, table(seed=2))
    found = compare(one, two, num_resamples=99)
    assert (found.matched_by, found.headline.num_rows) == ("video (video_path) and id (id)", 60)
    assert "one, two carry no signature" in found.notes[0]


def test_a_filter_counts_rows_that_failed_for_no_system():
    one = table(similarity=[0.1] * 58 + [None] * 2, passed_filter=[True] * 30 + [False] * 30)
    two = table(similarity=[0.1] * 60, passed_filter=[True] * 45 + [False] * 15)
    del one["clip_score"], two["clip_score"]
    found = compare(one, two, num_resamples=99)
    assert found.headline.score == "similarity"
    passed = found.others[0]
    assert (passed.score, passed.num_rows, passed.num_failed) == ("passed_filter", 58, 2)
    assert [s.mean for s in passed.systems] == [45 / 58, 30 / 58]


def test_the_headline_is_the_metrics_first_score_and_any_column_can_be_named():
    more = {"EMScore(X,V)_cogr": [0.1] * 60, "EMScore(X,V)_full_F": np.linspace(0, 1, 60).tolist()}
    one, two = table(seed=1, **more, CIDEr=[1.0] * 60), table(seed=2, **more, CIDEr=[0.5, 1.0] * 30)
    found = compare(one, two, num_resamples=99)
    assert found.headline.score == "EMScore(X,V)_full_F"
    assert {score.score for score in found.others} == {"EMScore(X,V)_cogr", "clip_score"}
    named = compare(one, two, score="CIDEr", num_resamples=99)
    assert [score.score for score in named.scores] == ["CIDEr"]
    with pytest.raises(InputError, match=r"score \('x'\) is no column of numbers in A, B; all have id, clip_score"):
        compare(one, two, score="x")


def test_what_cannot_be_compared_is_told():
    one = table()
    for tables, options, words in (
        ([one], {}, "compare takes two tables or more, got 1"),
        ([one, one], {"names": ["a"]}, "must name 2 systems, one a table; got 1"),
        ([one, one], {"names": ["a", "a"]}, "must be different words"),
        ([one, one], {"id_key": "number"}, "id_key ('number') is no column of A, B"),
        ([one, one], {"interval": "t"}, "interval ('t') must be one of percentile, bca"),
        ([one, one], {"confidence": 95}, "confidence (95) must be between 0 and 1"),
        ([one, one], {"num_resamples": 0}, "num_resamples (0) must be a whole number of at least 1"),
        ([one, {**one, "id": list(range(100, 160))}], {}, "no row is in all tables"),
        ([{"id": [1]}, {"id": [1]}], {}, "no score of a metric is in all tables; A has id"),
        ([{"id": [1], "clip_score": [1, 2]}, one], {}, "columns must have one entry a row"),
    ):
        with pytest.raises(InputError, match=re.escape(words)):
            compare(*tables, **options)
    with pytest.raises(
        InputTypeError, match=r"a table must be a path, a datasets\.Dataset or columns by name, got int"
    ):
        compare(one, 3)


def test_one_video_says_nothing_of_others():
    found = compare(table(videos=1), table(0.5, seed=1, videos=1), num_resamples=99)
    pair = found.headline.pairs[0]
    assert math.isnan(pair.low) and math.isnan(pair.cohens_d) and pair.p_value == 1
    assert pair.verdict == "no difference seen"
    assert json.loads(found.render("json"))["headline"]["pairs"][0]["low"] is None


CLIPS, FRAMES = 60, 4


def captioner(clips, quality, seed):
    """Captions of a system that is right with this probability, and otherwise wrong in some attribute."""
    rng = np.random.default_rng(seed)
    captions = []
    for clip in clips:
        foils = clip.foils(seed)
        wrong = foils[rng.integers(len(foils))].text if foils else "a shape"
        captions.append(clip.captions(4, seed)[rng.integers(4)] if rng.random() < quality else wrong)
    return captions


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("captioners")
    clips = [make_clip(seed, size=64, num_frames=FRAMES) for seed in range(CLIPS)]
    for i, clip in enumerate(clips):
        write_clip(clip, folder / f"{i}.mp4")
    paths = {}
    for name, quality, seed in (("good", 0.95, 1), ("poor", 0.35, 2), ("copy", 0.95, 3)):
        rows = {
            "id": list(range(CLIPS)),
            "video_path": [f"{i}.mp4" for i in range(CLIPS)],
            "candidate": captioner(clips, quality, seed),
        }
        write_table(folder / f"{name}.jsonl", rows)
        paths[name] = folder / f"{name}.parquet"
        options = {"clip_model_path": "toy", "cache_dir": str(folder / "cache"), "frame_num": FRAMES, "progress": False}
        score_table("emscore", folder / f"{name}.jsonl", paths[name], options)
    return paths


def test_captioners_of_known_quality_are_ranked_by_one_command(scored, capsys):
    assert main(["compare", str(scored["poor"]), str(scored["good"])]) == 0
    printed = capsys.readouterr().out
    assert "EMScore(X,V)_full_F: 60 rows of 60 videos, matched by video (video_path) and id (id)" in printed
    assert "good is better than poor: to see a difference of " in printed
    found = compare(scored["poor"], scored["good"])
    assert found.ranking == ["good", "poor"]
    assert found.headline.pairs[0].low > 0 and found.headline.pairs[0].p_value < 0.01
    assert found.headline.pairs[0].videos_needed < 60
    assert found.notes == ()


def test_two_copies_of_one_captioner_do_not_differ(scored, capsys):
    assert main(["compare", str(scored["good"]), str(scored["copy"]), "--score", "EMScore(X,V)_full_F"]) == 0
    assert "no difference seen: to see a difference of " in capsys.readouterr().out
    pair = compare(scored["good"], scored["copy"]).headline.pairs[0]
    assert pair.low < 0 < pair.high and pair.p_value > 0.05


def test_scored_data_sets_are_compared_as_tables_are(scored):
    rows = datasets.Dataset.from_dict(
        {"id": [1, 2], "video_path": [str(scored["good"].parent / f"{i}.mp4") for i in (1, 2)], "candidate": ["a", "b"]}
    )
    scorer = EMScore(clip_model_path="toy", frame_num=FRAMES, progress=False)
    one, two = (score_dataset(rows, scorer) for _ in range(2))
    found = compare(one, two, num_resamples=99)
    assert found.signatures["emscore"]["model"] == "toy" and found.notes == ()
    assert found.headline.pairs[0].difference == 0 and found.headline.pairs[0].p_value == 1
    other = score_dataset(rows, EMScore(clip_model_path="toy", frame_num=2, progress=False))
    with pytest.raises(InputError, match=re.escape("sampler.frame_num: 4 in A, 2 in B")):
        compare(one, other)
    with pytest.raises(InputTypeError, match="this is a stream; save it first"):
        compare(one, two.to_iterable_dataset())


def test_the_command_writes_what_it_is_asked_for(scored, tmp_path, capsys):
    required_package("matplotlib")
    page, plot = tmp_path / "page.html", tmp_path / "plot.png"
    names = ["--names", "P,G", "--html", str(page), "--plot", str(plot), "--resamples", "99"]
    assert main(["compare", str(scored["poor"]), str(scored["good"]), *names, "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {row["score"] for row in rows} == {f"EMScore(X,V)_{m}" for m in EMScore().metrics}
    assert next(row["verdict"] for row in rows if row["against"]) == "G is better than P"
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "G is better than P" in page.read_text(encoding="utf-8")
    assert main(["compare", str(scored["poor"]), str(scored["good"]), "--html", str(tmp_path / "no" / "x.html")]) == 1
    assert "its folder is not there" in capsys.readouterr().err
