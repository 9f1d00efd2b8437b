"""A first pass over a data set: the same idf and the same places among other rows, however the rows are divided."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.required import required_package
from tests.toy_rows import toy_rows
from vqe_core import EMScore
from vqe_core.cli import main
from vqe_core.errors import InputError, InputTypeError
from vqe_core.run import finish_run, run_status, score_run
from vqe_core.run.folder import RunFolder
from vqe_core.scorers.emscore import scoring, survey
from vqe_core.scorers.emscore.chance_file import load_chance
from vqe_core.tables import read_table, write_table
from vqe_core.toy.clips import make_clip, write_clip

TOY: dict[str, Any] = {"clip_model_path": "toy", "frame_num": 3, "progress": False}
PLACES = ("EMScore(X,V)_percentile", "EMScore(X,V)_rank", "EMScore(X,V)_z")


class Stop(Exception):
    """The process is killed here."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of two captions; one clip is a copy of another, one is not there, one row has no caption."""
    folder = tmp_path_factory.mktemp("clips")
    clips = [make_clip(seed % 7, num_frames=12) for seed in range(8)]
    names = [write_clip(clip, folder / f"{i}.mp4").name for i, clip in enumerate(clips)]
    captions = [text for clip in clips for text in clip.captions(2)]
    rows: dict[str, list[Any]] = {
        "video_path": [name for name in names for _ in range(2)] + ["none.mp4"],
        "candidate": [*captions[:5], " ", *captions[6:], "nothing"],
        "reference": [[text] for text in [*captions, "nothing"]],
    }
    write_table(folder / "rows.jsonl", rows)
    return folder / "rows.jsonl"


def in_one_call(table: Path, **options: Any) -> Any:
    scorer = EMScore(on_error="skip", **{**TOY, **options})
    return scorer.score_batch(read_table(table), str(table.parent), whole=True)


def known(values: Any) -> list[float]:
    """Scores of a report or of a table, NaN where there is none."""
    return [math.nan if value is None else value for value in values]


def flat(calibration: Any) -> dict[str, float]:
    """The numbers of a call, the levels of chance among them."""
    chance = {f"chance {name}": level for name, level in calibration["chance"].items()}
    return {**{name: value for name, value in calibration.items() if name != "chance"}, **chance}


@pytest.mark.parametrize("most", [1000, 6])
@pytest.mark.parametrize(
    "options",
    [
        {"against_chance": "full_F"},
        {"against_chance": "figr_R", "idf": True, "score_types": "xv"},
        {"against_chance": "cogr", "frame_aggregation": "in_order"},
    ],
)
def test_parts_have_the_places_and_numbers_of_one_call(table, tmp_path, monkeypatch, options, most):
    for module in (scoring, survey):  # more rows than stand for all
        monkeypatch.setattr(module, "MOST_ROWS", most)
    expected = in_one_call(table, **options)
    summary = score_run(table, tmp_path / "s.parquet", rows_per_part=3, **{**TOY, **options})
    found = read_table(tmp_path / "s.parquet")
    for name in PLACES:
        assert known(found[name]) == pytest.approx(expected.rows[name], rel=1e-6, nan_ok=True), name
    for name in set(expected.rows) - set(PLACES):
        assert known(found[name]) == pytest.approx(expected.rows[name], abs=0, nan_ok=True), name
    assert flat(summary.calibration) == pytest.approx(flat(expected.calibration), rel=1e-6, nan_ok=True)
    assert summary.signature == expected.signature
    assert summary.calibration["num_videos"] == (7 if most == 1000 else 5)
    assert found["status"].count("ok") == 15


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_workers_share_one_first_pass(table, tmp_path, engine):
    if engine == "ray":
        required_package("ray")
    expected = in_one_call(table, against_chance=True)
    how = {"engine": engine, "workers": 2, "threads": 1, "rows_per_part": 3}
    summary = score_run(table, tmp_path / "run", against_chance=True, **how, **TOY)
    assert flat(summary.calibration) == pytest.approx(flat(expected.calibration), rel=1e-5)
    assert summary.signature == expected.signature


def test_a_run_that_is_killed_goes_on_where_the_first_pass_was(table, tmp_path, capsys):
    score_run(table, tmp_path / "whole.jsonl", against_chance=True, rows_per_part=3, **TOY)
    out, folder = tmp_path / "s.jsonl", RunFolder(tmp_path / "s.jsonl.run")
    seen: list[dict[str, Any]] = []

    def stopping(name: str, parts: int) -> Any:
        left = [parts]

        def watch(event: dict[str, Any]) -> None:
            seen.append(event)
            left[0] -= name in event
            if not left[0]:
                raise Stop

        return watch

    with pytest.raises(Stop):
        score_run(table, out, against_chance=True, rows_per_part=3, watch=stopping("surveyed", 2), **TOY)
    assert folder.survey_of(1).is_file() and not folder.survey_of(2).exists()
    status = run_status(folder.path)
    assert (status["first_pass_parts"], status["done_parts"]) == (2, 0)
    assert main(["run", "status", str(folder.path)]) == 0
    assert "first pass: 2 of 6 parts" in capsys.readouterr().out
    seen.clear()
    with pytest.raises(Stop):
        score_run(table, out, against_chance=True, rows_per_part=3, watch=stopping("status", 2), **TOY)
    assert [event["number"] for event in seen if "surveyed" in event] == [2, 3, 4, 5]
    assert run_status(folder.path)["first_pass_parts"] is None
    assert not folder.survey_of(0).exists() and folder.fitted("chance.safetensors").is_file()
    seen.clear()
    score_run(table, out, against_chance=True, rows_per_part=3, watch=seen.append, **TOY)
    assert not any("surveyed" in event for event in seen) and sum("status" in event for event in seen) == 4
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_shards_share_a_first_pass_and_failed_rows_are_set_against_the_same_videos(table, tmp_path):
    expected = in_one_call(table, against_chance=True)
    for shard in ("1/2", "0/2"):
        score_run(table, tmp_path / "run", against_chance=True, rows_per_part=3, shard=shard, **TOY)
    assert flat(finish_run(tmp_path / "run").calibration) == pytest.approx(flat(expected.calibration), rel=1e-6)
    write_clip(make_clip(11, num_frames=12), table.parent / "none.mp4")
    try:
        score_run(table, tmp_path / "run", against_chance=True, rows_per_part=3, retry_failed=True, **TOY)
        found = read_table(tmp_path / "run")
    finally:
        (table.parent / "none.mp4").unlink()
    assert found["status"][-1] == "ok" and 0 <= found[PLACES[0]][-1] <= 1
    assert found[PLACES[0]][:3] == pytest.approx(expected.rows[PLACES[0]][:3], rel=1e-6)


def test_of_several_metrics_each_has_its_own_first_pass(table, tmp_path):
    alone = score_run(table, tmp_path / "one.parquet", against_chance=True, idf=True, rows_per_part=3, **TOY)
    options = {**TOY, "hf_clip": "toy", "method": "tags"}
    both = "emscore,video_audio_similarity"
    summary = score_run(table, tmp_path / "run", both, against_chance=True, idf=True, rows_per_part=3, **options)
    signature = next(each for each in summary.signature["signatures"] if each["metric"] == "emscore")
    assert signature == alone.signature
    found, expected = read_table(tmp_path / "run"), read_table(tmp_path / "one.parquet")
    assert {name: found[name] for name in PLACES} == {name: expected[name] for name in PLACES}
    assert (tmp_path / "run/_fitted-emscore-idf.json").is_file()
    assert summary.calibration["num_videos"] == 7 and summary.calibration["num_sounds"] > 1


def test_a_fitted_scorer_gives_batches_the_places_of_one_call(tmp_path):
    rows = toy_rows(5, captions=2)
    expected = EMScore(**TOY, against_chance="cogr").score(**rows)
    path = tmp_path / "chance.safetensors"
    fitted = EMScore(**TOY, against_chance="cogr").fit_chance(**rows, path=path)
    for scorer in (fitted, EMScore(**TOY, against_chance=str(path)), EMScore(**TOY, against_chance=path)):
        scorer.check_batch()
        table = {"candidate": rows["predictions"], "video_path": rows["videos"]}
        batches = [scorer({name: column[i : i + 3] for name, column in table.items()}) for i in range(0, 10, 3)]
        for name in PLACES:
            found = [value for batch in batches for value in batch[name]]
            assert found == pytest.approx(expected.rows[name], rel=1e-5), name
        report = scorer.score(**rows)
        assert report.signature == expected.signature
        assert flat(report.calibration) == pytest.approx(flat(expected.calibration), rel=1e-6)
    bank = load_chance(path)
    assert bank is not None and bank.digest() == fitted.against_chance.digest()
    assert EMScore(**TOY).fit_chance(**rows).against_chance.metric == "full_F"


def test_captions_that_are_new_are_set_against_all_rows_of_a_bank():
    rows = toy_rows(4)
    scorer = EMScore(**TOY, metrics="cogr").fit_chance(**rows)
    new = make_clip(9, num_frames=12)
    report = scorer.score(predictions=new.captions(1), videos=[new.frames])
    plain = EMScore(**TOY, metrics="cogr")
    others = plain.score(predictions=new.captions(1) * 4, videos=rows["videos"]).rows["EMScore(X,V)_cogr"]
    own = report.rows["EMScore(X,V)_cogr"][0]
    assert report.rows[PLACES[0]][0] == sum(own > other for other in others) / 4
    assert report.rows[PLACES[2]][0] == pytest.approx((own - np.mean(others)) / np.std(others, ddof=1), rel=1e-3)


def test_a_row_without_a_video_has_no_place_and_costs_nothing(tmp_path):
    rows = toy_rows(3)
    scorer = EMScore(**TOY).fit_chance(**rows)
    mixed = {"predictions": ["a star", "a star"], "videos": [rows["videos"][0], None], "references": ["a star"] * 2}
    report = scorer.score(**mixed)
    assert report.status == ["ok", "ok"] and math.isnan(report.rows[PLACES[0]][1])


def test_what_is_no_bank_of_these_options_is_refused(tmp_path):
    rows = toy_rows(3)
    path = tmp_path / "chance.safetensors"
    EMScore(**TOY).fit_chance(**rows, path=path)
    with pytest.raises(InputError, match=r"fitted with cogr_weight 0.5 \(here 0.25\)"):
        EMScore(**TOY, against_chance=path, cogr_weight=0.25).score(**rows)
    with pytest.raises(InputError, match=r"must end in \.safetensors"):
        EMScore(**TOY).fit_chance(**rows, path=tmp_path / "chance.bin")
    with pytest.raises(InputTypeError, match="got int"):
        EMScore(against_chance=3)
    for content in (b"", b"{}", path.read_bytes()[:-1]):
        damaged = tmp_path / "damaged.safetensors"
        damaged.write_bytes(content)
        with pytest.raises(InputError, match="no file that fit_chance wrote"):
            EMScore(**TOY, against_chance=damaged).score(**rows)
    with pytest.raises(InputError, match="no file that fit_chance wrote"):
        EMScore(**TOY, against_chance=tmp_path / "none.safetensors").score(**rows)


def test_a_bank_that_is_made_again_has_the_same_digest_and_another_one_another():
    rows = toy_rows(3)
    one, same = (EMScore(**TOY).fit_chance(**rows).against_chance for _ in range(2))
    assert one.digest() == same.digest() and dict(one.numbers) == dict(same.numbers)
    others = [EMScore(**{**TOY, "frame_num": 2}).fit_chance(**rows), EMScore(**TOY).fit_chance(**toy_rows(4))]
    assert one.digest() not in [other.against_chance.digest() for other in others]
