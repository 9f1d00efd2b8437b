"""Data sets of every kind, scored by the real library."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

import vqe_core
from tests.media.decoders import required_torchcodec
from vqe_core import EMScore, VideoAudioSimilarity, score_dataset, summarise
from vqe_core.errors import InputError, InputTypeError
from vqe_core.toy.clips import make_clip, write_clip

TOY = {"clip_model_path": "toy", "frame_num": 2}
SCORE = "EMScore(X,V)_full_F"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(make_clip(seed), folder / f"clip_{seed}.mp4")) for seed in range(3)]


@pytest.fixture(autouse=True)
def own_datasets_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def table(clips: list[str]) -> dict[str, list[Any]]:
    """Make three rows to score, and one in the middle that cannot be."""
    captions = [make_clip(seed).captions(1)[0] for seed in range(3)]
    return {
        "video_path": [clips[0], "none.mp4", *clips[1:]],
        "candidate": [captions[0], "a cat", *captions[1:]],
        "id": list(range(4)),
    }


def on_disk(rows: datasets.Dataset, folder: Path) -> datasets.Dataset:
    rows.save_to_disk(str(folder))
    return datasets.load_from_disk(str(folder))


def test_a_row_that_fails_keeps_its_place(clips):
    scored = score_dataset(datasets.Dataset.from_dict(table(clips)), **TOY, rows_per_batch=2)
    assert scored["id"][:] == [0, 1, 2, 3]
    assert scored["status"][:] == ["ok", "not_found", "ok", "ok"]
    assert [math.isnan(value) for value in scored[SCORE][:]] == [False, True, False, False]
    assert "none.mp4" in scored["message"][1]
    assert scored.features[SCORE].dtype == "float32"
    own = EMScore(**TOY).compute(predictions=[table(clips)["candidate"][2]], videos=[clips[1]])
    assert scored[SCORE][2] == pytest.approx(own[SCORE], abs=1e-5)


def test_the_second_map_with_equal_options_does_no_work(clips, tmp_path, monkeypatch):
    rows = on_disk(datasets.Dataset.from_dict(table(clips)), tmp_path / "rows")
    first = rows.map(EMScore(**TOY, on_error="skip", batch_size=4), batched=True)
    first_too = score_dataset(rows, **TOY)
    monkeypatch.setattr(EMScore, "_scored", None)  # calling it would fail
    again = datasets.load_from_disk(str(tmp_path / "rows"))
    second = again.map(EMScore(**TOY, on_error="skip", device="cpu", progress=False), batched=True)
    np.testing.assert_array_equal(second[SCORE][:], first[SCORE][:])
    np.testing.assert_array_equal(score_dataset(again, **TOY, device="cpu")[SCORE][:], first_too[SCORE][:])
    with pytest.raises(TypeError):
        score_dataset(again, **{**TOY, "frame_num": 3})
    with pytest.raises(TypeError):
        score_dataset(again, **TOY, load_from_cache_file=False)


def test_every_kind_of_data_set_comes_back_as_its_kind(clips, tmp_path):
    rows = datasets.Dataset.from_dict(table(clips))
    expected = score_dataset(rows, **TOY)[SCORE][:]
    splits = score_dataset(datasets.DatasetDict(a=rows, b=rows.select([0])), **TOY)
    assert isinstance(splits, datasets.DatasetDict)
    np.testing.assert_allclose(splits["a"][SCORE][:], expected, atol=1e-5)
    assert len(splits["b"]) == 1
    stream = score_dataset(rows.to_iterable_dataset(), **TOY)
    assert isinstance(stream, datasets.IterableDataset)
    np.testing.assert_allclose([row[SCORE] for row in stream], expected, atol=1e-5)
    streams = score_dataset(datasets.IterableDatasetDict(a=rows.to_iterable_dataset()), **TOY)
    assert isinstance(streams, datasets.IterableDatasetDict)
    unknown = datasets.IterableDataset.from_generator(lambda: iter(rows.to_list()))
    assert unknown.features is None
    typed = score_dataset(unknown, **TOY)
    assert typed.features[SCORE].dtype == "float32"
    np.testing.assert_allclose([row[SCORE] for row in typed], expected, atol=1e-5)


def test_an_empty_data_set_has_the_columns_too():
    rows = datasets.Dataset.from_dict({"video_path": [], "candidate": []})
    rows = rows.cast(datasets.Features({name: datasets.Value("string") for name in rows.features}))
    scored = score_dataset(rows, **TOY)
    assert scored.features == EMScore(**TOY).features(rows.features)
    assert summarise(scored)["num_rows"] == 0


def test_files_and_folders_have_names(clips, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    for path in clips:
        shutil.copy(path, folder)
    rows = datasets.Dataset.from_dict({**table(clips), "video_path": ["clip_0.mp4", "no.mp4", "clip_1.mp4", None]})
    rows.to_parquet(str(tmp_path / "rows" / "rows.parquet"))
    status = ["ok", "not_found", "ok", "no_input"]
    # Media paths are relative to the table, wherever this runs.
    assert score_dataset(folder / "rows.parquet", **TOY)["status"][:] == status
    saved = tmp_path / "saved"
    datasets.DatasetDict(test=rows).save_to_disk(str(saved))
    assert score_dataset(str(saved), split="test", base_dir=str(folder), **TOY)["status"][:] == status
    assert list(score_dataset(str(saved), **TOY)) == ["test"]

    media = tmp_path / "media"
    media.mkdir()
    shutil.copy(clips[0], media)
    line = {"file_name": "clip_0.mp4", "candidate": "a red circle"}
    (media / "metadata.jsonl").write_text(json.dumps(line) + "\n")
    scored = score_dataset(str(media), split="train", video_key="video", **TOY)
    assert scored["status"][:] == ["ok"]
    assert isinstance(scored.features["video"], datasets.Video)


def test_a_name_that_leads_nowhere_says_so(tmp_path):
    with pytest.raises(InputError, match="data set 'nobody/nothing' is neither a file or folder here nor within reach"):
        score_dataset("nobody/nothing", **TOY)
    (tmp_path / "rows.txt").write_text("a")
    with pytest.raises(InputError, match=re.escape("must end in one of .parquet, .jsonl, .json, .csv")):
        score_dataset(tmp_path / "rows.txt", **TOY)
    (tmp_path / "rows.jsonl").write_text('{"candidate": "a"}\n')
    with pytest.raises(InputError, match="with split 'test' cannot be read"):
        score_dataset(tmp_path / "rows.jsonl", split="test", **TOY)


@pytest.mark.parametrize(
    ("rows", "arguments", "words"),
    [
        ({"candidate": ["a"]}, {}, "give videos, references, or both"),
        ({"candidate": ["a"], "reference": ["a"], "status": ["x"]}, {}, "has columns ['status'] already"),
        ({"candidate": ["a"], "reference": ["a"]}, {"split": "test"}, "split ('test') is for names of data sets"),
        ({"candidate": ["a"], "reference": ["a"]}, {"metric": "none"}, "scorer 'none' is not known"),
        ({"candidate": ["a"], "reference": ["a"]}, {"metric": len}, "must be the name of a metric, or a scorer"),
        ({"candidate": ["a"], "reference": ["a"]}, {"metric": EMScore(), "idf": True}, "to the scorer itself"),
    ],
)
def test_what_cannot_be_scored_is_told_before_anything_runs(rows, arguments, words):
    with pytest.raises(InputError, match=re.escape(words)):
        score_dataset(datasets.Dataset.from_dict(rows), **arguments)


def test_rows_must_be_a_data_set():
    with pytest.raises(InputTypeError, match="rows must be a data set of `datasets`, or the name of one, got list"):
        score_dataset([{"candidate": "a"}])


def test_a_stream_has_no_processes():
    stream = datasets.Dataset.from_dict({"candidate": ["a"], "reference": ["a"]}).to_iterable_dataset()
    with pytest.raises(InputError, match=re.escape("num_proc (2) cannot speed up a stream")):
        score_dataset(stream, **TOY, num_proc=2)


@pytest.mark.parametrize("streamed", [False, True])
def test_idf_is_fitted_once_on_all_rows_of_all_splits(streamed):
    references = [["a red cat", "a cat"], ["the dog runs"], None]
    rows = datasets.Dataset.from_dict({"candidate": ["a red dog", "a cat", "the dog"], "reference": references})
    fitted = EMScore(**TOY, on_error="skip").fit(references)
    parts: Any = {"a": rows.select([0]), "b": rows.select([1, 2])}
    if streamed:
        parts = {name: part.to_iterable_dataset() for name, part in parts.items()}
    kind = datasets.IterableDatasetDict if streamed else datasets.DatasetDict
    scored = score_dataset(kind(parts), **TOY, idf=True, rows_per_batch=1)
    name = "EMScore(X,X*)_figr_F"
    values = [row[name] for part in scored.values() for row in part]
    np.testing.assert_allclose(values, rows.map(fitted, batched=True)[name][:], atol=1e-6)
    assert summarise(scored)["b"]["signature"]["idf"] == fitted.idf.digest()


def test_a_summary_of_any_scored_data_set(clips, tmp_path):
    rows = datasets.Dataset.from_dict(table(clips), info=datasets.DatasetInfo(description="Mine."))
    scored = score_dataset(rows, **TOY, num_proc=2)
    summary = summarise(scored)
    assert (summary["num_rows"], summary["num_failed"]) == (4, 1)
    assert summary["status"] == {"ok": 3, "not_found": 1}
    assert summary[SCORE] == pytest.approx(np.nanmean(scored[SCORE][:]), abs=1e-6)
    assert summary["signature"]["revision"].startswith("local-")
    assert scored.info.description.startswith("Mine.\n")
    assert rows.info.description == "Mine."
    kept = on_disk(scored.filter(lambda word: word == "ok", input_columns="status"), tmp_path / "kept")
    assert summarise(kept)["signature"] == summary["signature"]
    assert summarise(kept)["num_failed"] == 0
    assert summarise(scored.to_iterable_dataset())[SCORE] == pytest.approx(summary[SCORE])
    with pytest.raises(InputError, match="has no scores"):
        summarise(rows)


def test_bytes_and_structs_of_bytes_are_read_and_not_copied(clips):
    content = [Path(clip).read_bytes() for clip in clips]
    captions = [make_clip(seed).captions(1)[0] for seed in range(3)]
    plain = score_dataset(datasets.Dataset.from_dict({"video_path": clips, "candidate": captions}), **TOY)[SCORE][:]
    kinds = {
        "binary": (datasets.Value("binary"), content),
        "large": (datasets.Value("large_binary"), content),
        "struct": (
            {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
            [{"bytes": data, "path": "gone.mp4"} for data in content],
        ),
    }
    for kind, values in kinds.values():
        features = datasets.Features({"video_path": kind, "candidate": datasets.Value("string")})
        rows = datasets.Dataset.from_dict({"video_path": values, "candidate": captions}, features=features)
        scored = score_dataset(rows, **TOY)
        np.testing.assert_allclose(scored[SCORE][:], plain, atol=1e-5)
        assert scored.features["video_path"] == features["video_path"]


@pytest.mark.parametrize("streamed", [False, True])
def test_columns_of_video_and_audio_are_read_without_decoding_and_keep_their_type(clips, streamed):
    rows = datasets.Dataset.from_dict({"video_path": clips, "audio_path": clips})
    plain = score_dataset(rows, "video_audio_similarity", hf_clip="toy")
    rows = rows.cast_column("video_path", datasets.Video()).cast_column("audio_path", datasets.Audio())
    typed = rows.to_iterable_dataset() if streamed else rows
    scored = score_dataset(typed, "video_audio_similarity", hf_clip="toy")
    assert scored.features["video_path"] == datasets.Video()
    assert scored.features["audio_path"] == datasets.Audio()
    values = scored.select_columns(["similarity", "status"])
    assert [row["status"] for row in values] == plain["status"][:] == ["ok"] * 3
    np.testing.assert_allclose([row["similarity"] for row in values], plain["similarity"][:], atol=1e-5)


def test_decoded_columns_give_the_same_numbers(clips):
    required_torchcodec()
    rows = datasets.Dataset.from_dict({"video_path": clips, "audio_path": clips})
    scorer = VideoAudioSimilarity(hf_clip="toy", on_error="skip")
    plain = rows.map(scorer, batched=True)
    decoded = rows.cast_column("video_path", datasets.Video()).cast_column("audio_path", datasets.Audio())
    assert type(decoded[0]["video_path"]).__name__ == "VideoDecoder"
    scored = decoded.map(scorer, batched=True, remove_columns=["video_path", "audio_path"])
    assert scored["status"][:] == ["ok"] * 3
    np.testing.assert_allclose(scored["similarity"][:], plain["similarity"][:], atol=1e-5)


def test_the_filter_drops_rows_that_failed(clips):
    rows = datasets.Dataset.from_dict({"video_path": [clips[0], "none.mp4", clips[1]]})
    scored = score_dataset(rows, "video_audio_similarity", hf_clip="toy")
    assert scored["passed_filter"][:] == [True, False, True]
    kept = scored.filter(lambda passed: passed, input_columns="passed_filter")
    assert kept["status"][:] == ["ok", "ok"]
    assert summarise(scored)["passed_filter"] == pytest.approx(2 / 3)


def test_it_is_reached_from_the_package():
    assert vqe_core.score_dataset is score_dataset
