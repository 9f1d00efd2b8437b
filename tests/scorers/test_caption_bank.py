"""A bank of captions gives a caption a place among others of one video, and serves the model it was made for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from vqe_core import CLIPScore, EMScore
from vqe_core.errors import InputError, InputTypeError
from vqe_core.scorers.caption_bank import CaptionBank, load_captions, margin_of, save_captions
from vqe_core.toy import model_folder
from vqe_core.toy.clips import make_clip

SHIPPED = model_folder() / "bank_captions.json"
COLUMNS = {EMScore: "EMScore(X,V)_caption_percentile", CLIPScore: "clip_score_caption_percentile"}
SCORES = {EMScore: "EMScore(X,V)_full_F", CLIPScore: "clip_score"}


@pytest.mark.parametrize("metric", [EMScore, CLIPScore])
def test_the_percentile_is_the_share_of_the_bank_that_scores_lower(metric):
    clip = make_clip(3, size=64)
    bank = load_captions(SHIPPED)
    mine, wrong = clip.captions(1)[0], clip.foils()[-1].text
    captions = [mine, wrong, bank.captions[5]]
    plain = metric(clip_model_path="toy", frame_num=4)
    rows = plain.score(predictions=[*captions, *bank.captions], videos=[clip.frames] * (3 + len(bank))).rows
    values = rows[SCORES[metric]]
    placed = replace(plain, reference_bank=SHIPPED).score(predictions=captions, videos=[clip.frames] * 3)
    for i, caption in enumerate(captions):
        others = [value for text, value in zip(bank.captions, values[3:], strict=True) if text != caption]
        share = sum(value < values[i] for value in others) / len(others)
        assert placed.rows[COLUMNS[metric]][i] == pytest.approx(share, abs=0.011)
    assert placed.rows[SCORES[metric]] == values[:3], "the scores themselves stay as they are"
    assert placed.rows[COLUMNS[metric]][0] > 0.95 > 0.6 > placed.rows[COLUMNS[metric]][1]


def test_the_signature_names_the_bank_and_only_where_there_is_one():
    clip = make_clip(3, size=64)
    rows = {"predictions": ["a red star"], "videos": [clip.frames]}
    with_bank = EMScore(clip_model_path="toy", reference_bank=SHIPPED).score(**rows).signature
    without = EMScore(clip_model_path="toy").score(**rows).signature
    assert with_bank == {**without, "reference_bank": load_captions(SHIPPED).digest()}


def test_rows_without_a_video_have_no_percentile_and_a_call_without_any_is_refused():
    scorer = EMScore(clip_model_path="toy", reference_bank=SHIPPED)
    report = scorer.score(
        predictions=["a red star", "a red star"],
        references=["a star", "a star"],
        videos=[make_clip(3, size=64).frames, None],
    )
    first, second = report.rows[COLUMNS[EMScore]]
    assert 0 <= first <= 1 and second != second
    with pytest.raises(InputError, match="reference_bank sets other captions against videos"):
        scorer.score(predictions=["a red star"], references=["a star"])


def test_a_bank_of_another_model_is_refused(tmp_path):
    bank = replace(load_captions(SHIPPED), made_for={"model": "someone/clip", "revision": "1"})
    save_captions(bank, tmp_path / "bank.json")
    scorer = CLIPScore(clip_model_path="toy", reference_bank=tmp_path / "bank.json")
    with pytest.raises(InputError, match=r"captions for 'someone/clip' \(revision 1\), and here it is 'toy'"):
        scorer.score(predictions=["a red star"], videos=[make_clip(3, size=64).frames])


def test_a_file_that_was_altered_or_is_none_is_refused(tmp_path):
    content = json.loads(SHIPPED.read_text(encoding="utf-8"))
    content["captions"][0] = "a red star"
    for text, words in (
        (json.dumps(content), "was altered"),
        ("[]", "no file of captions"),
        ("", "no file of captions"),
    ):
        (tmp_path / "bank.json").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            load_captions(tmp_path / "bank.json")
    with pytest.raises(InputError, match="no file of captions"):
        load_captions(model_folder() / "bank_tags.safetensors")
    with pytest.raises(InputTypeError, match="must be the path of a file"):
        EMScore(clip_model_path="toy", reference_bank=3)


def test_a_few_captions_are_no_bank():
    with pytest.raises(InputError, match="at least 20 different captions, got 2"):
        CaptionBank(("a", "b"), {})


def test_the_margin_is_of_pairs_within_a_clip_only():
    assert margin_of([[0.1, 0.1], [0.9, 0.9]]) == 0.0
    assert margin_of([[0.5], []]) is None
