"""Scores rescaled by what unrelated captions score."""

from __future__ import annotations

import json
import statistics
from typing import Any

import pytest
from datasets.fingerprint import Hasher

from tests.toy_rows import toy_rows
from vqe_core import EMScore, fit_baseline
from vqe_core.errors import InputError
from vqe_core.scorers.emscore.baseline import load_baseline
from vqe_core.scorers.emscore.scoring import PARTNERS, mismatches

TOY: dict[str, Any] = {"clip_model_path": "toy", "frame_num": 3, "progress": False}


def references(clips: int) -> list[list[str]]:
    from vqe_core.toy.clips import make_clip

    return [make_clip(seed).captions(3)[1:] for seed in range(clips)]


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Any]]:
    return {**toy_rows(4), "references": references(4)}


def test_a_baseline_is_the_mean_of_all_mismatches(rows):
    """With few clips every other one takes part; each pair is scored by itself here."""
    baseline = EMScore(**TOY).fit_baseline(**rows).baseline
    slow: dict[str, list[float]] = {}
    for i, caption in enumerate(rows["predictions"]):
        for j in (j for j in range(4) if j != i):
            other = {"videos": [rows["videos"][j]], "references": [rows["references"][j]]}
            for name, (value,) in EMScore(**TOY).score(predictions=[caption], **other).rows.items():
                slow.setdefault(name, []).append(value)
    assert dict(baseline.values) == pytest.approx({name: statistics.mean(values) for name, values in slow.items()})
    assert (baseline.num_rows, baseline.num_groups) == (4, 4)


def test_scores_are_rescaled_and_say_so(rows, tmp_path):
    plain, path = EMScore(**TOY, return_all_frames=True), tmp_path / "baseline.json"
    fitted = plain.fit_baseline(**rows, path=path)
    before, after = plain.score(**rows), fitted.score(**rows)
    for name, column in before.rows.items():
        b = fitted.baseline.values[name]
        assert after.rows[name] == pytest.approx([(value - b) / (1 - b) for value in column], rel=1e-12)
    b = fitted.baseline.values["EMScore(X,V)_cogr"]
    frame, scaled = (report.details["frame_details"][0][1]["EMScore(X,V)"]["cogr"] for report in (before, after))
    assert scaled == pytest.approx((frame - b) / (1 - b))
    assert after.signature == {**before.signature, "baseline": fitted.baseline.digest()}
    from_file = EMScore(**TOY, return_all_frames=True, baseline=path)
    assert from_file.score(**rows).rows == after.rows
    assert from_file.score(**rows).signature == after.signature
    assert Hasher.hash(from_file) != Hasher.hash(plain)


def test_unrelated_captions_are_at_0(rows):
    scorer = fit_baseline(**rows, **TOY)
    turned = {"predictions": rows["predictions"][1:] + rows["predictions"][:1]}
    wrong = [scorer.compute(**{**rows, "predictions": turned["predictions"]})["EMScore(X,V)_full_F"]]
    assert abs(statistics.mean(wrong)) < 0.15 < 0.4 < scorer.compute(**rows)["EMScore(X,V)_full_F"]


def test_ranks_stay_as_they_are(rows):
    given = {name: rows[name] for name in ("predictions", "videos")}
    plain = EMScore(**TOY, against_chance=True)
    fitted = plain.fit_baseline(**given)
    one, other = plain.score(**given), fitted.score(**given)
    assert one.calibration == other.calibration
    assert one.rows["EMScore(X,V)_z"] == other.rows["EMScore(X,V)_z"]


def test_a_baseline_of_other_options_is_refused(rows, tmp_path):
    given = {name: rows[name] for name in ("predictions", "videos")}
    baseline = EMScore(**TOY).fit_baseline(**given).baseline
    with pytest.raises(InputError, match=r"measured with sampler .*'frame_num': 3\}.*; measure one with the options"):
        EMScore(**{**TOY, "frame_num": 2}, baseline=baseline).score(**given)
    with pytest.raises(InputError, match=r"measured with idf 'none' .*; fit idf to a file for both"):
        EMScore(**TOY, idf=True, baseline=baseline).score(**given)
    with pytest.raises(InputError, match=r"no value for EMScore\(X,X\*\)_figr_P"):
        EMScore(**TOY, baseline=baseline).score(**rows)
    both = EMScore(**TOY).fit_baseline(**rows).baseline
    for change in ("cogr_weight", "reference_weight"):
        with pytest.raises(InputError, match=f"measured with {change} 0.5"):
            EMScore(**TOY, **{change: 0.4}, baseline=both).score(**rows)


def test_what_is_no_baseline(rows, tmp_path):
    path = tmp_path / "baseline.json"
    EMScore(**TOY).fit_baseline(**rows, path=path)
    content = json.loads(path.read_text())
    assert load_baseline(path).values == content["values"]
    path.write_text(json.dumps({**content, "values": {**content["values"], "EMScore(X,V)_cogr": 0.1}}))
    with pytest.raises(InputError, match="was altered"):
        EMScore(**TOY, baseline=path).score(**rows)
    for text in ("", "[]", "{}", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(InputError, match="no file that fit_baseline or vqe baseline build wrote"):
            load_baseline(path)
    with pytest.raises(InputError, match="no file that fit_baseline"):
        load_baseline(tmp_path / "none.json")
    with pytest.raises(TypeError, match=r"baseline \(0.3\) must be the path of a file"):
        EMScore(baseline=0.3)
    with pytest.raises(InputError, match="at least 2 clips, got 1"):
        EMScore(**TOY).fit_baseline(**toy_rows(1, captions=2))


def test_partners_are_of_other_groups_each_once_and_few():
    groups = [i // 3 for i in range(90)]
    pairs = mismatches(list(range(90)), groups)
    assert len(pairs) == len(set(pairs)) == 90 * PARTNERS
    partners: dict[int, list[int]] = {}
    for one, other in pairs:
        partners.setdefault(one, []).append(groups[other])
    for one, others in partners.items():
        assert groups[one] not in others and len(set(others)) == PARTNERS
