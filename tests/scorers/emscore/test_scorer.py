"""The scorer as an object: what it carries, what it fits, and what rows cannot change."""

from __future__ import annotations

import dataclasses
import math
import pickle
import re
from typing import Any

import datasets
import numpy as np
import pytest
from datasets.fingerprint import Hasher
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import oracle
from vqe_core import EMScore
from vqe_core.embed import EmbedSettings, embed_videos
from vqe_core.errors import InputError, ModelError

WORDS = ["a", "the", "red", "blue", "cat", "dog", "man", "runs", "sits", "house"]


def noise(seed: int, count: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


captions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
rows = st.tuples(captions, st.lists(captions, max_size=3), st.none() | st.integers(0, 5))


@given(
    table=st.lists(rows.filter(lambda row: row[1] or row[2] is not None), min_size=1, max_size=5),
    size=st.integers(1, 7),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_row_alone_equals_the_row_in_any_batch_at_any_batch_size(clip_folder, table, size):
    def score(some: list[Any], batch_size: int) -> list[dict[str, float]]:
        scorer = EMScore(clip_model_path=clip_folder, batch_size=batch_size, frame_num=3)
        report = scorer.score(
            predictions=[row[0] for row in some],
            references=[row[1] for row in some],
            videos=[None if row[2] is None else noise(row[2]) for row in some],
        )
        return [{key: column[i] for key, column in report.rows.items()} for i in range(len(some))]

    together = score(table, size)
    for row, expected in zip(table, together, strict=True):
        (alone,) = score([row], 64)
        for key, value in alone.items():
            assert value == pytest.approx(expected[key], abs=1e-5, nan_ok=True), key


def test_rows_are_bit_equal_when_their_neighbours_change(clip_folder):
    scorer = EMScore(clip_model_path=clip_folder, batch_size=8)

    def second(first_caption: str, first_video: int) -> list[float]:
        report = scorer.score(predictions=[first_caption, "a red cat"], videos=[noise(first_video), noise(1)])
        return [column[1] for column in report.rows.values()]

    assert second("the blue dog", 2) == second("the man runs", 3)


def test_options_only_so_it_pickles_small_and_hashes_the_same_before_and_after_loading(clip_folder):
    scorer = EMScore(clip_model_path=clip_folder, every_n_frames=2)
    before, size = Hasher.hash(scorer), len(pickle.dumps(scorer))
    scorer.compute(predictions=["a cat"], videos=[noise(0)])
    assert (Hasher.hash(scorer), len(pickle.dumps(scorer))) == (before, size)
    assert size < 2000
    assert pickle.loads(pickle.dumps(scorer)) == scorer == dataclasses.replace(scorer)
    assert Hasher.hash(EMScore(clip_model_path=clip_folder, every_n_frames=3)) != before


def test_the_object_is_the_function_for_datasets_map(clip_folder):
    table = {
        "video_path": ["missing.mp4", None, None],
        "candidate": ["a cat", "a dog", "a man"],
        "reference": [["a cat"], ["the dog", "a dog"], None],
    }
    scorer = EMScore(clip_model_path=clip_folder, on_error="skip", return_all_frames=True)
    scored = datasets.Dataset.from_dict(table).map(scorer, batched=True, batch_size=1)
    assert scored["status"][:] == ["not_found", "ok", "no_input"]
    assert scored["EMScore(X,X*)_full_F"][1] == pytest.approx(1.0, abs=1e-6)
    assert math.isnan(scored["EMScore(X,V)_full_F"][1])
    assert str(scored.features["EMScore(X,V,X*)_cogr"].dtype) == "float32"
    assert scored["frame_details"][:] == ["null"] * 3


def test_of_a_whole_table_idf_is_counted_and_columns_decide_what_is_scored(clip_folder):
    table = {"candidate": ["a cat", "a dog"], "reference": [None, ["a red cat"]], "video_path": [None, None]}
    scorer = EMScore(clip_model_path=clip_folder, idf=True, metrics=["figr_F"], on_error="skip")
    report = scorer.score_batch(table, whole=True)
    assert list(report.rows) == [f"EMScore({kind})_figr_F" for kind in ("X,V", "X,X*", "X,V,X*")]
    assert report.status == ["no_input", "ok"]
    alone = scorer.score(predictions=table["candidate"], references=table["reference"])
    assert report.rows["EMScore(X,X*)_figr_F"][1] == pytest.approx(alone.rows["EMScore(X,X*)_figr_F"][1])
    assert report.signature["idf"] == alone.signature["idf"] != "none"


def test_idf_is_fitted_on_the_whole_column_never_on_a_batch(clip_folder, tmp_path):
    references = [["a red cat", "a cat"], "the dog runs", None]
    scorer = EMScore(clip_model_path=clip_folder, idf=True)
    with pytest.raises(InputError, match=re.escape("idf=True would differ from batch to batch")):
        scorer({"candidate": ["a"], "reference": ["a"]})
    fitted = scorer.fit(references, tmp_path / "idf.json")
    weigh = oracle.idf_weights(clip_folder, ["a red cat", "a cat", "the dog runs"])
    expected = oracle.against_references(clip_folder, "a red dog", ["the cat"], weigh)
    from_file = EMScore(clip_model_path=clip_folder, idf=str(tmp_path / "idf.json"))
    from_list = EMScore(clip_model_path=clip_folder, idf=["a red cat", "a cat", "the dog runs"])
    signatures = set()
    for each in (fitted, from_file, from_list):
        result = each.compute(predictions=["a red dog"], references=["the cat"])
        signatures.add(result["signature"]["idf"])
        for name, value in expected.items():
            assert result[f"EMScore(X,X*)_{name}"] == pytest.approx(value, abs=1e-5)
    assert len(signatures) == 1
    assert fitted({"candidate": ["a"], "reference": ["a"]})["status"] == ["ok"]


def test_idf_of_another_tokenizer_is_refused(clip_folder, tmp_path):
    from tests.tiny import tiny_chinese_clip

    EMScore(clip_model_path=clip_folder).fit(["a cat"], tmp_path / "idf.json")
    other = str(tiny_chinese_clip(tmp_path / "other"))
    with pytest.raises(ModelError, match="idf was fitted with another tokenizer"):
        EMScore(clip_model_path=other, idf=str(tmp_path / "idf.json")).compute(predictions=["a"], references=["a"])


def test_idf_that_weighs_nothing_is_never_nan_and_says_so(clip_folder):
    scorer = EMScore(clip_model_path=clip_folder, idf=True, per_sample=True)
    result = scorer.compute(predictions=["a cat"], videos=[noise(0)])
    plain = EMScore(clip_model_path=clip_folder).compute(predictions=["a cat"], videos=[noise(0)])
    assert result["EMScore(X,V)_full_F"] == pytest.approx(plain["EMScore(X,V)_full_F"], abs=1e-6)
    assert result["samples"]["message"] == ["idf weighs every word of a caption 0; equal weights used"]


def test_each_distinct_video_and_caption_is_encoded_once(clip_folder, monkeypatch):
    from vqe_core.encoders.dual_encoder import DualEncoder

    frames, texts = [], []
    images, windows = DualEncoder.embed_images, DualEncoder._embed_windows
    monkeypatch.setattr(DualEncoder, "embed_images", lambda self, x: frames.append(len(x)) or images(self, x))
    monkeypatch.setattr(DualEncoder, "_embed_windows", lambda self, x: texts.extend(x) or windows(self, x))
    scorer = EMScore(clip_model_path=clip_folder, batch_size=8, frame_num=4)
    scorer.compute(
        predictions=["a cat", "a dog", "a cat", "a man"],
        videos=[noise(0), noise(1), noise(0), noise(2)],
        references=["a dog", ["a cat", "a ball"], None, None],
    )
    assert frames == [4, 4, 4]  # 3 videos of 4 frames, each a batch of its own on a CPU
    assert len(set(texts)) == 4  # and copies that fill the batch


def test_a_thinned_selection_is_never_silent(clip_folder):
    scorer = EMScore(clip_model_path=clip_folder, frame_sampling_method="all", max_frames=3, per_sample=True)
    result = scorer.compute(predictions=["a cat"], videos=[noise(0, 8)])
    assert result["samples"]["message"] == ["sampled 8 frames, kept 3 evenly (max_frames=3)"]
    kept = oracle.against_video(clip_folder, "a cat", noise(0, 8)[[0, 3, 7]])
    assert result["EMScore(X,V)_full_F"] == pytest.approx(kept["full_F"], abs=1e-5)


def test_decoding_stops_at_the_first_bad_video_when_asked_to_raise(clip_folder, tmp_path, monkeypatch):
    opened = []
    import vqe_core.embed.videos

    original = vqe_core.embed.videos.open_video_in
    monkeypatch.setattr(
        "vqe_core.embed.videos.open_video_in",
        lambda source, *rest, **more: opened.append(source) or original(source, *rest, **more),
    )
    (tmp_path / "bad.mp4").write_bytes(bytes(range(256)) * 9)
    videos = [noise(0), str(tmp_path / "bad.mp4"), noise(1)]
    with pytest.raises(ValueError, match=re.escape("row 1: [decode_error]")):
        EMScore(clip_model_path=clip_folder).compute(
            predictions=["a"] * 30, videos=videos[:2] + [noise(i) for i in range(28)]
        )
    assert len(opened) < 10  # some are read ahead
    result = EMScore(clip_model_path=clip_folder, on_error="skip", per_sample=True).compute(
        predictions=["a"] * 3, videos=videos
    )
    assert result["samples"]["status"] == ["ok", "decode_error", "ok"]


def test_embeddings_are_in_the_order_sampled_with_repeats(clip_folder):
    from vqe_core.encoders import load_image_text_encoder
    from vqe_core.samplers.index_based import UniformSampler
    from vqe_core.types import MediaSource

    encoder = load_image_text_encoder(clip_folder)
    embedded = embed_videos(
        {"x": MediaSource(frames=noise(0, 3))}, UniformSampler(5), encoder, EmbedSettings(max_frames=9, batch_size=2)
    )["x"]
    assert embedded.indices.tolist() == [0, 0, 1, 1, 2]
    assert embedded.timestamps is None
    assert np.array_equal(embedded.values[0], embedded.values[1])
    assert not np.array_equal(embedded.values[1], embedded.values[2])


def test_short_names_of_score_types_mean_the_long_ones():
    short, long = EMScore(score_types=["xv", "XR"]), EMScore(score_types=["EMScore(X,V)", "EMScore(X,X*)"])
    assert short == long
    with pytest.raises(InputError, match=r"score_types \('xvx'\) must be among .*; did you mean 'xv"):
        EMScore(score_types="xvx")
