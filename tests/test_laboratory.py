"""The laboratory of the toy world: what it draws, what it measures by, and that its command runs."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch

from benchmarks import laboratory
from benchmarks.laboratory import Task, markdown, tau
from benchmarks.laboratory_scores import GROUPS, best_window, in_order, plain
from benchmarks.laboratory_world import build, tasks_of
from vqe_core import EMScore
from vqe_core.scorers.emscore.clauses import clauses
from vqe_core.toy.claims import compatible, full_claims
from vqe_core.toy.world import num_events, sample_attributes


@pytest.fixture(scope="module")
def lab():
    return build(clips=6, bank=3)


def test_tau_is_that_of_counted_pairs():
    rng = np.random.default_rng(0)
    scores, right = rng.integers(0, 6, 40) / 5, rng.integers(0, 4, 40)
    pairs = list(itertools.combinations(range(40), 2))
    signs = [np.sign(scores[i] - scores[j]) * np.sign(right[i] - right[j]) for i, j in pairs]
    untied = [sum(values[i] != values[j] for i, j in pairs) for values in (scores, right)]
    assert tau(scores, right) == pytest.approx(sum(signs) / math.sqrt(untied[0] * untied[1]))
    assert tau(np.zeros(5), np.arange(5)) == 0


def test_plain_is_the_metric(lab):
    """On the frames themselves, by the scorer."""
    from vqe_core.toy.drawing import draw_clip

    first = sample_attributes(np.random.default_rng(1_000_000), events=1)
    rng = np.random.default_rng(1_000_000)
    attributes = sample_attributes(rng, events=1)
    assert (attributes == first).all()
    images, _ = draw_clip(attributes, rng, size=64, num_frames=24)
    cases = [case for case in lab.tasks["whole"] if case.clip == 0]
    report = EMScore(clip_model_path="toy").score(
        predictions=[case.text for case in cases], videos=[images] * len(cases)
    )
    assert plain()(lab, cases).tolist() == pytest.approx(report.rows["EMScore(X,V)_full_F"], abs=1e-5)


def test_captions_of_severity_0_are_true_and_the_others_false(lab):
    assert {case.severity for case in lab.tasks["whole"]} == set(range(7))
    assert {case.severity for case in lab.tasks["order"]} == {0, 1}
    attributes = [clip.attributes for clip in lab.clips]
    assert [num_events(each) for each in attributes] == [1, 2] * 3
    assert {case.clip for case in lab.tasks["moment"]} == {1, 3, 5}
    assert all(compatible(full_claims(each)[None], each[None])[0, 0] for each in attributes)
    assert tasks_of(attributes) == lab.tasks  # the same seeds draw the same


def test_every_score_of_every_group_is_a_number(lab):
    for name, scores in GROUPS.items():
        for score in scores.values():
            values = score(lab, lab.tasks["whole"][:8]).tolist()
            assert np.isfinite(values).all(), name
            assert len(set(values)) > 1


def test_one_window_or_one_clause_is_the_whole(lab):
    case = next(case for case in lab.tasks["whole"] if len(clauses(case.text)) == 1)
    whole = plain(sampler="all")(lab, [case])
    assert best_window(1)(lab, [case]) == in_order(sampler="all")(lab, [case]) == whole


def test_a_difference_is_paired(lab):
    task = Task(lab, lab.tasks["whole"], draws=10)
    same = task.measure(plain())
    assert same.difference == 0 and same.difference_interval == (0, 0)

    assert task.measure(
        lambda lab, cases: -torch.tensor([float(case.severity) for case in cases])
    ).pooled == pytest.approx(1)


@pytest.mark.slow
def test_the_command_runs(tmp_path, capsys):
    laboratory.main(["--quick", "--out", str(tmp_path)])
    out = capsys.readouterr().out
    content = json.loads((tmp_path / "laboratory.json").read_text())
    assert set(content["results"]) == {"", *GROUPS}
    assert markdown(content["results"]) in out
    assert all(f"**{name}**" in out for name in GROUPS)
