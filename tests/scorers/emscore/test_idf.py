"""Counting words: what counts, what is left out, and what has to be loaded for it."""

from __future__ import annotations

import datasets
import pytest

from tests.tiny import tiny_chinese_clip, tiny_clip
from vqe_core import EMScore, score_dataset, summarise
from vqe_core.encoders import load_image_text_encoder, load_text_side, unload_encoders
from vqe_core.encoders.dual_encoder import DualEncoder
from vqe_core.errors import InputError
from vqe_core.integrations.trainer import make_compute_metrics
from vqe_core.scorers.emscore.idf import fit_captions

TOY = {"clip_model_path": "toy"}
BAD = [["a red cat", "a cat"], "", None, ["the dog", "  "], 3, "the dog runs", "\ud800"]
GOOD = [["a red cat", "a cat"], "the dog runs"]


@pytest.fixture(autouse=True)
def own_datasets_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("on_error", ["skip", "warn"])
def test_rows_that_cannot_be_scored_do_not_count(on_error):
    assert EMScore(**TOY, on_error=on_error).fit(BAD).idf == EMScore(**TOY).fit(GOOD).idf
    listed = EMScore(**TOY, on_error=on_error, idf=BAD).compute(predictions=["a dog"], references=["a cat"])
    assert listed == EMScore(**TOY, idf=GOOD).compute(predictions=["a dog"], references=["a cat"])


def test_with_raise_they_raise():
    with pytest.raises(InputError, match="must hold a word"):
        EMScore(**TOY).fit(BAD)
    with pytest.raises(InputError, match="needs at least one caption"):
        EMScore(**TOY, on_error="skip").fit(["", None])


@pytest.mark.parametrize("streamed", [False, True])
def test_an_empty_reference_costs_its_row_and_not_the_data_set(streamed):
    rows = datasets.Dataset.from_dict({"candidate": ["a dog", "a cat", ""], "reference": ["a red dog", "", "a cat"]})
    scored = score_dataset(rows.to_iterable_dataset() if streamed else rows, **TOY, idf=True)
    assert [row["status"] for row in scored] == ["ok", "empty_caption", "empty_caption"]
    fitted = EMScore(**TOY).fit(["a red dog", "a cat"])
    assert summarise(scored)["signature"]["idf"] == fitted.idf.digest()
    with pytest.raises(InputError, match="must hold a word"):
        score_dataset(rows, EMScore(**TOY, idf=True))


def test_captions_count_where_no_reference_does():
    rows = datasets.Dataset.from_dict({"candidate": ["a dog", "", "a cat"], "reference": ["", "", ""]})
    scored = score_dataset(rows, **TOY, idf=True)
    assert scored["status"][:] == ["empty_caption"] * 3
    nothing = datasets.Dataset.from_dict({"candidate": ["", ""], "reference": ["a", "a"]}).remove_columns("reference")
    nothing = nothing.add_column("video_path", ["a.mp4", "b.mp4"])
    assert score_dataset(nothing, **TOY, idf=True)["status"][:] == ["empty_caption"] * 2


def test_a_trainer_counts_what_can_be_scored():
    rows = {"video": [None, None], "reference": ["a red circle", ""]}
    assert callable(make_compute_metrics(rows, None, **TOY, idf=True, on_error="skip"))
    with pytest.raises(InputError, match="must hold a word"):
        make_compute_metrics(rows, None, **TOY, idf=True)


@pytest.mark.parametrize("model", ["toy", "clip", "chinese_clip"])
def test_counting_loads_no_weights_and_gives_the_same_table(model, tmp_path, monkeypatch):
    makers = {"clip": tiny_clip, "chinese_clip": tiny_chinese_clip}
    path = "toy" if model == "toy" else str(makers[model](tmp_path / "model"))
    whole = fit_captions(GOOD, load_image_text_encoder(path, device="cpu"))
    unload_encoders()
    monkeypatch.setattr(DualEncoder, "load", None)  # calling it would fail
    assert EMScore(clip_model_path=path).fit(GOOD).idf == whole


def test_an_encoder_that_is_an_object_reads_its_own_texts():
    encoder = load_image_text_encoder("toy", device="cpu")
    assert load_text_side(encoder) is encoder
