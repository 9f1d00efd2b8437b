"""``metrics/assemble.py`` lays out Spaces that need nothing but what an index has."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.app.browser import ROOT, chromium, serve, visit
from tests.required import required_package
from vqe_core.toy.clips import make_clip, write_clip

METRICS = ("caption_judge", "clip_score", "emscore", "side_by_side", "video_audio_similarity")
WITHOUT_METRIC = ("side_by_side",)  # a page of several metrics
OWN = "the package of this Space\n"


def assembled(metric: str, folder: Path) -> Path:
    command = [sys.executable, str(ROOT / "metrics" / "assemble.py"), metric, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert f"hf upload YOU/{metric} {folder} . --repo-type space" in ran.stdout
    return folder


def files_of(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)}


def test_every_metric_has_a_space():
    scripts = [path.stem for path in ROOT.glob("metrics/*/*.py") if path.stem == path.parent.name]
    pages = [path.parent.name for path in ROOT.glob("metrics/*/app.py")]
    assert tuple(sorted(pages)) == METRICS
    assert sorted(scripts) == sorted(set(METRICS) - set(WITHOUT_METRIC))


@pytest.mark.parametrize("metric", METRICS)
def test_a_space_holds_page_metric_and_the_whole_package(metric, tmp_path):
    space = assembled(metric, tmp_path / "deep" / "space")
    assert {path.name for path in space.iterdir()} == {
        *("README.md", "LICENSE", "app.py", "requirements.txt", "vqe_core"),
        *(() if metric in WITHOUT_METRIC else (f"{metric}.py",)),
    }
    assert files_of(space / "vqe_core") == files_of(ROOT / "vqe_core")
    assert not list(space.rglob("__pycache__"))


def test_requirements_are_those_of_package_and_pages_without_gradio(tmp_path):
    lists = runpy.run_path(str(ROOT / "setup.py"))
    lines = (assembled("emscore", tmp_path) / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    assert [Requirement(line).name for line in listed].count("vqe-core") == 0
    assert {*listed, *(line for line in lists["APP"] if line.startswith("gradio"))} == {
        *lists["REQUIRED"],
        *lists["APP"],
    }


@pytest.mark.parametrize("metric", METRICS)
def test_the_gradio_that_a_space_installs_is_one_that_the_pages_allow(metric):
    card = (ROOT / "metrics" / metric / "README.md").read_text(encoding="utf-8")
    (version,) = re.findall(r"^sdk_version: (\S+)$", card, re.MULTILINE)
    (gradio,) = [line for line in runpy.run_path(str(ROOT / "setup.py"))["APP"] if line.startswith("gradio")]
    assert version in Requirement(gradio).specifier


def test_a_space_laid_over_its_clone_leaves_no_old_module_and_the_rest_alone(tmp_path):
    (tmp_path / "vqe_core").mkdir()
    (tmp_path / "vqe_core" / "gone.py").touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").touch()
    assembled("emscore", tmp_path)
    assert not (tmp_path / "vqe_core" / "gone.py").exists()
    assert (tmp_path / ".git" / "config").exists()


@pytest.mark.parametrize("metric", METRICS)
def test_what_lies_in_the_checkout_asks_no_index_for_the_package(metric):
    lines = (ROOT / "metrics" / metric / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ("caption_judge", ".vqe-judged"),
        ("clip_score", ".vqe-scores"),
        ("emscore", ".vqe-scores"),
        ("side_by_side", ".vqe-answers"),
        ("video_audio_similarity", ".vqe-tiles"),
    ],
)
def test_an_assembled_space_scores_with_its_own_package_and_nothing_else_on_the_path(metric, shown, tmp_path):
    required_package("gradio")
    space = assembled(metric, tmp_path / "space")
    with (space / "vqe_core" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(f"\nimport sys\nprint({OWN.strip()!r}, file=sys.stderr)\n")
    clip = make_clip(seed=7)
    write_clip(clip, tmp_path / "clip.mp4")
    with (
        chromium() as browser,
        serve("app.py", space, tmp_path, PYTHONPATH="") as address,
        visit(browser, address) as at,
    ):
        at.upload(tmp_path / "clip.mp4")
        if metric != "video_audio_similarity":
            at.page.fill("#captions textarea", clip.captions(1)[0])
        assert re.search(r"\d\.\d", at.score(shown))
        assert at.errors == [] and at.other_hosts() == set()
    assert OWN in (tmp_path / "log.txt").read_text()
