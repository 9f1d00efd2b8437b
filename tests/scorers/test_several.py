"""Several metrics in one pass: the scores of each alone, and every clip read once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vqe_core import EMScore
from vqe_core.errors import InputError, InputTypeError
from vqe_core.run import finish_run, run_status, score_run
from vqe_core.scorers.several import SeveralScorers, scorers_for
from vqe_core.tables import read_environments, read_signatures, read_table
from vqe_core.toy.clips import make_clip, write_clip

BOTH = "emscore,video_audio_similarity"
TOY: dict[str, Any] = {"clip_model_path": "toy", "hf_clip": "toy", "method": "tags"}
ALONE: dict[str, dict[str, Any]] = {
    "emscore": {"clip_model_path": "toy"},
    "video_audio_similarity": {
        "hf_clip": "toy", "method": "tags", "status_key": "sound_status", "message_key": "sound_message",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five clips, of which one has no sound and one is not there, and a row without a caption."""
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(3):
        write_clip(make_clip(seed), folder / f"{seed}.mp4")
    from tests.clips import write_clip as write_silent

    write_silent(folder / "mute.mp4", np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8))
    names = ["0.mp4", "1.mp4", "2.mp4", "mute.mp4", "none.mp4", "0.mp4"]
    captions = ["a red circle", "two dogs", "a bell", "noise", "nothing", " "]
    rows = [{"id": i, "video_path": n, "candidate": c} for i, (n, c) in enumerate(zip(names, captions, strict=True))]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "rows.jsonl"


def alone(table: Path, metric: str, out: Path, **options: Any) -> dict[str, list[Any]]:
    score_run(table, out, metric, **ALONE[metric], **options)
    return read_table(out)


@pytest.mark.parametrize("rows_per_part", [None, 2])
def test_each_metric_gives_the_scores_that_it_gives_alone(table, tmp_path, rows_per_part):
    summary = score_run(table, tmp_path / "both.parquet", BOTH, rows_per_part=rows_per_part, **TOY)
    both = read_table(tmp_path / "both.parquet")
    for metric, renamed in (("emscore", "status"), ("video_audio_similarity", "sound_status")):
        found = alone(table, metric, tmp_path / f"{metric}.parquet")
        scores = [name for name in found if "EMScore" in name or "similarity" in name or name == "percentile"]
        assert len(scores) >= 4
        for name in scores:
            assert both[name] == found[name], name
        assert both[f"{metric}_status"] == found[renamed]
        assert both[f"{metric}_message"] == found[renamed.replace("status", "message")]
    assert both["status"] == ["ok", "ok", "ok", "no_audio", "not_found", "empty_caption"]
    assert "video_audio_similarity: " in both["message"][3]
    assert both["EMScore(X,V)_full_F"][3] is not None and both["similarity"][5] is not None
    assert summary.status == {"ok": 3, "no_audio": 1, "not_found": 1, "empty_caption": 1}
    assert summary.calibration["num_sounds"] >= 3


def test_a_table_carries_the_signature_and_the_environment_of_each_metric(table, tmp_path):
    score_run(table, tmp_path / "both.parquet", BOTH, **TOY)
    alone(table, "emscore", tmp_path / "one.parquet")
    signed = {each["metric"]: each for each in read_signatures(tmp_path / "both.parquet")}
    assert set(signed) == set(BOTH.split(","))
    assert [signed["emscore"]] == read_signatures(tmp_path / "one.parquet")
    assert set(read_environments(tmp_path / "both.parquet")) == set(BOTH.split(","))


def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file's images are opened."""
    from vqe_core.embed import videos

    real, seen = videos.open_video_in, Counter[str]()

    def counting(worker: Any, source: Any, *others: Any, **options: Any) -> Any:
        seen[Path(source.path).name] += 1
        return real(worker, source, *others, **options)

    monkeypatch.setattr(videos, "open_video_in", counting)
    return seen


@pytest.mark.parametrize("metric", [BOTH, "emscore,clip_score", "video_audio_similarity,emscore,clip_score"])
def test_each_clip_is_opened_and_decoded_once_for_all_metrics(table, tmp_path, monkeypatch, metric):
    seen = opened(monkeypatch)
    summary = score_run(table, tmp_path / "s.jsonl", metric, **{k: v for k, v in TOY.items() if "audio" in metric
                                                                 or k == "clip_model_path"})  # fmt: skip
    assert seen == {"0.mp4": 1, "1.mp4": 1, "2.mp4": 1, "mute.mp4": 1}
    assert summary.time["videos_read"] == 4


def test_what_one_metric_made_beside_another_is_stored_for_itself(table, tmp_path, monkeypatch):
    cache = {"cache_dir": str(tmp_path / "cache")}
    score_run(table, tmp_path / "both.jsonl", BOTH, **TOY, **cache)
    seen = opened(monkeypatch)
    alone(table, "video_audio_similarity", tmp_path / "one.jsonl", **cache)
    assert seen == {}


def test_a_clip_that_cannot_be_read_together_is_read_apart(table, tmp_path, monkeypatch):
    from vqe_core.embed import videos

    def broken(*_: Any) -> Any:
        raise RuntimeError("out of memory, or a frame that one metric alone would not have met")
        yield

    score_run(table, tmp_path / "good.jsonl", BOTH, **TOY)
    monkeypatch.setattr(videos, "_read_together", broken)
    score_run(table, tmp_path / "apart.jsonl", BOTH, **TOY)
    assert read_table(tmp_path / "good.jsonl") == read_table(tmp_path / "apart.jsonl")


def test_a_run_of_several_metrics_is_resumed_shared_out_and_told_of(table, tmp_path):
    for shard in ("0/2", "1/2"):
        score_run(table, tmp_path / "run", BOTH, rows_per_part=2, shard=shard, **TOY)
    assert run_status(tmp_path / "run")["metric"] == BOTH
    merged = finish_run(tmp_path / "run", tmp_path / "merged.jsonl")
    whole = score_run(table, tmp_path / "whole.jsonl", BOTH, **TOY)
    assert merged.scores == pytest.approx(whole.scores, nan_ok=True)
    with pytest.raises(InputError, match="video_audio_similarity frame_num` was not set, is 4"):
        score_run(table, tmp_path / "run", BOTH, rows_per_part=2, **TOY, frame_num=4)
    with pytest.raises(InputError, match="the run is of emscore,video_audio_similarity, not of emscore"):
        score_run(table, tmp_path / "run", "emscore", clip_model_path="toy")


def test_rows_that_one_metric_could_not_score_are_tried_again(table, tmp_path):
    for path in table.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    rows = tmp_path / "rows.jsonl"
    score_run(rows, tmp_path / "run", BOTH, **TOY)
    (tmp_path / "none.mp4").write_bytes((tmp_path / "1.mp4").read_bytes())
    summary = score_run(rows, tmp_path / "run", BOTH, retry_failed=True, **TOY)
    assert summary.status == {"ok": 4, "no_audio": 1, "empty_caption": 1}


def test_words_are_counted_in_all_rows_for_the_metric_that_asks(table, tmp_path):
    score_run(table, tmp_path / "s.jsonl", "emscore,clip_score", rows_per_part=2, clip_model_path="toy", idf=True)
    alone(table, "emscore", tmp_path / "one.jsonl", idf=True)
    name = "EMScore(X,V)_full_F"
    assert read_table(tmp_path / "s.jsonl")[name] == read_table(tmp_path / "one.jsonl")[name]


@pytest.mark.parametrize(
    ("metric", "options", "error", "words"),
    [
        ("emscore,emscore", {}, InputError, "must be two or more, each named once"),
        ("emscore,clip_scor", {}, InputError, "did you mean 'clip_score'"),
        ("emscore,clip_score", {"metric": "x"}, InputTypeError, "has an option 'metric'; did you mean 'metrics'"),
        ("emscore,clip_score", {"status_key": "x"}, InputError, "such as emscore_status; leave it out"),
    ],
)
def test_what_cannot_be_is_refused(metric, options, error, words):
    with pytest.raises(error, match=words):
        scorers_for(metric, options)


def test_two_metrics_that_write_one_name_are_refused():
    with pytest.raises(InputError, match="emscore and the row as a whole both write 'warnings'"):
        SeveralScorers(scorers=(EMScore(), scorers_for("clip_score", {"status_key": "other", "message_key": "m"})))
