"""What every registered benchmark promises: its release is read, and its figures have intervals."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.meta_eval.releases import WRITERS, positive_checkpoint
from tests.required import required_package
from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.meta_eval import Benchmark, rows_of, run_benchmark
from vqe_core.meta_eval.scoring import kind_of, make_scorer

required_package("scipy")
NAMES = registry.names("benchmark")


@pytest.fixture(params=NAMES)
def benchmark(request):
    return registry.create("benchmark", request.param)


@pytest.fixture
def folder(benchmark, tmp_path):
    return WRITERS[benchmark.name](tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return positive_checkpoint(tmp_path_factory.mktemp("model"))


def test_it_is_a_frozen_dataclass_with_a_name_and_a_text_form(benchmark):
    assert isinstance(benchmark, Benchmark)
    assert dataclasses.is_dataclass(benchmark)
    assert benchmark.name in NAMES
    assert pickle.loads(pickle.dumps(benchmark)) == benchmark
    assert hash(benchmark) == hash(type(benchmark)())
    assert registry.create("benchmark", registry.spec_of(benchmark)) == benchmark


def test_it_says_where_it_comes_from(benchmark):
    assert benchmark.title and "; github.com/" in benchmark.source
    assert benchmark.layout and benchmark.statistics
    assert benchmark.scorer in registry.names("scorer")


def test_published_figures_are_natural_have_sources_and_are_its_own(benchmark):
    for each in benchmark.published:
        assert each.source and each.inputs in ("V", "T", "VT")
        assert set(each.values) <= set(benchmark.statistics)
        assert all(-1 <= value <= 1 for value in each.values.values())


def test_its_release_is_read_from_the_layout_of_its_authors(benchmark, folder):
    release = benchmark.load(folder)
    assert len(release.items) == len(release.labels)
    assert release.labels.ndim == 2 and np.isfinite(release.labels).all()
    assert all(item.candidate for item in release.items)
    again = benchmark.load(folder)
    assert [item.id for item in again.items] == [item.id for item in release.items]


@pytest.mark.parametrize("partial", [False, True])
def test_an_empty_folder_is_refused_with_what_it_should_hold(benchmark, tmp_path, partial):
    with pytest.raises(InputError, match="The release consists of"):
        benchmark.load(tmp_path, partial=partial)


def test_every_statistic_has_a_value_and_an_interval(benchmark, folder, model):
    report = run_benchmark(benchmark, folder, options={"clip_model_path": model}, num_resamples=30)
    assert report.figures
    for figures in report.figures.values():
        assert tuple(figures) == benchmark.statistics
        for found in figures.values():
            assert -1 <= found.low <= found.high <= 1
    assert report.signature["metric"] == benchmark.scorer
    assert report.num_items == len(benchmark.load(folder).items)


def test_every_form_of_the_report_holds_the_figures(benchmark, folder, model):
    report = run_benchmark(benchmark, folder, options={"clip_model_path": model}, num_resamples=10)
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["figures"].keys() == report.figures.keys()
    for text in ("\n".join(report.lines()), report.markdown()):
        assert all(name in text for name in (*report.figures, *benchmark.statistics, benchmark.title))
        assert all(each.metric in text and each.source in text for each in benchmark.published)


def test_scores_from_a_table_give_the_figures_of_the_metric(benchmark, folder, model):
    """Whoever scores the rows by other means gets the same figures."""
    by_metric = run_benchmark(benchmark, folder, options={"clip_model_path": model}, num_resamples=5)
    release = benchmark.load(folder)
    generator = np.random.default_rng(0)
    scores = dict(zip([item.id for item in release.items], generator.random(len(release.items)), strict=True))
    shuffled = sorted(scores, key=lambda name: scores[name])
    table = {"id": shuffled, "mine": [scores[name] for name in shuffled]}
    by_table = run_benchmark(benchmark, folder, scores=table, columns=["mine"], num_resamples=5)
    expected = benchmark.figures(benchmark.observe(release, np.array(list(scores.values()))))
    assert {name: found.value for name, found in by_table.figures["mine"].items()} == pytest.approx(expected)
    assert by_table.published == by_metric.published


def test_the_order_of_scores_is_what_counts(benchmark, folder):
    """Scores that are the first rater's labels agree with people better than their opposite."""
    release = benchmark.load(folder)
    values = release.labels[:, 0]
    best, worst = (benchmark.figures(benchmark.observe(release, sign * values)) for sign in (1, -1))
    first = benchmark.statistics[0]
    assert best[first] > worst[first]


def test_rows_can_be_scored_by_anything(benchmark, folder):
    release = benchmark.load(folder)
    rows = rows_of(release, "clips")
    assert {len(column) for column in rows.values()} == {len(release.items)}
    assert {"id", "candidate", "reference", "video_path"} <= rows.keys()
    assert all(path.startswith("clips") for path in rows["video_path"])


def test_every_registered_metric_takes_the_options_of_the_protocol(benchmark, folder):
    for name in registry.names("scorer"):
        scorer = make_scorer(benchmark, name, kind_of(benchmark.load(folder), None), {})
        assert scorer.name == name


def test_a_constant_score_says_nothing(benchmark, folder):
    release = benchmark.load(folder)
    figures = benchmark.figures(benchmark.observe(release, np.full(len(release.items), 0.5)))
    assert all(math.isnan(value) or value in (0, 1) for value in figures.values())


def test_the_page_has_its_published_figures(benchmark):
    """By metric, figures in the unit of the papers, and source."""
    page = (Path(__file__).parents[2] / "docs" / "meta-eval.md").read_text(encoding="utf-8")
    assert f"`{benchmark.name}`" in page
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")
    ]
    for each in benchmark.published:
        numbers = [
            f"{value * 100:.1f}" if benchmark.scale == 100 else f"{value:.3f}".lstrip("0")
            for value in each.values.values()
        ]
        found = [row for row in rows if row[0] == each.metric and row[-1] == each.source]
        assert any(set(numbers) <= set(row) for row in found), (each.metric, numbers, found)
