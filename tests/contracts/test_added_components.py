"""What CONTRIBUTING promises: a component of another package works in Python, `evaluate`, `map` and the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vqe_core.toy.clips import make_clip, write_clip

ROOT = Path(__file__).parents[2]
PARTS, NEGATIVE = "tests.contracts.plugin.parts", "tests.contracts.plugin.negative"
POINTS = {
    "sampler": {"last": "LastFrames"},
    "reader": {"negative": "Negative"},
    "encoder": {"mean_colour": "MeanColour"},
    "describer": {"loudness": "Loudness"},
    "judge": {"brightness": "Brightness"},
    "caption_judge": {"brevity": "Brevity"},
    "benchmark": {"verbosity": "Verbosity"},
    "scorer": {"caption_length": "CaptionLength", "best_frame": "BestFrame"},
}
METRIC = '''"""A metric of another package."""

import evaluate

import vqe_core


class BestFrame(vqe_core.evaluate_inputs.OptionalInputs, evaluate.Metric):
    scorer = vqe_core.registry.load("scorer", "best_frame")

    def _info(self):
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=self.input_features())
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the package's entry points installed beside it, two clips and a table."""
    folder = tmp_path_factory.mktemp("added")
    info = folder / "vqe_added-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vqe-added\nVersion: 1\n")
    lines = []
    for kind, components in POINTS.items():
        module = NEGATIVE if kind == "reader" else PARTS
        lines += [f"[vqe_core.{kind}]", *(f"{name} = {module}:{cls}" for name, cls in components.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for i in range(2):
        write_clip(make_clip(i), folder / f"{i}.mp4")
    rows = [{"video_path": f"{i}.mp4", "candidate": text} for i, text in enumerate(["a red one", "blue"])]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "best_frame").mkdir()
    (folder / "best_frame" / "best_frame.py").write_text(METRIC)
    return folder


def run(place, *command, typed=None):
    path = os.pathsep.join([str(place), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "HF_HOME": str(place / "home")}
    ran = subprocess.run(
        [sys.executable, *command], cwd=place, env=environment, capture_output=True, text=True, input=typed
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


COMMANDS = """
import sys
from vqe_core.cli import main

for line in sys.stdin.read().splitlines():
    print("$", line, flush=True)
    try:
        main(line.split())
    except SystemExit:
        pass
"""


def vqe(place, *lines):
    """What each command printed; all run in one process, as starting one costs most of the time."""
    said = run(place, "-c", COMMANDS, typed="\n".join(lines))
    return [part.partition("\n")[2] for part in said.split("$ ")[1:]]


def signature_in(said):
    return json.loads(said.partition("signature: ")[2].splitlines()[0])


def test_the_command_lists_and_scores_with_every_one(place):
    rows = "rows.jsonl --out out.jsonl --no-cache"
    own = "--encoder mean_colour:gain=2 --sampler last:count=3 --reader negative:level=250"
    listed, samplers, metrics, length, scored, words, best, judged, brief, described, agreed = vqe(
        place,
        "list",
        "list sampler",
        "score --help",
        "score caption_length --help",
        f"score emscore {rows} {own}",
        f"score caption_length {rows} --most 2",
        f"score best_frame {rows} {own}",
        f"score video_audio_similarity {rows} --judge brightness:best=200",
        f"score caption_judge {rows} --judge brevity:most=5",
        f"score video_audio_similarity {rows} --describer loudness:border=0.01 --hf-clip toy",
        "meta-eval verbosity:liked=-1 . --metric caption_length --most 9",
    )
    for components in POINTS.values():
        assert all(name in listed for name in components)
    assert "last:count=" in samplers
    assert "Caption length: how many words a caption has" in metrics
    assert "--most" in length
    signature = signature_in(scored)
    assert signature["model"] == "mean_colour" and signature["gain"] == "2.0"
    assert signature["sampler"] == {"name": "last", "count": 3}
    assert signature["reader"] == "negative:level=250"
    assert "num_words                      1.5000" in words
    assert "best_frame" in best
    assert signature_in(judged)["judge"] == {"judge": "brightness", "best": "200"}
    assert signature_in(brief)["judge"] == {"judge": "brevity", "most": "5"}
    assert "caption_judge                  0.6000" in brief
    assert "num_words  " in agreed and "-1.000" not in agreed and "-100.0" in agreed
    assert signature_in(described)["describer"] == {"describer": "loudness", "border": "0.01"}
    table = [json.loads(line) for line in (place / "out.jsonl").read_text().splitlines()]
    assert [row["description"] for row in table] == ["a loud bell"] * 2


PYTHON = """
import json
import datasets, evaluate
from vqe_core import EMScore, VideoAudioSimilarity, registry
from tests.contracts.plugin.negative import Negative
from tests.contracts.plugin.parts import Brightness, LastFrames, Loudness, MeanColour

def same(one, other):
    return json.dumps(one) == json.dumps(other)  # NaN is like NaN


rows = {"predictions": ["a red one", "blue"], "videos": ["0.mp4", "1.mp4"]}
by_object = EMScore(encoder=MeanColour(gain=2), sampler=LastFrames(3), reader=Negative(250))
by_spec = EMScore(encoder="mean_colour:gain=2", sampler="last:count=3", reader="negative:level=250")
first, second = by_object.compute(**rows), by_spec.compute(**rows)
assert first == second, (first, second)
shorthand = {"clip_model_path": "mean_colour:gain=2", "decoder": Negative(250)}
assert EMScore(**shorthand, sampler="last:count=3").compute(**rows) == first
assert EMScore(encoder=MeanColour(), sampler=LastFrames(3)).compute(**rows) != first
options = {"encoder": MeanColour(gain=2), "sampler": LastFrames(3), "reader": Negative(250)}
assert EMScore(**options, isolate=True).compute(**rows) == first

sound = {"videos": rows["videos"]}
judged = [VideoAudioSimilarity(judge=judge).compute(**sound) for judge in (Brightness(200), "brightness:best=200")]
assert same(*judged)
describers = (Loudness(0.01), "loudness:border=0.01")
described = [VideoAudioSimilarity(hf_clip="toy", describer=each).compute(**sound) for each in describers]
assert same(*described)

table = datasets.Dataset.from_dict({"candidate": rows["predictions"], "video_path": rows["videos"]})
scored = table.map(by_spec, batched=True)
assert scored["status"][:] == ["ok", "ok"]
assert abs(sum(scored["EMScore(X,V)_full_F"][:]) / 2 - first["EMScore(X,V)_full_F"]) < 1e-6

metric = evaluate.load("best_frame")
result = metric.compute(**rows, encoder="mean_colour", sampler="last:count=3")
own = registry.load("scorer", "best_frame")(encoder=MeanColour(), sampler=LastFrames(3)).compute(**rows)
assert result == own, (result, own)
print(json.dumps(own))
"""


@pytest.mark.slow
def test_python_evaluate_and_map_take_objects_and_specs_alike(place):
    said = run(place, "-c", PYTHON)
    assert 0 < json.loads(said.splitlines()[-1])["best_frame"] <= 1


def test_a_package_that_cannot_be_imported_costs_its_own_name_only(place, tmp_path):
    info = tmp_path / "vqe_broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vqe-broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[vqe_core.scorer]\nbroken = nowhere.at_all:Scorer\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, "-m", "vqe_core.cli", "score", "--help"]
    ran = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert "cannot be imported: ModuleNotFoundError" in " ".join(ran.stdout.split())
    assert "emscore" in ran.stdout
