"""Both metrics inside the real ``evaluate``: its ways to collect rows, combine, save, pickle and share work."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dill
import evaluate
import pytest

import vqe_core
from tests.alike import assert_alike
from vqe_core.errors import InputError
from vqe_core.toy.clips import make_clip

CLIPS = [make_clip(seed, size=64, num_frames=4, seconds=1.0) for seed in range(4)]
SOUNDS = [{"array": clip.waveform, "sampling_rate": clip.sampling_rate} for clip in CLIPS]
ROWS: dict[str, dict[str, list[Any]]] = {
    "emscore": {
        "predictions": [clip.captions(1)[0] for clip in CLIPS],
        "references": [clip.captions(2) for clip in CLIPS],
        "videos": [clip.frames for clip in CLIPS],
    },
    "video_audio_similarity": {
        "videos": [clip.frames for clip in CLIPS],
        "audios": SOUNDS,
        "audio_descriptions": [None] * 4,
        "groups": [None, "a", "b", "c"],
    },
}
OPTIONS = {"emscore": {"clip_model_path": "toy"}, "video_audio_similarity": {"hf_clip": "toy"}}
SCORERS = {"emscore": vqe_core.EMScore, "video_audio_similarity": vqe_core.VideoAudioSimilarity}
BOTH = pytest.mark.parametrize("name", list(ROWS))


def load(name: str, folder: Path, **arguments: Any) -> Any:
    return evaluate.load(f"metrics/{name}", cache_dir=str(folder), **{**OPTIONS[name], **arguments})


def rows_of(name: str, *indices: int) -> dict[str, list[Any]]:
    return {column: [values[i] for i in indices] for column, values in ROWS[name].items()}


def expected(name: str, *indices: int, **options: Any) -> dict[str, Any]:
    return SCORERS[name](**{**OPTIONS[name], **options}).compute(**rows_of(name, *indices))


def singular(name: str) -> str:
    return {"predictions": "prediction", "references": "reference"}.get(name, name)


@BOTH
def test_options_may_be_given_at_load_and_overruled_in_a_call(name, tmp_path):
    metric = load(name, tmp_path, frame_num=2)
    assert_alike(metric.compute(**rows_of(name, 0, 1)), expected(name, 0, 1, frame_num=2))
    assert_alike(metric.compute(**rows_of(name, 0, 1), frame_num=3), expected(name, 0, 1, frame_num=3))
    with pytest.raises(TypeError, match="unexpected keyword argument 'frames'"):
        load(name, tmp_path, frames=2)
    with pytest.raises(InputError, match="frame_num"):
        load(name, tmp_path, frame_num=0)


@BOTH
def test_the_cache_dir_of_load_is_of_evaluate_and_that_of_compute_is_of_embeddings(name, tmp_path):
    host, embeddings = tmp_path / "host", tmp_path / "embeddings"
    metric = load(name, host)
    plain = metric.compute(**rows_of(name, 0, 1))
    assert Path(metric.data_dir).is_relative_to(host)
    assert not list(tmp_path.rglob("*.safetensors"))
    cached = metric.compute(**rows_of(name, 0, 1), cache_dir=str(embeddings))
    assert_alike(cached, plain)
    stored = {path for path in embeddings.rglob("*") if path.is_file()}
    assert stored
    assert metric.compute(**rows_of(name, 0, 1), cache_dir=str(embeddings)) == cached
    assert {path for path in embeddings.rglob("*") if path.is_file()} == stored
    assert not list(host.rglob("*.safetensors"))


def test_the_seed_of_load_is_of_both(tmp_path):
    metric = load("video_audio_similarity", tmp_path, seed=7)
    assert (metric.seed, metric.options["seed"]) == (7, 7)


@BOTH
@pytest.mark.parametrize("keep_in_memory", [False, True])
def test_rows_may_be_added_one_by_one_in_batches_and_with_the_call(name, tmp_path, keep_in_memory):
    metric = load(name, tmp_path, keep_in_memory=keep_in_memory)
    for _ in range(2):
        metric.add(**{singular(column): values[0] for column, values in rows_of(name, 0).items()})
        metric.add_batch(**rows_of(name, 1, 2))
        assert_alike(metric.compute(**rows_of(name, 3)), expected(name, 0, 1, 2, 3))


@BOTH
def test_the_result_is_plain_and_saves(name, tmp_path):
    details = {"emscore": {"return_all_frames": True}, "video_audio_similarity": {"return_profile": True}}[name]
    result = load(name, tmp_path, per_sample=True, **details).compute(**rows_of(name, 0, 1, 2))
    file = evaluate.save(tmp_path / "results" / "run.json", **result, model="ours")
    saved = json.loads(file.read_text())
    assert repr({key: saved[key] for key in result}) == repr(json.loads(json.dumps(result)))
    assert saved["model"] == "ours"
    assert [path.name for path in file.parent.iterdir()] == ["run.json"]


def test_two_metrics_combine(tmp_path):
    metrics = [load(name, tmp_path) for name in ROWS]
    every = {column: values for rows in ROWS.values() for column, values in rows.items()}
    captions, sounds = (expected(name, 0, 1, 2, 3) for name in ROWS)

    combined = evaluate.combine(metrics)
    combined.add_batch(**every)
    result = combined.compute()
    assert_alike(result["EMScore(X,V)_full_F"], captions["EMScore(X,V)_full_F"])
    assert_alike(result["similarity"], sounds["similarity"])
    # What both call by one name carries the names of the metrics.
    assert result["em_score_signature"] == captions["signature"]
    assert result["video_audio_similarity_num_rows"] == 4

    prefixed = evaluate.combine(metrics, force_prefix=True)
    for i in range(4):
        prefixed.add(**{singular(column): values[i] for column, values in every.items()})
    result = prefixed.compute()
    assert_alike({key: result[f"em_score_{key}"] for key in captions}, captions)
    assert_alike({key: result[f"video_audio_similarity_{key}"] for key in sounds}, sounds)


def test_a_combination_asks_for_every_optional_column_by_name(tmp_path):
    combined = evaluate.combine({"a": load("emscore", tmp_path), "b": load("emscore", tmp_path, frame_num=2)})
    rows = rows_of("emscore", 0)
    with pytest.raises(KeyError, match="videos"):
        combined.add_batch(predictions=rows["predictions"], references=rows["references"])
    combined.add_batch(predictions=rows["predictions"], references=rows["references"], videos=None)
    result = combined.compute()
    assert result["a_EMScore(X,X*)_cogr"] == result["b_EMScore(X,X*)_cogr"] == pytest.approx(1.0, abs=1e-5)


@BOTH
def test_an_error_leaves_the_object_usable_at_once(name, tmp_path):
    metric = load(name, tmp_path)
    metric.add(**{singular(column): values[0] for column, values in rows_of(name, 0).items()})
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
        metric.compute(**{**rows_of(name, 1), "videos": ["none.mp4"]})
    # No lock is held and no file is left.
    assert not list(Path(metric.data_dir).glob("*.arrow"))
    metric.add_batch(**rows_of(name, 0, 1))
    assert not list(Path(metric.data_dir).glob("*.arrow"))  # nor is there one while rows wait
    assert_alike(metric.compute(), expected(name, 0, 1))
    assert not list(Path(metric.data_dir).glob("*.arrow"))


def test_ctrl_c_leaves_the_object_usable_at_once(tmp_path):
    def stop(waveform: Any, sampling_rate: int) -> str:
        raise KeyboardInterrupt

    metric = load("video_audio_similarity", tmp_path)
    rows = rows_of("video_audio_similarity", 0, 1)
    with pytest.raises(KeyboardInterrupt):
        metric.compute(**rows, describer=stop, method="description")
    assert not list(Path(metric.data_dir).glob("*.arrow"))
    assert_alike(metric.compute(**rows), expected("video_audio_similarity", 0, 1))


def test_a_wrong_call_keeps_the_rows_added_before_and_their_files(tmp_path):
    metric = load("emscore", tmp_path)
    metric.add_batch(**rows_of("emscore", 0))
    with pytest.raises(InputError, match="one entry a row"):
        metric.compute(predictions=["a", "b"], videos=["x"])
    assert_alike(metric.compute(), expected("emscore", 0))


@BOTH
def test_threads_may_share_an_object(name, tmp_path):
    metric = load(name, tmp_path)
    pairs = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)]
    with ThreadPoolExecutor(len(pairs)) as threads:
        results = list(threads.map(lambda pair: metric.compute(**rows_of(name, *pair)), pairs))
    assert_alike(results, [expected(name, *pair) for pair in pairs])


@BOTH
@pytest.mark.parametrize("package", [pickle, dill], ids=["pickle", "dill"])
def test_an_object_pickles_before_and_after_compute(name, tmp_path, package):
    metric = load(name, tmp_path)
    for _ in range(2):
        again = package.loads(package.dumps(metric))
        assert_alike(again.compute(**rows_of(name, 0, 1)), expected(name, 0, 1))
        assert_alike(metric.compute(**rows_of(name, 0, 1)), expected(name, 0, 1))
    metric.add_batch(**rows_of(name, 0))
    copy = package.loads(package.dumps(metric))
    with pytest.raises(InputError, match="no rows to score"):
        copy.compute()
    copy.add_batch(**rows_of(name, 1, 2))
    assert_alike(copy.compute(), expected(name, 1, 2))
    metric.add_batch(**rows_of(name, 1))
    assert_alike(metric.compute(), expected(name, 0, 1))


def score_elsewhere(metric: Any, name: str, answers: Any) -> None:
    """In another process, with a metric of the parent's that has rows waiting: two rows of its own, twice."""
    try:
        with pytest.raises(InputError, match="no rows to score"):
            metric.compute()
        for _ in range(2):
            metric.add_batch(**rows_of(name, 1))
            metric.add_batch(**rows_of(name, 2))
            answers.put(metric.compute())
    except BaseException as error:
        answers.put(repr(error))
        raise


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
@BOTH
def test_another_process_begins_without_rows_and_leaves_those_of_its_parent_alone(name, tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    context = multiprocessing.get_context(method)
    metric = load(name, tmp_path)
    metric.add_batch(**rows_of(name, 0, 1))
    answers = context.Queue()
    child = context.Process(target=score_elsewhere, args=(metric, name, answers))
    child.start()
    found = [answers.get(timeout=240) for _ in range(2)]
    metric.add_batch(**rows_of(name, 3))  # while the child may still be there
    child.join(60)
    assert child.exitcode == 0
    for result in found:
        assert_alike(result, expected(name, 1, 2))
    assert_alike(metric.compute(), expected(name, 0, 1, 3))
    assert [path.name for path in tmp_path.rglob("*") if "spill-" in path.name] == []


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_that_ends_as_any_other_harms_no_row(tmp_path):
    """It runs to its end, with all that Python does then, and not only to ``os._exit``."""
    code = f"""
        import os, sys
        from tests.integrations.test_evaluate import load, rows_of
        metric = load("emscore", {str(tmp_path)!r})
        metric.add_batch(**rows_of("emscore", 0, 1))
        child = os.fork()
        if child == 0:
            if len(sys.argv) > 1:
                metric.add_batch(**rows_of("emscore", 2))
                assert metric.compute()["num_rows"] == 1
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        metric.add_batch(**rows_of("emscore", 2))
        print(metric.compute()["num_rows"])
    """
    for arguments in ([], ["scores"]):
        command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert ran.stdout.split() == ["3"], ran.stderr


RANK = """
    import json, sys
    from tests.integrations.test_evaluate import ROWS, load, rows_of

    rank, folder = int(sys.argv[1]), sys.argv[2]
    for name in ROWS:
        metric = load(name, folder, num_process=2, process_id=rank, timeout=60, per_sample=True)
        optional = "references" if name == "emscore" else "groups"
        # Rounds: other optional columns in each process; rows in one process only, said in two ways.
        for shards in (((0, 1), (2,)), ((0, 1, 3), ()), ((0, 2), None)):
            mine = shards[rank]
            if mine is None:
                result = metric.compute()
            else:
                rows = rows_of(name, *mine)
                if rank == 1:
                    rows[optional] = None
                result = metric.compute(**rows)
            print(json.dumps(result))
"""


@pytest.mark.slow  # two fresh processes, each imports torch
def test_two_processes_make_one_result_also_where_one_has_no_rows(tmp_path):
    script = tmp_path / "rank.py"
    script.write_text(textwrap.dedent(RANK))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    answers = [rank.communicate(timeout=200) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], answers
    first, second = ([json.loads(line) for line in out.splitlines()] for out, _ in answers)
    assert second == [None] * 6
    for name, results in zip(ROWS, (first[:3], first[3:]), strict=True):
        optional = "references" if name == "emscore" else "groups"
        for result, indices, bare in zip(results, [(0, 1, 2), (0, 1, 3), (0, 2)], [{2}, set(), set()], strict=True):
            rows = rows_of(name, *indices)
            rows[optional] = [None if i in bare else ROWS[name][optional][i] for i in indices]
            alone = SCORERS[name](**OPTIONS[name], per_sample=True).compute(**rows)
            assert_alike(result, json.loads(json.dumps(alone)))
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith("spill") or path.suffix == ".arrow"]
