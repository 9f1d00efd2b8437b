"""An explanation holds what the score was made of: both follow from each other."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import tiny_siglip
from vqe_core.errors import InputError, MediaNotFoundError, ModelError
from vqe_core.report.explain import THUMBNAIL, explain_captions, explain_emscore
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.toy.clips import make_clip, write_clip

CLIP = make_clip(seed=7)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(write_clip(CLIP, tmp_path_factory.mktemp("clips") / "clip.mp4"))


def precision_and_recall(explained):
    """Compute both from the matrix alone, by loops, as the paper writes them."""
    matrix, weights = explained.similarity.tolist(), explained.token_weights.tolist()
    precision = sum(weight * max(row) for weight, row in zip(weights, matrix, strict=True))
    recall = sum(max(row[n] for row in matrix) for n in range(len(matrix[0]))) / len(matrix[0])
    return precision, recall


@pytest.mark.parametrize("idf", [False, ["a red star", "a blue star moves left", "four rings"]])
@pytest.mark.parametrize("caption", ["two unheard-of zebras", CLIP.captions(1)[0]])
def test_precision_and_recall_follow_from_the_matrix(path, caption, idf):
    explained = explain_emscore(caption, path, clip_model_path="toy", frame_num=5, idf=idf)
    precision, recall = precision_and_recall(explained)
    scored = EMScore(clip_model_path="toy", frame_num=5, idf=idf).compute(predictions=[caption], videos=[path])
    assert precision == pytest.approx(scored["EMScore(X,V)_figr_P"], abs=1e-5)
    assert recall == pytest.approx(scored["EMScore(X,V)_figr_R"], abs=1e-5)
    assert explained.scores == {name: scored[name] for name in explained.scores}
    assert explained.signature == scored["signature"]
    assert explained.token_weights.sum() == pytest.approx(1.0, abs=1e-5)


def test_words_and_tokens_spell_the_caption(path):
    explained = explain_emscore("a zebra moves left", path, clip_model_path="toy")
    assert [word.text for word in explained.words] == ["start", "a", "zebra", "moves", "left", "end"]
    assert "".join(explained.tokens[1:-1]) == "azebramovesleft"
    assert len(explained.tokens) == len(explained.similarity) > len(explained.words)


def test_frames_are_those_that_were_scored(path):
    explained = explain_emscore("a star", path, clip_model_path="toy", frame_num=4)
    assert explained.frame_numbers.tolist() == [0, 3, 7, 11]
    assert explained.timestamps.tolist() == pytest.approx([0.0, 0.75, 1.75, 2.75])
    assert explained.frame_names == ["0.00 s", "0.75 s", "1.75 s", "2.75 s"]
    # the mp4 changed the colours a little
    assert abs(explained.frames.astype(int) - CLIP.frames[[0, 3, 7, 11]]).mean() < 6


def test_large_frames_become_thumbnails_of_the_same_shape():
    frames = np.zeros((2, 400, 800, 3), np.uint8)
    explained = explain_emscore("a star", frames, clip_model_path="toy", frame_num=2)
    assert explained.frames.shape == (2, THUMBNAIL // 2, THUMBNAIL, 3)
    assert explained.timestamps is None and explained.frame_names == ["#1", "#2"]


def test_each_frame_has_its_score_over_time(path):
    explained = explain_emscore("a star", path, references="a ring", clip_model_path="toy", frame_num=3)
    times, values = explained.over_time("EMScore(X,V)_figr_P")
    assert times.tolist() == explained.timestamps.tolist()
    assert values.tolist() == [frame["EMScore(X,V)"]["figr_P"] for frame in explained.frame_scores]
    # of one frame, precision is the weighted mean of its column
    assert values == pytest.approx(explained.token_weights @ explained.similarity, abs=1e-5)
    assert len(explained.over_time("EMScore(X,V,X*)_full_F")[1]) == 3
    with pytest.raises(InputError, match="score \\('best'\\) is none of EMScore"):
        explained.over_time("best")


def test_captions_of_one_video_are_scored_as_alone(path):
    scorer = EMScore(clip_model_path="toy", frame_num=3)
    captions = ["a red star", "two zebras and a much longer caption beside it"]
    together = explain_captions(scorer, captions, path, references=["a star"])
    for caption, explained in zip(captions, together, strict=True):
        alone = explain_emscore(caption, path, references="a star", clip_model_path="toy", frame_num=3)
        assert explained.scores == pytest.approx(alone.scores, abs=1e-5)
        assert np.allclose(explained.similarity, alone.similarity, atol=1e-5)


def test_what_cannot_be_explained_is_told_plainly(path, tmp_path):
    with pytest.raises(InputError, match="must hold a word"):
        explain_emscore("  ", path, clip_model_path="toy")
    with pytest.raises(MediaNotFoundError, match="gone"):
        explain_emscore("a star", str(tmp_path / "gone.mp4"), clip_model_path="toy")
    with pytest.raises(ModelError, match="no token-level text embeddings, so its scores cannot be explained"):
        explain_emscore("a star", CLIP.frames, clip_model_path=tiny_siglip(tmp_path / "siglip"), metrics=["cogr"])
