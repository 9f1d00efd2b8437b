"""A page compares with banks of its own model: those of the owner, and the one that a checkpoint brings along."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from vqe_core import EMScore, VideoAudioSimilarity
from vqe_core.app.banks import BANKS_VARIABLE, caption_bank_for, caption_verdicts, sound_bank_for
from vqe_core.scorers.caption_bank import load_captions, save_captions
from vqe_core.scorers.video_audio.calibration import load_bank
from vqe_core.toy import model_folder

CAPTIONS = model_folder() / "bank_captions.json"


@pytest.fixture(autouse=True)
def no_owner(monkeypatch):
    monkeypatch.delenv(BANKS_VARIABLE, raising=False)


def test_the_teaching_model_brings_its_own():
    assert caption_bank_for(EMScore(clip_model_path="toy")) == load_captions(CAPTIONS)
    for method in ("tags", "joint"):
        bank = sound_bank_for(VideoAudioSimilarity(hf_clip="toy", method=method), ())
        assert bank.digest() == load_bank(model_folder() / f"bank_{method}.safetensors").digest()
    described = VideoAudioSimilarity(hf_clip="toy", method="description")
    assert sound_bank_for(described, {"audio_descriptions"}).space.startswith("description of toy")


def test_other_models_have_none(clip_folder):
    assert caption_bank_for(EMScore(clip_model_path=clip_folder)) is None


def test_sounds_that_were_heard_otherwise_are_not_compared_with():
    assert sound_bank_for(VideoAudioSimilarity(hf_clip="toy", method="tags", window=1.0), ()) is None
    assert sound_bank_for(VideoAudioSimilarity(hf_clip="toy", method="tags", labels=["a bell", "a drum"]), ()) is None


def test_the_owner_s_bank_comes_first_and_one_that_is_broken_is_left_out(monkeypatch, tmp_path, caplog):
    mine = replace(load_captions(CAPTIONS), margins={"clip_score": 0.5})
    save_captions(mine, tmp_path / "mine.json")
    (tmp_path / "broken.json").write_text("{")
    monkeypatch.setenv(BANKS_VARIABLE, f"{tmp_path / 'broken.json'}, {tmp_path / 'mine.json'}")
    with caplog.at_level(logging.WARNING):
        assert caption_bank_for(EMScore(clip_model_path="toy")) == mine
    assert "a bank is left out" in caplog.text


def test_a_caption_is_none_of_the_others():
    bank = load_captions(CAPTIONS)
    own, other = caption_verdicts([bank.captions[0], "a star"], [1.0, 0.5], bank)
    assert own.of == len(bank) - 1 and other.of == len(bank)
