"""Scores of a release: from tables, by metrics on files, images and stored embeddings, by words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.clips import write_clip
from tests.meta_eval.releases import write_activitynet_foil, write_msvd_eval, write_vatex_eval, write_youcook2_fact
from vqe_core import CLIPScore, EMScore
from vqe_core.encoders import load_text_side
from vqe_core.errors import InputError
from vqe_core.meta_eval import run_benchmark
from vqe_core.meta_eval.activitynet_foil import ActivityNetFoil
from vqe_core.meta_eval.base import IdfCorpus
from vqe_core.meta_eval.factvc import YouCook2Fact
from vqe_core.meta_eval.msvd_eval import MsvdEval
from vqe_core.meta_eval.scoring import (
    fit_corpus,
    make_scorer,
    scores_by_metric,
    scores_by_text_metric,
    scores_from_table,
)
from vqe_core.meta_eval.vatex_eval import VatexEval
from vqe_core.tables import write_table


@pytest.fixture
def msvd(tmp_path):
    (tmp_path / "release").mkdir()
    return MsvdEval().load(write_msvd_eval(tmp_path / "release"))


def ids(release):
    return [item.id for item in release.items]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".json"])
def test_a_table_is_matched_by_id_whatever_its_order(tmp_path, msvd, suffix):
    names = ids(msvd)[::-1]
    write_table(tmp_path / f"scores{suffix}", {"id": [*names, "more"], "score": [*map(float, range(len(names))), 9.0]})
    scored = scores_from_table(msvd, tmp_path / f"scores{suffix}", ["score"])
    assert scored.columns["score"].tolist() == list(range(len(names)))[::-1]
    assert scored.notes == ()


def test_captions_that_a_table_lacks_have_no_score_and_are_told(msvd):
    scored = scores_from_table(msvd, {"name": ids(msvd)[:3], "score": [0.1, None, ""]}, ["score"], id_key="name")
    assert scored.columns["score"][0] == 0.1
    assert np.isnan(scored.columns["score"][1:]).all()
    assert scored.notes == ("5 of 8 captions are not in the table",)


@pytest.mark.parametrize(
    ("table", "names", "words"),
    [
        ({"id": ["vid0"], "score": [1]}, ["other"], "no column 'other'; there are id, score"),
        ({"score": [1]}, ["score"], "no column 'id'"),
        ({"id": ["vid0", "vid0"], "score": [1, 2]}, ["score"], "'vid0' comes twice"),
        ({"id": ["x"], "score": [1]}, ["score"], "--write-rows"),
        ({"id": ["vid0"], "score": ["good"]}, ["score"], "must be a number"),
        ({"id": ["vid0"], "score": [1]}, [], "say which column"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(msvd, table, names, words):
    with pytest.raises(InputError, match=words):
        scores_from_table(msvd, table, names)


def test_text_metrics_need_references_and_a_name(tmp_path, msvd):
    with pytest.raises(InputError, match="unigram-precision, rouge-l"):
        scores_by_text_metric(msvd, "bleu")
    with pytest.raises(InputError, match="num_references=9"):
        scores_by_text_metric(VatexEval().load(write_vatex_eval(tmp_path)), "rouge-l")


def test_options_of_the_user_take_the_place_of_the_protocols():
    scorer = make_scorer(ActivityNetFoil(), "emscore", "files", {"frame_num": 3, "clip_model_path": "toy"})
    assert (scorer.frame_num, scorer.sampler, scorer.clip_model_path) == (3, None, "toy")
    scorer = make_scorer(ActivityNetFoil(), "emscore", "files", {})
    assert (scorer.sampler.name, scorer.clip_model_path, scorer.on_error) == ("all", "ViT-B/32", "skip")
    with pytest.raises(InputError, match="no option 'weight_of_nothing'"):
        make_scorer(ActivityNetFoil(), "emscore", "files", {"weight_of_nothing": 1})


def test_documents_are_cut_and_the_end_token_weighs_what_a_protocol_says(checkpoint):
    side = load_text_side(checkpoint)
    captions = ("a red cat", "a dog a dog a dog zzzz")
    mean, own, cut = (
        fit_corpus(corpus, side)
        for corpus in (IdfCorpus(captions), IdfCorpus(captions, "own"), IdfCorpus(captions, "own", most_tokens=6))
    )
    assert own.weights[side.end_id] == 0 == cut.weights[side.end_id]
    others = {token: weight for token, weight in mean.weights.items() if token != side.end_id}
    assert mean.weights[side.end_id] == pytest.approx(sum(others.values()) / (len(others) + 1))
    assert len(cut.weights) < len(own.weights)
    ids = side.tokenizer.inner("z", add_special_tokens=False)["input_ids"]
    assert cut.unseen == pytest.approx(math.log(3)) and ids[0] not in cut.weights


@pytest.fixture
def clips(tmp_path, msvd):
    """A clip of each video of the release but the last, called as it is called."""
    folder = tmp_path / "clips"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for video in msvd.videos[:-1]:
        write_clip(folder / f"{video}.mp4", generator.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8))
    return folder


def test_videos_of_a_folder_are_scored_as_the_metric_scores_them(msvd, clips, checkpoint):
    scorer = make_scorer(MsvdEval(), "emscore", "files", {"clip_model_path": checkpoint})
    scored = scores_by_metric(MsvdEval(), msvd, scorer, clips)
    direct = scorer.score(
        predictions=[item.candidate for item in msvd.items[:-1]],
        references=[list(item.references) for item in msvd.items[:-1]],
        videos=[str(clips / f"{video}.mp4") for video in msvd.videos[:-1]],
    )
    for name, values in direct.rows.items():
        np.testing.assert_allclose(scored.columns[name][:-1], values, atol=1e-6)
    assert math.isnan(scored.columns["EMScore(X,V)_full_F"][-1])
    assert not math.isnan(scored.columns["EMScore(X,X*)_full_F"][-1])
    assert scored.notes == ("no video of 1 of 8, for example clip7_1_9",)


def test_a_folder_without_the_videos_is_refused(tmp_path, msvd, checkpoint):
    scorer = EMScore(clip_model_path=checkpoint)
    with pytest.raises(InputError, match=r"such as clip0_1_9\.mp4"):
        scores_by_metric(MsvdEval(), msvd, scorer, tmp_path)
    with pytest.raises(InputError, match="no folder"):
        scores_by_metric(MsvdEval(), msvd, scorer, tmp_path / "nowhere")


def test_segments_of_files_are_seconds(tmp_path, checkpoint):
    """A caption of an early segment sees early frames alone."""
    folder = write_activitynet_foil(tmp_path, videos=3)
    for path in (folder / "ActivityNet-FOIL_video_feats").glob("*.pt"):
        path.unlink()
    generator = np.random.default_rng(0)
    (folder / "videos").mkdir()
    for name in ("v_0", "v_1", "v_2"):
        frames = generator.integers(0, 256, (84, 32, 32, 3), dtype=np.uint8)
        write_clip(folder / "videos" / f"{name}.mp4", frames, times=[i / 2 for i in range(84)])
    release = ActivityNetFoil().load(folder)
    scorer = make_scorer(ActivityNetFoil(), "emscore", "files", {"clip_model_path": checkpoint})
    scored = scores_by_metric(ActivityNetFoil(), release, scorer, folder / "videos")
    item = release.items[0]
    start, end = item.segment
    direct = EMScore(clip_model_path=checkpoint, sampler="all").score(
        predictions=[item.candidate], videos=[{"path": str(folder / "videos/v_0.mp4"), "start": start, "end": end}]
    )
    assert scored.columns["EMScore(X,V)_full_F"][0] == pytest.approx(direct.rows["EMScore(X,V)_full_F"][0], abs=1e-6)


def test_images_are_scored_in_parts_and_come_back_in_order(tmp_path, checkpoint, monkeypatch):
    folder = write_youcook2_fact(tmp_path)
    how = {"options": {"clip_model_path": checkpoint}, "num_resamples": 0}
    whole = run_benchmark("youcook2-fact", folder, **how)
    monkeypatch.setattr("vqe_core.meta_eval.scoring._IMAGES_IN_HAND", 5)
    parts = run_benchmark("youcook2-fact", folder, **how)
    assert parts.to_dict() == whole.to_dict()


def test_an_image_that_is_damaged_costs_its_captions(tmp_path, checkpoint):
    folder = write_youcook2_fact(tmp_path)
    (folder / "frames" / "clip-1" / "0.jpg").write_bytes(b"no image")
    scorer = CLIPScore(clip_model_path=checkpoint, on_error="skip")
    scored = scores_by_metric(YouCook2Fact(), YouCook2Fact().load(folder), scorer)
    release = YouCook2Fact().load(folder)
    absent = np.isnan(scored.columns["clip_score"])
    without = {item.video for item, is_absent in zip(release.items, absent, strict=True) if is_absent}
    assert without == {"clip-1"}
    assert any("cannot be read as an image" in note for note in scored.notes)


def test_a_metric_that_needs_videos_says_so_where_there_are_none(msvd, checkpoint):
    with pytest.raises(InputError, match="give videos"):
        scores_by_metric(MsvdEval(), msvd, CLIPScore(clip_model_path=checkpoint))


def test_a_metric_without_captions_cannot_use_stored_embeddings(tmp_path):
    release = VatexEval().load(write_vatex_eval(tmp_path))
    scorer = make_scorer(VatexEval(), "video_audio_similarity", "embeddings", {})
    with pytest.raises(InputError, match="give the videos, or a table"):
        scores_by_metric(VatexEval(), release, scorer)
