"""The metric scripts that the package brings are found and load, wherever a user works."""

from __future__ import annotations

import shutil
from pathlib import Path

import evaluate
import pytest

import vqe_core
from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.integrations import metric_scripts

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", registry.names("scorer"))
def test_every_metric_has_a_script_that_loads_in_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metric = evaluate.load(vqe_core.metrics_path(name), cache_dir=str(tmp_path))
    assert metric.scorer.name == name
    assert metric.homepage.startswith("https://")


@pytest.mark.parametrize("name", ["emscor", "assemble", "", "../vqe_core", None, 3])
def test_another_name_is_refused_with_those_that_there_are(name):
    with pytest.raises(InputError, match=r"must be one of caption_judge, clip_score, emscore, video_audio_similarity"):
        vqe_core.metrics_path(name)


def test_a_space_has_its_script_beside_the_package(tmp_path, monkeypatch):
    """Laid out by metrics/assemble.py, where no folder of metrics is."""
    for file in ("emscore.py", "app.py"):
        shutil.copy(ROOT / "metrics" / "emscore" / file, tmp_path)
    monkeypatch.setattr(metric_scripts, "PACKAGE", tmp_path / "vqe_core")
    monkeypatch.setattr(metric_scripts, "PLACES", (tmp_path / "vqe_core" / "metrics", tmp_path / "metrics"))
    assert vqe_core.metrics_path("emscore") == str(tmp_path / "emscore.py")
    with pytest.raises(InputError, match="no metric: none is installed"):
        vqe_core.metrics_path("clip_score")
