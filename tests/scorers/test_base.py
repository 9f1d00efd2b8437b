"""Names and types of the columns that a scorer adds to a data set."""

from __future__ import annotations

import re
from typing import Any

import datasets
import pytest

from tests.clips import noise_frames, write_clip
from tests.contracts.plugin.parts import CaptionLength, VideoLength
from vqe_core import EMScore, VideoAudioSimilarity
from vqe_core.errors import InputError, InputTypeError
from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.media.video.video import read_by

CASES: list[tuple[Any, dict[str, list[Any]]]] = [
    (EMScore(clip_model_path="toy", on_error="skip"), {"video_path": [None, "none.mp4"], "candidate": ["a", "b"]}),
    (
        EMScore(clip_model_path="toy", on_error="skip", return_all_frames=True, metrics=["full_F"]),
        {"candidate": [None, "a cat"], "reference": [["a"], None], "video_path": [None, None]},
    ),
    (
        VideoAudioSimilarity(hf_clip="toy", on_error="skip", return_profile=True),
        {"video_path": [None, "none.mp4"], "audio_path": [None, None]},
    ),
    (
        VideoAudioSimilarity(hf_clip="toy", on_error="skip"),
        {"video_path": ["none.mp4", None], "audio_description": ["rain", None]},
    ),
    (VideoAudioSimilarity(hf_clip="toy", on_error="skip", method="tags"), {"video_path": ["none.mp4", None]}),
]


@pytest.mark.parametrize(("scorer", "columns"), CASES)
def test_promised_types_are_those_that_map_finds_also_where_every_row_fails(scorer, columns):
    rows = datasets.Dataset.from_dict(columns)
    found = rows.map(scorer, batched=True, batch_size=1)
    promised = rows.map(scorer, batched=True, batch_size=1, features=scorer.features(rows.features))
    assert found.features == promised.features
    assert list(promised.features)[-2:] == ["status", "message"]
    kinds = {name: kind.dtype for name, kind in promised.features.items() if name not in columns}
    assert kinds["status"] == kinds["message"] == "string"
    assert set(kinds.values()) <= {"float32", "bool", "string"}
    assert kinds.get("passed_filter", "bool") == "bool"
    assert "ok" not in found["status"][:]


@pytest.mark.parametrize(("scorer", "columns"), CASES)
def test_a_stream_has_the_promised_types(scorer, columns):
    rows = datasets.Dataset.from_dict(columns).to_iterable_dataset()
    scored = rows.map(scorer, batched=True, features=scorer.features(rows.features))
    assert len(list(scored)) == 2
    assert scored.features == scorer.features(rows.features)


def test_a_column_that_is_missing_is_told_before_anything_runs():
    with pytest.raises(InputError, match=re.escape("candidate_key ('candidate') is no column; there are text")):
        EMScore().columns_for(["text"])
    with pytest.raises(InputError, match=re.escape("video_key ('video_path') is no column; there are text")):
        VideoAudioSimilarity().columns_for(["text"])
    with pytest.raises(InputError, match="a caption is judged by something"):
        EMScore().columns_for(["candidate"])
    with pytest.raises(InputError, match=re.escape("audio_key ('sound') is no column")):
        VideoAudioSimilarity(audio_key="sound").columns_for(["video_path"])


def test_a_row_without_words_is_empty_whatever_its_neighbours_hold():
    scorer = VideoAudioSimilarity(hf_clip="toy", on_error="skip", method="description")
    table = {"video_path": ["none.mp4", "none.mp4"], "audio_description": ["rain", None]}
    assert scorer(table)["description"] == ["", ""]


def test_a_metric_without_embeddings_scores_row_by_row_and_signs_what_decoded(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", noise_frames(5, seed=0))
    scorer = VideoLength(on_error="skip")
    report = scorer.score(videos=[str(clip), str(tmp_path / "none.mp4"), noise_frames(3, seed=1)])
    assert report.rows["num_frames"][::2] == [5.0, 3.0]
    assert report.status == ["ok", "not_found", "ok"]
    assert report.signature["reader"] == "pyav"  # which is asked for; what read the rows stands beside it
    assert report.environment["readers"] == ["frames 1", read_by(PyAVReader())]
    words = CaptionLength().score(predictions=["one two three"])
    assert "reader" not in words.signature and words.rows["num_words"] == [3.0]


def test_a_metric_of_its_own_takes_its_inputs_by_name_only():
    with pytest.raises(InputTypeError, match=r"caption_length takes its inputs by name: predictions=\.\.\."):
        CaptionLength().compute(["a"])
    with pytest.raises(InputTypeError, match="captions is no input of caption_length; it takes predictions"):
        CaptionLength().score(predictions=["a"], captions=["b"])
