"""VATEX-EVAL on a made-up release against a slow computation, and each rule of its protocol."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from tests.meta_eval import slow
from tests.meta_eval.releases import embeddings, write_vatex_eval
from tests.oracle import against_references, combined
from vqe_core.errors import InputError
from vqe_core.meta_eval import run_benchmark
from vqe_core.meta_eval.vatex_eval import VatexEval

V, T, VT = "EMScore(X,V)_full_F", "EMScore(X,X*)_full_F", "EMScore(X,V,X*)_full_F"


def contents(folder):
    names = ("candidates_list", "gts_list", "human_scores", "video_ids")
    return [pickle.loads((folder / f"{name}.pkl").read_bytes()) for name in names]


def slow_figures(folder, model, num_references):
    """The protocol, one caption at a time."""
    captions, references, ratings, videos = contents(folder)
    corpus = [
        text
        for texts in json.loads((folder / "vatex_train_en_annotations.json").read_text()).values()
        for text in texts
    ]
    weigh = slow.Weights(model, corpus, mean_at_end=True)
    scores = {V: [], T: [], VT: []}
    for caption, texts, video in zip(captions, references, videos, strict=True):
        stored = torch.load(folder / "VATEX-EVAL_video_feats" / f"{video}.pt").double().numpy()
        frames = [stored[int(i)] for i in np.linspace(0, len(stored) - 1, 10)]
        seen = slow.of_vectors(model, str(caption), frames, weigh)
        scores[V].append(seen["full_F"])
        if num_references:
            read = against_references(model, str(caption), list(map(str, texts[:num_references])), weigh)
            scores[T].append(read["full_F"])
            scores[VT].append(combined(seen, read)["full_F"])
    count = len(captions)
    by_rater = [[ratings[rater * count + i] for i in range(count)] for rater in range(3)]
    return {
        name: {
            "tau_b": round(sum(slow.tau([round(v, 4) for v in values], by) for by in by_rater) / 3, 4),
            "rho": round(sum(slow.spearman([round(v, 4) for v in values], by) for by in by_rater) / 3, 4),
        }
        for name, values in scores.items()
        if values
    }


@pytest.mark.parametrize("num_references", [0, 2])
def test_the_figures_are_those_of_the_slow_computation(tmp_path, checkpoint, num_references):
    folder = write_vatex_eval(tmp_path)
    report = run_benchmark(
        f"vatex-eval:num_references={num_references}",
        folder,
        options={"clip_model_path": checkpoint},
        num_resamples=20,
    )
    expected = slow_figures(folder, checkpoint, num_references)
    assert report.figures.keys() == expected.keys()
    for name, figures in expected.items():
        assert {each: report.figures[name][each].value for each in figures} == pytest.approx(figures, abs=1e-4)
    assert report.signature["reader"] == "embeddings stored by vatex-eval"
    assert "sampler" not in report.signature


def test_ratings_are_kept_rater_after_rater(tmp_path):
    folder = write_vatex_eval(tmp_path, videos=2, systems=2)
    ratings = np.arange(12.0)
    (folder / "human_scores.pkl").write_bytes(pickle.dumps(ratings))
    assert VatexEval().load(folder).labels.tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]


def test_scores_are_rounded_before_they_are_ranked(tmp_path):
    """Two scores that differ in the fifth place are a tie."""
    folder = write_vatex_eval(tmp_path, videos=4, systems=1)
    (folder / "human_scores.pkl").write_bytes(pickle.dumps(np.tile(np.arange(1.0, 5.0), 3)))
    table = {"id": ["0", "1", "2", "3"], "score": [0.10001, 0.10002, 0.3, 0.4]}
    report = run_benchmark("vatex-eval", folder, scores=table, columns=["score"], num_resamples=0)
    assert report.figures["score"]["tau_b"].value == round(5 / np.sqrt(5 * 6), 4)  # not 1


def test_figures_are_rounded_to_four_decimals(tmp_path):
    folder = write_vatex_eval(tmp_path)
    report = run_benchmark("vatex-eval:num_references=9", folder, text_metric="rouge-l", num_resamples=0)
    for found in report.figures["rouge-l"].values():
        assert found.value == round(found.value, 4)


def test_ten_frames_are_cut_to_whole_numbers():
    item = None
    assert VatexEval().frames_of(item, 25).tolist() == [0, 2, 5, 8, 10, 13, 16, 18, 21, 24]  # type: ignore[arg-type]
    assert VatexEval().frames_of(item, 4).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]  # type: ignore[arg-type]


def test_another_model_than_that_of_the_embeddings_is_told(tmp_path, checkpoint):
    folder = write_vatex_eval(tmp_path)
    for path in (folder / "VATEX-EVAL_video_feats").glob("*.pt"):
        torch.save(embeddings(np.random.default_rng(0), 5, size=12), path)
    with pytest.raises(InputError, match=r"12 dimensions.*16"):
        run_benchmark("vatex-eval", folder, options={"clip_model_path": checkpoint})


@pytest.mark.parametrize("model", ["ViT-B/16", "openai/clip-vit-large-patch14"])
def test_a_model_that_is_known_to_be_another_is_refused(tmp_path, model):
    """Its space may have as many dimensions, and scores would look like scores."""
    folder = write_vatex_eval(tmp_path)
    with pytest.raises(InputError, match=r"are of ViT-B/32, and clip_model_path is .*--videos"):
        run_benchmark("vatex-eval", folder, options={"clip_model_path": model, "idf": False})


def test_a_model_that_nobody_knows_is_noted(tmp_path, checkpoint):
    folder = write_vatex_eval(tmp_path)
    report = run_benchmark("vatex-eval", folder, options={"clip_model_path": checkpoint}, num_resamples=0)
    assert report.notes == (
        f"the stored embeddings are of ViT-B/32; that {checkpoint!r} is that model is for you to know",
    )


def test_a_video_without_embeddings_costs_its_captions(tmp_path, checkpoint):
    folder = write_vatex_eval(tmp_path)
    next((folder / "VATEX-EVAL_video_feats").glob("video2*.pt")).unlink()
    report = run_benchmark("vatex-eval", folder, options={"clip_model_path": checkpoint}, num_resamples=0)
    assert report.num_scored[V] == report.num_items - 4
    assert any("no stored embeddings of video" in note for note in report.notes)
    assert f"{V} (20 of 24 captions)" in "\n".join(report.lines())


def test_words_weigh_the_same_without_the_corpus_only_where_that_is_asked_for(tmp_path, checkpoint):
    folder = write_vatex_eval(tmp_path)
    (folder / "vatex_train_en_annotations.json").unlink()
    how = {"options": {"clip_model_path": checkpoint}, "num_resamples": 0}
    with pytest.raises(InputError, match=r"has no vatex_train_en_annotations\.json"):
        run_benchmark("vatex-eval", folder, **how)
    report = run_benchmark("vatex-eval", folder, partial=True, **how)
    assert report.notes[0] == "no vatex_train_en_annotations.json: all words weigh the same"
    assert report.signature["idf"] == "none"
    assert run_benchmark("vatex-eval:num_references=1", folder, text_metric="rouge-l", num_resamples=0).notes == ()


@pytest.mark.parametrize("name", ["human_scores", "video_ids", "gts_list"])
def test_files_that_do_not_belong_together_are_refused(tmp_path, name):
    folder = write_vatex_eval(tmp_path)
    value = pickle.loads((folder / f"{name}.pkl").read_bytes())
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(value[:-1]))
    with pytest.raises(InputError, match="24 captions"):
        VatexEval().load(folder)


def test_a_negative_number_of_references_is_refused():
    with pytest.raises(InputError, match="num_references"):
        VatexEval(num_references=-1)
