"""Two metrics in one data set, and columns of the user's own that results must not overwrite."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from vqe_core import EMScore, VideoAudioSimilarity, score_dataset, summarise
from vqe_core.cli import main
from vqe_core.errors import InputError
from vqe_core.tables import read_table
from vqe_core.toy.clips import make_clip, write_clip

TOY = {"clip_model_path": "toy", "frame_num": 2}
SOUND = {"hf_clip": "toy", "status_key": "sound_status", "message_key": "sound_message"}
SCORE = "EMScore(X,V)_full_F"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(make_clip(seed), folder / f"clip_{seed}.mp4")) for seed in range(2)]


@pytest.fixture(autouse=True)
def own_datasets_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def rows(clips: list[str]) -> datasets.Dataset:
    """Make rows; the caption of one is empty, the video of another is not there."""
    videos: Any = {"video_path": [*clips, "none.mp4"], "candidate": ["a red circle", "", "a cat"]}
    return datasets.Dataset.from_dict(videos)


@pytest.mark.parametrize("streamed", [False, True])
def test_each_metric_has_its_status_and_its_signature(rows, streamed, tmp_path):
    given = rows.to_iterable_dataset() if streamed else rows
    both = score_dataset(score_dataset(given, **TOY), "video_audio_similarity", **SOUND)
    summary = summarise(both)
    assert list(summary) == ["emscore", "video_audio_similarity"]
    captions, sounds = summary.values()
    assert captions["status"] == {"ok": 1, "empty_caption": 1, "not_found": 1}
    assert sounds["status"] == {"ok": 2, "not_found": 1}
    assert (captions["signature"]["metric"], sounds["signature"]["metric"]) == tuple(summary)
    assert captions["signature"]["sampler"]["frame_num"] == 2
    alone = summarise(score_dataset(rows, **TOY))
    expected = {**alone, **({"environment": {}} if streamed else {})}  # a stream was not read when it was signed
    assert captions == {**expected, SCORE: pytest.approx(alone[SCORE]), **nearly(alone)}
    assert "similarity" in sounds and SCORE not in sounds
    if not streamed:
        both.save_to_disk(str(tmp_path / "both"))
        again = summarise(datasets.load_from_disk(str(tmp_path / "both")))
        assert str(again) == str(summary)  # some means are NaN


def nearly(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: pytest.approx(value) for name, value in summary.items() if isinstance(value, float)}


def test_a_metric_that_scores_again_replaces_its_own_signature_only(rows):
    both = score_dataset(score_dataset(rows, **TOY), "video_audio_similarity", **SOUND)
    others = ("status", "message", "warnings")
    names = [name for name in both.column_names if name.startswith("EMScore") or name in others]
    again = summarise(score_dataset(both.remove_columns(names), **{**TOY, "frame_num": 3}))
    assert again["emscore"]["signature"]["sampler"]["frame_num"] == 3
    assert again["video_audio_similarity"]["signature"]["method"] == "joint"


def test_joined_data_sets_with_other_options_have_no_signature_in_common(rows):
    joined = datasets.concatenate_datasets([score_dataset(rows, **{**TOY, "frame_num": n}) for n in (2, 3)])
    assert summarise(joined)["signature"] is None
    same = datasets.concatenate_datasets([score_dataset(rows.select([n]), **TOY) for n in (0, 2)])
    assert summarise(same)["signature"]["sampler"]["frame_num"] == 2


def test_scores_of_map_have_the_status_that_is_named(rows):
    mapped = rows.map(VideoAudioSimilarity(on_error="skip", **SOUND), batched=True)
    assert summarise(mapped, status_key="sound_status")["num_failed"] == 1
    with pytest.raises(InputError, match=re.escape("status_key ('status') is no column")):
        summarise(mapped)
    both = mapped.map(EMScore(**TOY, on_error="skip"), batched=True)
    with pytest.raises(InputError, match="carry no signature, so it cannot be told which status is whose"):
        summarise(both)


@pytest.mark.parametrize("name", ["status", "message", SCORE, "EMScore(X,X*)_cogr"])
def test_map_never_overwrites_a_column(rows, name):
    taken = rows.add_column(name, [0.0] * 3)
    with pytest.raises(InputError, match=re.escape(f"has columns ['{name}'] already; rename or remove them")):
        taken.map(EMScore(**TOY, on_error="skip"), batched=True)
    with pytest.raises(InputError, match="status_key and message_key give status and message other names"):
        list(taken.to_iterable_dataset().map(EMScore(**TOY, on_error="skip"), batched=True))


def test_map_never_overwrites_tags_and_leaves_what_it_does_not_write(rows):
    taken = rows.add_column("tags", ["mine"] * 3)
    with pytest.raises(InputError, match=re.escape("has columns ['tags'] already")):
        taken.map(VideoAudioSimilarity(hf_clip="toy", method="tags", on_error="skip"), batched=True)
    joint = VideoAudioSimilarity(hf_clip="toy", method="joint", on_error="skip")
    assert taken.map(joint, batched=True)["tags"][:] == ["mine"] * 3
    assert taken.map(EMScore(**TOY, on_error="skip"), batched=True)["tags"][:] == ["mine"] * 3


def test_map_beside_a_status_of_the_users_own(rows, tmp_path, monkeypatch):
    rows.add_column("status", ["mine"] * 3).save_to_disk(str(tmp_path / "rows"))
    scorer = EMScore(**TOY, on_error="skip", status_key="scored", message_key="why")
    mapped = datasets.load_from_disk(str(tmp_path / "rows")).map(scorer, batched=True)
    assert mapped["status"][:] == ["mine"] * 3
    assert mapped["scored"][:] == ["ok", "empty_caption", "not_found"]
    assert mapped.features == scorer.features(datasets.load_from_disk(str(tmp_path / "rows")).features)
    monkeypatch.setattr(EMScore, "_scored", None)  # calling it would fail
    again = datasets.load_from_disk(str(tmp_path / "rows")).map(scorer, batched=True)
    np.testing.assert_array_equal(again[SCORE][:], mapped[SCORE][:])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"status_key": ""}, "status_key ('') must be a name that no score has"),
        ({"message_key": SCORE}, f"message_key ('{SCORE}') must be a name that no score has"),
        ({"status_key": "x", "message_key": "x"}, "status_key and message_key ('x') must differ"),
        ({"message_key": "warnings"}, "message_key and warnings_key ('warnings') must differ"),
        ({"warnings_key": SCORE}, f"warnings_key ('{SCORE}') must be a name that no score has"),
    ],
)
def test_names_that_cannot_be_told_apart_are_refused(options, words):
    with pytest.raises(InputError, match=re.escape(words)):
        EMScore(**options)


def test_the_command_line_scores_one_table_twice(clips, tmp_path):
    import pyarrow.parquet as pq

    table, once, twice = (tmp_path / name for name in ("rows.jsonl", "once.parquet", "twice.parquet"))
    table.write_text("".join(json.dumps({"video_path": clip, "candidate": "a"}) + "\n" for clip in clips))
    assert main(["score", "emscore", str(table), "--out", str(once), "--clip-model-path", "toy", "--no-cache"]) == 0
    names = ["--status-key", "sound_status", "--message-key", "sound_message"]
    second = ["score", "video_audio_similarity", str(once), "--out", str(twice), "--hf-clip", "toy", "--no-cache"]
    assert main(second) == 1
    assert main([*second, *names]) == 0
    columns = read_table(Path(twice))
    assert columns["status"] == columns["sound_status"] == ["ok", "ok"]
    metadata = pq.read_schema(twice).metadata
    assert json.loads(metadata[b"signature"])["metric"] == "video_audio_similarity"
    assert json.loads(metadata[b"signature of emscore"])["metric"] == "emscore"
