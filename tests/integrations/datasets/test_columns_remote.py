"""Media of a data set that are on another machine, read through the opener of `datasets`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from tests.servers import file_server
from vqe_core import score_dataset
from vqe_core.toy.clips import make_clip, write_clip

TOY = {"clip_model_path": "toy", "frame_num": 2}
SCORE = "EMScore(X,V)_full_F"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(3):
        write_clip(make_clip(seed), folder / f"clip_{seed}.mp4")
    return folder


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    with file_server(folder) as address:
        yield address


@pytest.fixture(autouse=True)
def own_datasets_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def with_captions(stream: Any) -> Any:
    features = datasets.Features({**stream.features, "candidate": datasets.Value("string")})
    return stream.map(lambda row: {"candidate": "a red circle"}, features=features)


def test_files_of_a_remote_stream_are_read(address, folder):
    urls = [f"{address}/clip_{seed}.mp4" for seed in range(3)]
    stream = datasets.load_dataset("videofolder", data_files=urls, streaming=True, split="train", drop_labels=True)
    stream = with_captions(stream.cast_column("video", datasets.Video(decode=False)))
    stream = stream.cast_column("video", datasets.Video())
    scored = score_dataset(stream, **TOY, video_key="video")
    assert scored.features["video"] == datasets.Video()
    rows = list(scored.cast_column("video", datasets.Video(decode=False)))
    assert [row["status"] for row in rows] == ["ok"] * 3, rows[0]["message"]
    assert [row["video"] for row in rows] == [{"bytes": None, "path": url} for url in urls]  # not copied
    here = datasets.Dataset.from_dict(
        {"video": [str(folder / f"clip_{seed}.mp4") for seed in range(3)], "candidate": ["a red circle"] * 3}
    )
    local = score_dataset(here, **TOY, video_key="video")
    np.testing.assert_allclose([row[SCORE] for row in rows], local[SCORE][:], atol=1e-5)


def test_a_remote_file_that_cannot_be_read_costs_its_row(address, folder, tmp_path):
    shutil.copy(folder / "clip_0.mp4", tmp_path / "clip.mp4")
    videos = [f"{address}/clip_0.mp4", f"{address}/gone.mp4", "nosuch://host/a.mp4", None, str(tmp_path / "clip.mp4")]
    rows = datasets.Dataset.from_dict({"video": videos, "candidate": ["a red circle"] * 5})
    for part in (rows.cast_column("video", datasets.Video()), rows.cast_column("video", datasets.Audio())):
        how = {"video_key": "video"} if part.features["video"] == datasets.Video() else {"audio_key": "video"}
        metric = "emscore" if "video_key" in how else "video_audio_similarity"
        if metric != "emscore":
            part = part.add_column("video_path", [str(tmp_path / "clip.mp4")] * 5)
        scored = score_dataset(part, metric, **(TOY if metric == "emscore" else {"hf_clip": "toy"}), **how)
        missing = "no_input" if metric == "emscore" else "ok"  # without a sound, the video's own track
        assert scored["status"][:] == ["ok", "not_found", "unreachable", missing, "ok"], scored["message"][:]
        assert "gone.mp4" in scored["message"][1]
        assert "look at the address and the network" in scored["message"][2]


def test_an_address_in_a_column_of_strings_stays_refused(address):
    plain: Any = {"video": [f"{address}/clip_0.mp4"], "candidate": ["a red circle"]}
    assert score_dataset(datasets.Dataset.from_dict(plain), **TOY, video_key="video")["status"][:] == ["remote_path"]
    struct = datasets.Dataset.from_dict({**plain, "video": [{"path": plain["video"][0], "bytes": None}]})
    assert score_dataset(struct, **TOY, video_key="video")["status"][:] == ["remote_path"]


def test_a_remote_data_set_is_scored_once(address, tmp_path, monkeypatch):
    rows = datasets.Dataset.from_dict({"video": [f"{address}/clip_0.mp4"], "candidate": ["a red circle"]})
    rows.cast_column("video", datasets.Video()).save_to_disk(str(tmp_path / "rows"))
    first = score_dataset(datasets.load_from_disk(str(tmp_path / "rows")), **TOY, video_key="video")
    monkeypatch.setattr("vqe_core.EMScore._scored", None)  # calling it would fail
    again = score_dataset(datasets.load_from_disk(str(tmp_path / "rows")), **TOY, video_key="video")
    assert again[SCORE][:] == first[SCORE][:]
