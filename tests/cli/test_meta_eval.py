"""``vqe meta-eval`` as a user types it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.clips import write_clip
from tests.meta_eval.releases import (
    WRITERS,
    positive_checkpoint,
    write_activitynet_foil,
    write_msvd_eval,
    write_vatex_eval,
)
from tests.required import required_package
from vqe_core import registry
from vqe_core.cli import main
from vqe_core.tables import read_table, write_table

required_package("scipy")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "release").mkdir()
    return str(write_msvd_eval(tmp_path / "release"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return positive_checkpoint(tmp_path_factory.mktemp("model"))


def test_a_text_metric_stands_beside_the_raters(folder, capsys):
    assert main(["meta-eval", "msvd-eval", folder, "--text-metric", "rouge-l", "--resamples", "20"]) == 0
    printed = capsys.readouterr().out
    assert "MSVD-Eval (msvd-eval): 8 captions of 8 videos" in printed
    assert "raters with each other" in printed
    assert "[1] Tong et al., G-VEval" in printed


def test_a_metric_takes_its_own_options(tmp_path, model, capsys):
    folder = str(write_vatex_eval(tmp_path))
    line = ["meta-eval", "vatex-eval:num_references=2", folder, "--metric", "emscore", "--clip-model-path", model]
    assert main([*line, "--idf", "false", "--resamples", "5", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["signature"]["idf"] == "none"
    assert list(said["figures"]) == ["EMScore(X,V)_full_F", "EMScore(X,X*)_full_F", "EMScore(X,V,X*)_full_F"]
    assert said["published"][0]["source"].startswith("Dipta")


def test_the_score_to_show_can_be_chosen(tmp_path, model, capsys):
    folder = str(write_vatex_eval(tmp_path))
    line = ["meta-eval", "vatex-eval", folder, "--metric=emscore", "--clip-model-path", model, "--resamples", "0"]
    assert main([*line, "--score", "EMScore(X,V)_cogr", "--format", "markdown"]) == 0
    assert "| EMScore(X,V)_cogr |" in capsys.readouterr().out


def test_rows_are_written_scored_and_read_back(tmp_path, folder, model, capsys):
    """The way of a metric that is not ours: rows out, scores in."""
    rows, scores = str(tmp_path / "rows.jsonl"), str(tmp_path / "scores.parquet")
    assert main(["meta-eval", "msvd-eval", folder, "--write-rows", rows]) == 0
    assert "8 captions written" in capsys.readouterr().out
    options = ["--clip-model-path", model, "--score-types", "EMScore(X,X*)", "--no-cache"]
    assert main(["score", "emscore", rows, "--out", scores, *options]) == 0
    capsys.readouterr()
    shown = ["--resamples", "0", "--format", "json"]
    name = "EMScore(X,X*)_full_F"
    assert main(["meta-eval", "msvd-eval", folder, "--scores", scores, "--score", name, *shown]) == 0
    by_table = json.loads(capsys.readouterr().out)["figures"][name]["tau_b"]["value"]
    assert main(["meta-eval", "msvd-eval", folder, "--metric", "emscore", "--clip-model-path", model, *shown]) == 0
    assert json.loads(capsys.readouterr().out)["figures"][name]["tau_b"]["value"] == pytest.approx(by_table)


def test_rows_of_segments_have_their_seconds(tmp_path, capsys):
    folder = write_activitynet_foil(tmp_path)
    assert main(["meta-eval", "activitynet-foil", str(folder), "--write-rows", str(tmp_path / "rows.csv")]) == 0
    assert {"start", "end"} <= read_table(tmp_path / "rows.csv").keys()


def test_another_id_column(tmp_path, folder, capsys):
    table = tmp_path / "scores.csv"
    write_table(table, {"name": [f"vid{i}" for i in range(8)], "mine": [i / 8 for i in range(8)]})
    line = ["meta-eval", "msvd-eval", folder, "--scores", str(table), "--score", "mine", "--id-key", "name"]
    assert main([*line, "--resamples", "5"]) == 0
    assert "mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing", "."], "vatex-eval"),
        (["msvd-eval", "nowhere"], "is no folder"),
        (["msvd-eval", "{folder}", "--metric", "nothing"], "emscore"),
        (["msvd-eval", "{folder}", "--scores", "nowhere.csv", "--score", "x"], "no table at"),
        (["msvd-eval", "{folder}", "--text-metric", "bleu"], "rouge-l"),
        (["msvd-eval", "{folder}", "--write-rows", "nowhere/rows.csv"], "make it first"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, arguments, words):
    assert main(["meta-eval", *(word.format(folder=folder) for word in arguments)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("vqe: error: ") and said.count("\n") == 1 and words in said


def test_help_names_the_benchmarks_and_the_options_of_a_metric(capsys):
    for more, word in (([], "flickr8k-expert"), (["--metric", "emscore"], "--frame-aggregation")):
        with pytest.raises(SystemExit):
            main(["meta-eval", *more, "--help"])
        assert word in capsys.readouterr().out


def test_the_list_of_benchmarks_says_what_each_asks(capsys):
    assert main(["list", "benchmark"]) == 0
    printed = capsys.readouterr().out
    assert (
        "vatex-eval:num_references=\n    VATEX-EVAL: captions of VATEX videos, each rated by three people." in printed
    )
    assert all(name in printed for name in registry.names("benchmark"))


def commands_of_the_page() -> list[str]:
    """Those that name a folder which a reader has downloaded."""
    text = (Path(__file__).parents[2] / "docs" / "meta-eval.md").read_text(encoding="utf-8")
    commands = re.findall(r"^vqe meta-eval .*$", text, re.MULTILINE)
    return [command for command in commands if command.split()[3] != "msvd"]


@pytest.mark.parametrize("command", commands_of_the_page())
def test_the_commands_of_the_page_run_on_made_up_releases(tmp_path, model, capsys, command):
    words = shlex.split(command)[1:]
    name = words[1].partition(":")[0]
    words[2] = str(WRITERS[name](tmp_path))
    if "--videos" in words:
        place = words.index("--videos") + 1
        words[place] = str(tmp_path / words[place])
        (tmp_path / "vatex_videos").mkdir()
        for i in range(6):
            frames = np.random.default_rng(i).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
            write_clip(tmp_path / "vatex_videos" / f"video{i}_000{i}.mp4", frames)
    if "--clip-model-path" in words:
        words[words.index("--clip-model-path") + 1] = model
    elif "--text-metric" not in words:
        metric = registry.load("benchmark", name).scorer
        words += [*(() if "--metric" in words else ("--metric", metric)), "--clip-model-path", model]
    assert main([*words, "--resamples", "5"]) == 0
    assert "this run" in capsys.readouterr().out
