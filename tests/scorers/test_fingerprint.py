"""What datasets takes a scorer for: everything that changes a score, and nothing else."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import dill
import pytest
from datasets.fingerprint import Hasher

import vqe_core
from vqe_core import EMScore, VideoAudioSimilarity
from vqe_core.functional.idf import idf_from_mapping, idf_to_json
from vqe_core.scorers import fingerprint
from vqe_core.scorers.fingerprint import environment, merged_environments

ROOT = Path(__file__).parents[2]


def hashes_elsewhere(before: str, expression: str) -> str:
    """The hash that another process gives a scorer."""
    code = f"{before}\nimport vqe_core\nscorer = {expression}\nfrom datasets.fingerprint import Hasher\n"
    ran = subprocess.run(
        [sys.executable, "-c", code + "print(Hasher.hash(scorer))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return ran.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("before", ["import datasets", ""], ids=["datasets-first", "vqe-first"])
@pytest.mark.parametrize(
    "expression",
    [
        "vqe_core.EMScore(clip_model_path='toy', every_n_seconds=1.0, metrics=['cogr'])",
        "vqe_core.VideoAudioSimilarity(hf_clip='toy', labels=['rain', 'a dog'], min_score=0.2)",
    ],
)
def test_equal_options_hash_the_same_in_another_process(before, expression):
    assert hashes_elsewhere(before, expression) == Hasher.hash(eval(expression, {"vqe_core": vqe_core}))


@pytest.mark.parametrize("harmless", [{"device": "cpu"}, {"batch_size": 3}, {"progress": False}])
def test_how_to_run_is_carried_by_a_pickle_but_is_not_in_the_hash(harmless):
    scorer = EMScore(clip_model_path="toy", **harmless)
    assert Hasher.hash(scorer) == Hasher.hash(EMScore(clip_model_path="toy"))
    for copy in (pickle.loads(pickle.dumps(scorer)), dill.loads(dill.dumps(scorer))):
        assert copy == scorer
        assert next(iter(harmless.items())) in dataclasses.asdict(copy).items()


@pytest.mark.parametrize(
    "change",
    [
        {"every_n_frames": 2},
        {"max_frames": 9},
        {"dtype": "bfloat16"},
        {"on_error": "skip"},
        {"idf": {1: 2.0}},
        {"idf": idf_from_mapping({1: 2.0})},
        {"metrics": ["cogr"]},
        {"video_key": "v"},
        {"long_text": "truncate"},
        {"return_all_frames": True},
    ],
)
def test_what_changes_columns_is_in_the_hash(change):
    plain, changed = EMScore(clip_model_path="toy"), EMScore(clip_model_path="toy", **change)
    assert Hasher.hash(changed) != Hasher.hash(plain)
    assert Hasher.hash(changed) == Hasher.hash(EMScore(clip_model_path="toy", **change))


def test_only_options_that_are_said_to_change_nothing_are_left_out():
    left_out = {
        field.name
        for kind in (EMScore, VideoAudioSimilarity)
        for field in dataclasses.fields(kind)
        if not field.metadata.get("changes_scores", True)
    }
    assert {"device", "batch_size", "progress"} <= left_out
    assert not left_out & {"dtype", "on_error", "max_frames", "seed", "backend", "row_timeout", "isolate"}


def test_versions_are_in_the_hash(monkeypatch):
    scorer = EMScore(clip_model_path="toy")
    before = Hasher.hash(scorer)
    monkeypatch.setattr(fingerprint, "__version__", "99")
    newer = Hasher.hash(scorer)
    monkeypatch.setattr(fingerprint, "version", lambda name: "99")
    assert len({before, newer, Hasher.hash(scorer)}) == 3


def test_a_file_or_model_that_is_named_counts_by_its_content(clip_folder, tmp_path):
    idf = tmp_path / "idf.json"
    idf.write_text(idf_to_json(idf_from_mapping({1: 2.0})))
    weights = EMScore(clip_model_path="toy", idf=str(idf))
    before = Hasher.hash(weights)
    idf.write_text(idf_to_json(idf_from_mapping({1: 3.0})))
    assert Hasher.hash(weights) != before

    import shutil

    model = tmp_path / "model"
    shutil.copytree(clip_folder, model)
    scorer = EMScore(clip_model_path=str(model))
    before = Hasher.hash(scorer)
    (model / "preprocessor_config.json").write_text('{"size": 8}')
    assert Hasher.hash(scorer) != before


def test_a_model_out_of_reach_is_hashed_by_its_name():
    here, there = (Hasher.hash(EMScore(clip_model_path=f"nobody/{name}")) for name in ("here", "there"))
    assert here != there


def test_the_function_that_describes_sounds_is_in_the_hash():
    def one(path: str) -> str:
        return "rain"

    def other(path: str) -> str:
        return "a dog"

    hashes = {Hasher.hash(VideoAudioSimilarity(hf_clip="toy", describer=function)) for function in (one, other)}
    assert len(hashes) == 2


def test_without_the_pickler_of_datasets_all_options_are_hashed(monkeypatch):
    from datasets.utils import _dill

    monkeypatch.setattr(fingerprint, "_teach_datasets", lambda: None)
    monkeypatch.delitem(_dill.Pickler.dispatch, fingerprint.CarriedOptions, raising=False)
    plain = EMScore(clip_model_path="toy")
    assert Hasher.hash(plain) == Hasher.hash(EMScore(clip_model_path="toy"))
    assert Hasher.hash(EMScore(clip_model_path="toy", batch_size=3)) != Hasher.hash(plain)


def test_what_computes_stands_in_the_environment():
    found = environment({"model": "toy", "device": "cuda", "audio_device": "cpu"}, {"pyav 1", "frames 1", ""})
    assert (found["device"], found["audio_device"], found["readers"]) == ("cuda", "cpu", ["frames 1", "pyav 1"])
    assert "model" not in found
    assert found["torch"] == version("torch") and found["av"] == version("av") and found["python"]
    assert "readers" not in environment()


def test_environments_of_batches_are_told_together():
    merged = merged_environments([{"av": "1"}, {"av": "2", "readers": ["b"]}, {"readers": ["a"]}, {}])
    assert merged == {"av": ["1", "2"], "readers": ["a", "b"]}
    assert merged_environments([]) == {}
