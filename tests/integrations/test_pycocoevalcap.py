"""EMScore among the real scorers of pycocoevalcap, in the loop that its users run."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import vqe_core
from tests.required import required_package, required_program
from vqe_core.errors import InputError
from vqe_core.integrations.pycocoevalcap import EMScoreCoco
from vqe_core.toy.clips import make_clip

CLIPS = {f"clip {seed}": make_clip(seed, size=64, num_frames=4) for seed in (5, 3, 4)}
VIDEOS = {key: clip.frames for key, clip in CLIPS.items()}
GTS = {key: clip.captions(2) for key, clip in CLIPS.items()}
PREDICTED = ["a red circle", "a green star", "a blue ring"]
RES = {key: [caption] for key, caption in zip(reversed(CLIPS), PREDICTED, strict=True)}


def evaluate_captions(scorers: list[tuple[Any, Any]], gts: Any, res: Any) -> tuple[dict[str, float], dict[Any, Any]]:
    """Run the loop of COCOEvalCap.evaluate."""
    means: dict[str, float] = {}
    by_id: dict[Any, Any] = {key: {} for key in gts}
    for scorer, method in scorers:
        score, scores = scorer.compute_score(gts, res)
        names, score, scores = (method, score, scores) if isinstance(method, list) else ([method], [score], [scores])
        for name, mean, column in zip(names, score, scores, strict=True):
            means[name] = mean
            for key, value in zip(gts.keys(), column, strict=True):
                by_id[key][name] = value
    return means, by_id


def test_it_runs_beside_the_scorers_of_pycocoevalcap():
    required_package("pycocoevalcap")
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    emscore = EMScoreCoco(VIDEOS, clip_model_path="toy")
    names = ["EMScore(X,V)_full_F", "EMScore(X,X*)_cogr"]
    several = EMScoreCoco(VIDEOS, names, clip_model_path="toy")
    scorers = [
        (Bleu(2), ["Bleu_1", "Bleu_2"]),
        (Rouge(), "ROUGE_L"),
        (Cider(), "CIDEr"),
        (emscore, emscore.method()),
        (several, names),
    ]
    means, by_id = evaluate_captions(scorers, GTS, RES)
    assert list(means) == ["Bleu_1", "Bleu_2", "ROUGE_L", "CIDEr", "EMScore(X,V,X*)_full_F", *names]
    expected = vqe_core.EMScore(clip_model_path="toy").score(
        predictions=[RES[key][0] for key in GTS], references=list(GTS.values()), videos=[VIDEOS[key] for key in GTS]
    )
    for name in ["EMScore(X,V,X*)_full_F", *names]:
        assert means[name] == pytest.approx(expected.scores[name], abs=1e-6)
        assert [by_id[key][name] for key in GTS] == pytest.approx(expected.rows[name], abs=1e-6)
    assert emscore.compute_score(GTS, RES)[1].dtype == np.float64


def test_it_takes_what_the_tokenizer_of_pycocoevalcap_takes_and_gives():
    required_package("pycocoevalcap")
    required_program("java")
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    raw_gts = {key: [{"caption": caption} for caption in captions] for key, captions in GTS.items()}
    raw_res = {key: [{"caption": captions[0].capitalize() + "."}] for key, captions in RES.items()}
    tokenizer = PTBTokenizer()
    gts, res = tokenizer.tokenize(raw_gts), tokenizer.tokenize(raw_res)
    assert res == RES
    scorer = EMScoreCoco(VIDEOS, clip_model_path="toy")
    expected = vqe_core.EMScore(clip_model_path="toy").score(
        predictions=[RES[key][0] for key in GTS], references=list(gts.values()), videos=[VIDEOS[key] for key in GTS]
    )
    tokenized = scorer.compute_score(gts, res)[1]
    np.testing.assert_allclose(tokenized, expected.rows["EMScore(X,V,X*)_full_F"], atol=1e-6)
    # Punctuation is gone from tokenized captions, and the model reads punctuation.
    raw = scorer.compute_score(raw_gts, raw_res)[1]
    assert np.isfinite(raw).all()
    assert np.abs(raw - tokenized).max() > 1e-4


def test_without_videos_captions_are_compared_with_references_and_without_references_with_videos():
    mean, scores = EMScoreCoco(clip_model_path="toy").compute_score(GTS, {key: GTS[key][:1] for key in GTS})
    assert mean == pytest.approx(1.0, abs=1e-5)
    assert scores.shape == (3,)
    video_only = EMScoreCoco(VIDEOS, "EMScore(X,V)_cogr", clip_model_path="toy")
    assert video_only.method() == "EMScore(X,V)_cogr"
    with_references = video_only.compute_score(GTS, RES)[1]
    np.testing.assert_array_equal(video_only.compute_score({key: [] for key in GTS}, RES)[1], with_references)


def test_a_row_that_cannot_be_scored_is_nan_where_it_may_pass():
    scorer = EMScoreCoco({**VIDEOS, "clip 3": "missing.mp4"}, clip_model_path="toy", on_error="skip")
    mean, scores = scorer.compute_score(GTS, RES)
    assert np.isnan(scores).tolist() == [key == "clip 3" for key in GTS]
    assert mean == pytest.approx(np.nanmean(scores))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"res": {"clip 5": ["a"]}}, "gts and res must have the same ids; only one of them has 'clip 3', 'clip 4'"),
        ({"res": {key: ["a", "b"] for key in GTS}}, "res must hold a list of one caption for each id"),
        ({"res": dict.fromkeys(GTS, "a caption")}, "res must hold a list of one caption for each id"),
        ({"gts": dict.fromkeys(GTS, "a caption")}, "gts must hold a list of captions for each id; a bare string"),
        ({"videos": {"clip 5": VIDEOS["clip 5"]}}, "videos has no entry for 'clip 3', 'clip 4'"),
    ],
)
def test_wrong_tables_are_told_plainly(change, words):
    scorer = EMScoreCoco(change.get("videos", VIDEOS), clip_model_path="toy")
    with pytest.raises(InputError, match=re.escape(words)):
        scorer.compute_score(change.get("gts", GTS), change.get("res", RES))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("Bleu_4", "names ('Bleu_4') must be such as EMScore(X,V)_full_F"),
        ("EMScore(X,V,X*)_cogr", "compare with videos"),
    ],
)
def test_wrong_names_are_told_plainly(names, words):
    with pytest.raises(InputError, match=re.escape(words)):
        EMScoreCoco(names=names, clip_model_path="toy")
