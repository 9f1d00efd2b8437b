"""Video-audio similarity through ``evaluate.load``: it hears, it says what it cannot hear, and it filters."""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
import soundfile
import torch
from torch.nn.functional import normalize

import vqe_core
from tests import oracle
from tests.clips import write_clip
from tests.media.test_file_checks import damaged_clip
from tests.tiny_audio import tiny_ast, tiny_clap
from tests.tiny_joint import tiny_pe_av
from vqe_core.errors import InputError, InputTypeError, MediaNotFoundError, ModelError

RATE = 16_000
LABELS = ["dog", "man", "house", "cat", "ball"]


@pytest.fixture(scope="module")
def metric(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return evaluate.load("metrics/video_audio_similarity", cache_dir=str(tmp_path_factory.mktemp("evaluate")))


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_clap(tmp_path_factory.mktemp("clap")))


@pytest.fixture(scope="module")
def models(clip_folder: str, clap: str) -> dict[str, Any]:
    """Tags, by tiny random models of the real classes."""
    return {"hf_clip": clip_folder, "hf_clap": clap, "labels": LABELS}


def noise(seed: int, count: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def video(path: Path, seed: int, seconds: float = 0.0) -> str:
    """Two seconds of images, with a tone of ``seconds`` where it is not 0."""
    return str(write_clip(path, noise(seed, 20), seconds_of_sound=seconds))


def sound(seed: int, seconds: float = 2.0, rate: int = RATE) -> dict[str, Any]:
    t = np.arange(int(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    wave = sum(rng.uniform(0.05, 0.3) * np.sin(2 * np.pi * f * t) for f in rng.uniform(200, 3000, 4))
    return {"array": wave.astype(np.float32), "sampling_rate": rate}


def test_a_description_is_compared_with_each_frame(metric, clip_folder):
    clip = noise(0, 9)
    result = metric.compute(
        videos=[clip], audio_descriptions=["the dog runs"], hf_clip=clip_folder, frame_num=4, per_sample=True
    )
    text = oracle.caption_vectors(clip_folder, "the dog runs")[1][-1]
    frames = [oracle.frame_vector(clip_folder, clip[i]) for i in np.linspace(0, 8, 4).astype(int)]
    expected = [float(text @ frame) for frame in frames]
    assert result["avg_similarity"] == pytest.approx(np.mean(expected), abs=1e-5)
    assert result["max_similarity"] == pytest.approx(max(expected), abs=1e-5)
    assert result["min_similarity"] == pytest.approx(min(expected), abs=1e-5)
    assert result["similarity"] == result["avg_similarity"]
    assert result["samples"]["description"] == ["the dog runs"]
    assert result["signature"]["method"] == "description"


def test_tags_are_the_weighted_labels_of_the_sound(metric, models, clap):
    from transformers import ClapFeatureExtractor, ClapModel, ClapProcessor

    clip, heard = noise(0, 9), sound(1, 1.0)
    result = metric.compute(videos=[clip], audios=[heard], method="tags", per_sample=True, **models)
    model, processor = ClapModel.from_pretrained(clap).eval(), ClapProcessor.from_pretrained(clap)
    assert isinstance(processor.feature_extractor, ClapFeatureExtractor)
    features = processor.feature_extractor([heard["array"]], sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        inputs = {"input_features": features["input_features"], "is_longer": torch.zeros(1, 1, dtype=torch.bool)}
        audio = normalize(model.get_audio_features(**inputs).pooler_output, dim=-1)
        prompts = processor.tokenizer([f"This is a sound of {x}." for x in LABELS], padding=True, return_tensors="pt")
        texts = normalize(model.get_text_features(**prompts).pooler_output, dim=-1)
        weights = (audio @ texts.T * model.logit_scale_a.exp()).softmax(-1)[0]
    expected = dict(zip(LABELS, (weights / weights.sum()).tolist(), strict=True))
    (tags,) = result["samples"]["tags"]
    assert {tag["label"]: tag["weight"] for tag in tags} == pytest.approx(expected, abs=1e-4)
    assert [tag["weight"] for tag in tags] == sorted((tag["weight"] for tag in tags), reverse=True)
    photos = {x: oracle.caption_vectors(models["hf_clip"], f"a photo of {x}")[1][-1] for x in LABELS}
    direction = oracle.unit(sum(tag["weight"] * photos[tag["label"]] for tag in tags))
    frames = [oracle.frame_vector(models["hf_clip"], clip[i]) for i in (0, 4, 8)]
    assert result["similarity"] == pytest.approx(np.mean([direction @ frame for frame in frames]), abs=1e-4)


def test_another_sound_gives_another_score(metric, models):
    clip = noise(0)
    scores = [
        metric.compute(videos=[clip], audios=[sound(seed)], method="tags", **models)["similarity"] for seed in (1, 2, 1)
    ]
    assert scores[0] == scores[2] != scores[1]


def test_the_fixed_text_of_the_old_operator_is_nowhere():
    root = Path(__file__).parents[2]
    for folder in ("vqe_core", "metrics"):
        for path in (root / folder).rglob("*.py"):
            assert "audio sound" not in path.read_text(encoding="utf-8").lower(), path


def test_a_videos_own_track_is_heard_where_no_audio_is_given(metric, models, tmp_path):
    own = video(tmp_path / "a.mp4", 0, seconds=2.0)
    silent_picture = video(tmp_path / "b.mp4", 0)
    result = metric.compute(videos=[own, silent_picture], method="tags", per_sample=True, on_error="skip", **models)
    assert result["samples"]["status"] == ["ok", "no_audio"]
    assert result["num_failed"] == 1


def test_every_form_of_a_sound_compares_alike(metric, models, tmp_path):
    heard = sound(3)
    path = tmp_path / "a.wav"
    soundfile.write(path, heard["array"], RATE, subtype="FLOAT")
    stereo = np.stack([heard["array"] * 0.5, heard["array"] * 1.5])
    forms = [heard, str(path), path.read_bytes(), {"path": str(path), "bytes": None}]
    forms += [
        {"array": torch.from_numpy(heard["array"]), "sampling_rate": RATE},
        {"array": stereo, "sampling_rate": RATE},
    ]
    result = metric.compute(videos=[noise(0)] * len(forms), audios=forms, method="tags", per_sample=True, **models)
    scores = result["samples"]["similarity"]
    assert scores == pytest.approx([scores[0]] * len(forms), abs=1e-6)
    assert math.isnan(result["chance"]["median_rank"])  # one sound only: nothing to mistake it for


def test_sounds_that_lie_get_the_status_they_deserve_and_the_others_compare(metric, models, tmp_path):
    rates = {name: tmp_path / name for name in ("8k.wav", "192k.wav", "tune.flac", "tune.mp3", "tune.ogg")}
    for name, path in rates.items():
        rate = {"8k.wav": 8_000, "192k.wav": 192_000}.get(name, 44_100)
        soundfile.write(path, sound(1, rate=rate)["array"], rate)
    surround = {"array": np.stack([sound(i)["array"] for i in range(6)]), "sampling_rate": RATE}
    (tmp_path / "text.wav").write_text("no sound at all")
    broken = sound(1)["array"].copy()
    broken[5] = np.nan
    rows: list[tuple[Any, str]] = [
        *[(str(path), "ok") for path in rates.values()],
        (surround, "ok"),
        ({"array": np.zeros(RATE, np.float32), "sampling_rate": RATE}, "silent"),
        ({"array": sound(1)["array"][:64], "sampling_rate": RATE}, "too_short"),
        ({"array": broken, "sampling_rate": RATE}, "non_finite_audio"),
        ({"array": sound(1)["array"], "sampling_rate": 1}, "bad_sample_rate"),
        (str(tmp_path / "none.wav"), "not_found"),
        (7, "bad_type"),
    ]
    result = metric.compute(
        videos=[noise(0)] * len(rows),
        audios=[row[0] for row in rows],
        method="tags",
        per_sample=True,
        on_error="skip",
        **models,
    )
    assert result["samples"]["status"] == [row[1] for row in rows]
    known = [not math.isnan(value) for value in result["samples"]["similarity"]]
    assert known == [status == "ok" for status in result["samples"]["status"]]
    assert not any(result["samples"]["passed_filter"][i] for i, ok in enumerate(known) if not ok)


def test_joint_space_through_pe_av(metric, tmp_path):
    folder = str(tiny_pe_av(tmp_path / "pe", num_frames=4))
    arguments = {"videos": [noise(0), noise(1)], "audios": [sound(0), sound(1)], "hf_clip": folder, "per_sample": True}
    result = metric.compute(**arguments)
    assert result["signature"]["method"] == "joint"
    from vqe_core.encoders.audio_loading import load_joint_encoder
    from vqe_core.media import resample
    from vqe_core.types import AudioSamples

    encoder = load_joint_encoder(folder)
    frames = noise(0)[np.linspace(0, 5, encoder.frames_per_window).astype(int)]
    waveform = resample(AudioSamples(sound(0)["array"][None], RATE), encoder.sampling_rate).waveform[0]
    visual, audio = encoder.embed_video([frames]), encoder.embed_audio([waveform])
    cosine = float(normalize(visual, dim=-1)[0] @ normalize(audio, dim=-1)[0])
    assert result["samples"]["similarity"][0] == pytest.approx(cosine, abs=1e-4)
    assert result["samples"]["logit"][0] == pytest.approx(float(encoder.logits(visual, audio)[0, 0]), abs=1e-3)
    alone = metric.compute(**{**arguments, "videos": [noise(0)], "audios": [sound(0)]})
    assert alone["similarity"] == pytest.approx(result["samples"]["similarity"][0], abs=1e-5)


def test_auto_takes_the_first_method_that_inputs_and_model_allow(metric, models):
    clip, heard = [noise(0)], [sound(0)]
    assert metric.compute(videos=clip, audios=heard, **models)["signature"]["method"] == "tags"
    described = metric.compute(videos=clip, audio_descriptions=["a dog"], **models)
    assert described["signature"]["method"] == "description"
    with pytest.raises(InputError, match=re.escape("method 'description' needs audio_descriptions or a describer")):
        metric.compute(videos=clip, audios=heard, method="description", **models)


def test_a_describer_writes_what_is_missing(metric, models):
    def describe(waveform: np.ndarray, sampling_rate: int) -> str:
        return f"a dog of {len(waveform) / sampling_rate:.0f} seconds"

    result = metric.compute(
        videos=[noise(0), noise(1)],
        audios=[sound(0), sound(1)],
        audio_descriptions=["a cat", None],
        describer=describe,
        per_sample=True,
        **models,
    )
    assert result["samples"]["description"] == ["a cat", "a dog of 2 seconds"]
    without = metric.compute(
        videos=[noise(0), noise(1)],
        audio_descriptions=["a cat", None],
        per_sample=True,
        on_error="skip",
        **models,
    )
    assert without["samples"]["status"] == ["ok", "no_description"]


def test_an_audio_spectrogram_transformer_tags_with_its_own_labels(metric, clip_folder, tmp_path):
    folder = str(tiny_ast(tmp_path / "ast"))
    result = metric.compute(videos=[noise(0)], audios=[sound(0)], hf_clip=clip_folder, hf_clap=folder, per_sample=True)
    assert 0 < len(result["samples"]["tags"][0]) <= 5


@pytest.mark.parametrize("answer", ["a \ud800", "", 5, None])
def test_what_a_describer_says_is_checked(metric, models, answer):
    class Describer:
        sampling_rate = None

        def signature(self) -> dict[str, str]:
            return {}

        def describe(self, waveforms: Any) -> list[Any]:
            return [answer] * len(waveforms)

    result = metric.compute(
        videos=[noise(0)] * 2, audios=[sound(0)] * 2, describer=Describer(), per_sample=True, on_error="skip", **models
    )
    assert result["samples"]["status"] == ["bad_description"] * 2


def test_equal_sounds_are_described_once_and_a_failing_describer_is_the_rows_error(metric, models):
    asked = []

    def describe(waveform: np.ndarray, sampling_rate: int) -> str:
        asked.append(len(waveform))
        if len(asked) > 1:
            raise OSError("no more")
        return "a dog"

    result = metric.compute(
        videos=[noise(i) for i in range(3)],
        audios=[sound(0), sound(0), sound(1)],
        describer=describe,
        per_sample=True,
        on_error="skip",
        **models,
    )
    assert len(asked) == 2
    assert [status == "ok" for status in result["samples"]["status"]] == [True, True, False]


def test_a_described_clip_has_a_profile(metric, clip_folder, tmp_path):
    path = video(tmp_path / "a.mp4", 0, seconds=2.0)
    result = metric.compute(
        videos=[path], audio_descriptions=["a dog"], hf_clip=clip_folder, return_profile=True, hop=0.5
    )
    (profile,) = result["profile"]
    assert len(profile["times"]) >= 2
    # One text for every window: whole sound and window by window are the same comparison.
    assert profile["avh"] == pytest.approx(profile["mean"], abs=1e-5)


def test_a_damaged_video_has_a_profile_of_the_frames_that_decode(metric, models, tmp_path):
    (tmp_path / "damaged.mp4").write_bytes(damaged_clip())
    result = metric.compute(
        videos=[str(tmp_path / "damaged.mp4")],
        audios=[{"array": np.tile(sound(0)["array"], 2), "sampling_rate": RATE}],
        return_profile=True,
        per_sample=True,
        every_n_seconds=0.1,
        hop=0.5,
        window=1.0,
        **models,
    )
    assert result["samples"]["status"] == ["ok"]
    assert "packets that cannot be decoded: 1" in result["samples"]["message"][0]
    assert None not in result["profile"][0]["similarity"]


def test_a_sound_file_runs_beside_the_whole_video(metric, models, tmp_path):
    path = str(write_clip(tmp_path / "a.mp4", noise(0, 40), seconds_of_sound=0.0))
    wave = np.concatenate([sound(1)["array"], sound(2)["array"]])  # two seconds each
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    segment = {"path": path, "start": 2.0, "end": 4.0}
    forms: list[Any] = [str(tmp_path / "a.wav"), {"path": str(tmp_path / "a.wav"), "start": 2.0, "end": 4.0}, sound(2)]
    result = metric.compute(videos=[segment] * 3, audios=forms, method="tags", per_sample=True, **models)
    scores = result["samples"]["similarity"]
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-5)


def test_a_short_sound_in_a_long_silence_is_heard(metric, models):
    quiet = np.zeros(RATE * 60, np.float32)
    quiet[: RATE // 2] = 0.02 * np.sin(np.arange(RATE // 2) / 5)
    silent_windows = np.zeros(RATE * 4, np.float32)
    result = metric.compute(
        videos=[noise(0)] * 2,
        audios=[{"array": array, "sampling_rate": RATE} for array in (quiet, silent_windows)],
        method="tags",
        per_sample=True,
        on_error="skip",
        **models,
    )
    assert result["samples"]["status"] == ["ok", "silent"]


def test_when_every_row_fails_the_numbers_are_nan_and_there(metric, models):
    result = metric.compute(videos=["none.mp4"], method="tags", on_error="skip", **models)
    assert result["num_failed"] == 1
    assert all(math.isnan(result[name]) for name in ("similarity", "auc", "gap", "p_value"))


def test_spaces_that_differ_are_refused_by_name(metric, clip_folder):
    with pytest.raises(ModelError, match=re.escape("so comparison 'joint' cannot use it")):
        metric.compute(videos=[noise(0)], audios=[sound(0)], hf_clip=clip_folder, method="joint")


def test_a_row_alone_equals_the_row_in_any_batch(metric, models):
    videos, audios = [noise(i) for i in range(4)], [sound(i) for i in range(4)]
    together = metric.compute(videos=videos, audios=audios, method="tags", per_sample=True, batch_size=3, **models)
    for i in range(4):
        alone = metric.compute(videos=[videos[i]], audios=[audios[i]], method="tags", **models)
        assert alone["similarity"] == pytest.approx(together["samples"]["similarity"][i], abs=1e-5)
        assert math.isnan(alone["percentile"])  # nothing to compare with


@pytest.mark.parametrize(("method", "called"), [("tags", "tag"), ("joint", "embed_audio")])
def test_sounds_of_many_rows_are_embedded_in_one_call_with_the_bits_they_have_alone(method, called, monkeypatch):
    from vqe_core.encoders.clap import ClapEncoder

    real, sizes = getattr(ClapEncoder, called), []

    def counted(self: Any, waveforms: Any, *given: Any, **how: Any) -> Any:
        sizes.append(len(waveforms))
        return real(self, waveforms, *given, **how)

    scorer = vqe_core.VideoAudioSimilarity(
        hf_clip="toy", method=method, on_error="skip", return_profile=method == "joint"
    )
    videos = [{"frames": noise(i), "fps": 3} for i in range(5)]
    audios = [sound(0), sound(1, 0.7), {**sound(2), "array": np.zeros(9000, np.float32)}, sound(3), sound(4, 5.0)]
    monkeypatch.setattr(ClapEncoder, called, counted)
    together = scorer.score(videos=videos, audios=audios)
    assert together.status == ["ok", "ok", "silent", "ok", "ok"]
    assert sizes == [4]
    for i in range(5):
        alone = scorer.score(videos=[videos[i]], audios=[audios[i]])
        for name in set(together.rows) - {"percentile", "passed_filter"}:
            assert alone.rows[name][0] == together.rows[name][i] or together.status[i] == "silent", (i, name)


@pytest.mark.parametrize("method", ["tags", "joint"])
def test_stored_sounds_are_not_embedded_again(method, tmp_path, monkeypatch):
    from vqe_core.encoders.clap import ClapEncoder

    scorer = vqe_core.VideoAudioSimilarity(hf_clip="toy", method=method, cache_dir=str(tmp_path / "cache"))
    clips = [video(tmp_path / f"{i}.mp4", i, seconds=2.0) for i in range(3)]
    first = scorer.score(videos=clips[:2])
    real, sizes = ClapEncoder._features, []
    monkeypatch.setattr(ClapEncoder, "_features", lambda self, some: sizes.append(len(some)) or real(self, some))
    second = scorer.score(videos=clips)
    assert second.rows["similarity"][:2] == first.rows["similarity"]
    assert sum(sizes) == 1
    assert scorer.score(videos=clips).rows["similarity"] == second.rows["similarity"]
    assert sum(sizes) == 1


def test_flipped_frames_are_added(metric, clip_folder):
    clip = noise(0, 1)
    arguments = {"videos": [clip], "audio_descriptions": ["a dog"], "hf_clip": clip_folder, "frame_num": 1}
    flips = {"horizontal_flip": True, "vertical_flip": True}
    text = oracle.caption_vectors(clip_folder, "a dog")[1][-1]
    views = [clip[0], clip[0][:, ::-1], clip[0][::-1]]
    expected = np.mean([text @ oracle.frame_vector(clip_folder, np.ascontiguousarray(view)) for view in views])
    assert metric.compute(**arguments, **flips)["similarity"] == pytest.approx(expected, abs=1e-5)


def test_one_frame_is_the_middle_and_two_are_the_ends(metric, clip_folder):
    clip = noise(0, 9)
    text = oracle.caption_vectors(clip_folder, "a dog")[1][-1]
    for frame_num, chosen in ((1, [4]), (2, [0, 8]), (None, [0, 4, 8])):
        result = metric.compute(videos=[clip], audio_descriptions=["a dog"], hf_clip=clip_folder, frame_num=frame_num)
        expected = np.mean([text @ oracle.frame_vector(clip_folder, clip[i]) for i in chosen])
        assert result["similarity"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("reduce_mode", "pick"), [("avg", np.mean), ("max", max), ("min", min)])
def test_reduce_mode_and_the_filter(metric, clip_folder, reduce_mode, pick):
    clip = noise(0, 9)
    text = oracle.caption_vectors(clip_folder, "a dog")[1][-1]
    expected = pick([text @ oracle.frame_vector(clip_folder, clip[i]) for i in (0, 4, 8)])
    arguments = {"videos": [clip], "audio_descriptions": ["a dog"], "hf_clip": clip_folder, "reduce_mode": reduce_mode}
    for low, high, passed in ((expected - 0.01, None, 1.0), (expected + 0.01, None, 0.0), (None, expected - 0.01, 0.0)):
        result = metric.compute(**arguments, min_score=low, max_score=high)
        assert result["similarity"] == pytest.approx(expected, abs=1e-5)
        assert result["passed_filter"] == passed


def test_any_or_all_decides_for_rows_of_several_videos(metric, clip_folder):
    clips = [noise(i, 3) for i in range(2)]
    arguments = {"audio_descriptions": ["a dog"], "hf_clip": clip_folder}
    one, two = (metric.compute(videos=[clip], **arguments)["similarity"] for clip in clips)
    between = (one + two) / 2
    row = {"videos": [clips], **arguments, "min_score": between}
    assert metric.compute(**row, any_or_all="any")["passed_filter"] == 1.0
    assert metric.compute(**row, any_or_all="all")["passed_filter"] == 0.0
    assert metric.compute(**row)["similarity"] == pytest.approx(between, abs=1e-5)


def test_groups_are_no_mismatches_of_each_other(metric, clip_folder):
    arguments = {"videos": [noise(i) for i in range(4)], "hf_clip": clip_folder}
    texts = ["a dog", "a dog", "a cat", "a house"]
    same_text = metric.compute(**arguments, audio_descriptions=texts)
    assert same_text["chance"]["median_rank"] == 2.0  # three sounds
    grouped = metric.compute(**arguments, audio_descriptions=texts, groups=np.array([1, 1, 2, 2]))
    assert grouped["chance"]["median_rank"] == 1.5


def test_a_saved_bank_gives_one_row_its_percentile(clip_folder, tmp_path):
    others = {
        "videos": [noise(i) for i in range(5)],
        "audio_descriptions": ["a dog", "a cat", "a man", "a ball", "the"],
    }
    scorer = vqe_core.VideoAudioSimilarity(hf_clip=clip_folder).fit_bank(**others, path=tmp_path / "bank.safetensors")
    one = {"videos": [noise(9)], "audio_descriptions": ["a house"]}
    from_file = vqe_core.VideoAudioSimilarity(
        hf_clip=clip_folder, reference_bank=str(tmp_path / "bank.safetensors"), min_percentile=0.0
    )
    expected = scorer.compute(**one)
    assert 0 <= expected["percentile"] <= 1
    result = from_file.compute(**one)
    assert (result["percentile"], result["passed_filter"]) == (expected["percentile"], 1.0)
    assert result["signature"]["reference_bank"] == expected["signature"]["reference_bank"]
    content = bytearray((tmp_path / "bank.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "bank.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="is damaged: its content does not match"):
        from_file.compute(**one)


def test_a_percentile_needs_something_to_compare_with(metric, clip_folder):
    one = {"videos": [noise(0)], "audio_descriptions": ["a dog"], "hf_clip": clip_folder, "min_percentile": 0.5}
    with pytest.raises(InputError, match=re.escape("min_percentile (0.5) needs other sounds to compare with")):
        metric.compute(**one)


def test_a_profile_says_when_picture_and_sound_fit(metric, models, tmp_path):
    path = str(write_clip(tmp_path / "a.mp4", noise(0, 40), seconds_of_sound=4.0))
    result = metric.compute(videos=[path], method="tags", window=1.0, return_profile=True, **models)
    (profile,) = result["profile"]
    assert [end - start for start, end in profile["times"]] == pytest.approx([1.0] * len(profile["times"]))
    assert len(profile["matrix"]) == len(profile["matrix"][0]) == len(profile["times"]) == 4
    diagonal = [profile["matrix"][i][i] for i in range(4)]
    assert profile["similarity"] == diagonal
    assert profile["worst"]["similarity"] == min(diagonal)
    assert profile["mean"] == pytest.approx(np.mean(diagonal), abs=1e-6)
    assert (profile["max"], profile["min"]) == pytest.approx((max(diagonal), min(diagonal)), abs=1e-6)
    assert profile["best_lag"] in profile["lags"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"trust_remote_code": True}, "trust_remote_code (True) must be False: code from a checkpoint is never run"),
        ({"method": "guess"}, "method ('guess') must be one of auto, description, tags, joint"),
        ({"reduce_mode": "sum"}, "reduce_mode ('sum') must be one of avg, max, min"),
        ({"any_or_all": "some"}, "any_or_all ('some') must be one of any, all"),
        ({"min_percentile": 2}, "min_percentile (2) must be between 0 and 1"),
        ({"min_score": "a"}, "min_score ('a') must be a number, or None for no bound"),
        ({"hop": 1e-6}, "hop (1e-06 s) cuts a sound of 2.0 s into more than 10000 windows"),
        ({"window": 0}, "window (0) must be a positive finite number of seconds"),
        ({"labels": "dog"}, "labels ('dog') must be a list of words for sounds"),
        ({"api_url": "http://127.0.0.1:1/v1"}, "needs model_name; name the model that the endpoint serves"),
        ({"api_url": "http://user:key@localhost/v1", "model_name": "m"}, "api_url"),
        ({"labels": 5}, "labels (5) must be a list of words for sounds"),
        ({"bogus": 1}, "unexpected keyword argument 'bogus'"),
        ({"frame_num": 0}, "frame_num (0) must be a whole number of at least 1"),
        ({"window": 99.0}, "window (99.0 s) must be at most"),
    ],
)
def test_wrong_calls_are_told_plainly(metric, models, arguments, words):
    with pytest.raises((InputError, InputTypeError, TypeError), match=re.escape(words)):
        metric.compute(**{"videos": [noise(0)], "audios": [sound(0)], **models, **arguments})


def test_raise_names_the_row(metric, models):
    with pytest.raises(MediaNotFoundError, match=re.escape("row 1: [not_found] no sound file at 'none.wav'")):
        metric.compute(videos=[noise(0)] * 2, audios=[sound(0), "none.wav"], **models)


def test_it_pickles_maps_and_hashes(models):
    import datasets
    from datasets.fingerprint import Hasher

    scorer = vqe_core.VideoAudioSimilarity(**models, on_error="skip", audio_key="sound", video_key="clip")
    before = Hasher.hash(scorer)
    rows = datasets.Dataset.from_dict({"clip": ["none.mp4", None], "sound": [None, None]})
    scored = rows.map(scorer, batched=True)
    assert scored["status"][:] == ["not_found", "no_input"]
    assert str(scored.features["passed_filter"].dtype) == "bool"
    assert pickle.loads(pickle.dumps(scorer)) == scorer
    assert Hasher.hash(scorer) == before
    with pytest.raises(InputError, match="min_percentile would differ from batch to batch"):
        vqe_core.VideoAudioSimilarity(min_percentile=0.5)({"video_path": ["x"]})


def test_of_a_whole_table_percentiles_are_among_its_rows_and_the_description_column_decides():
    from vqe_core.toy.clips import make_clip

    table = {"video_path": [make_clip(seed).frames for seed in range(3)], "audio_description": [None] * 3}
    scorer = vqe_core.VideoAudioSimilarity(hf_clip="toy", on_error="skip", min_percentile=0.5)
    assert scorer.score_batch(table, whole=True).status == ["no_description"] * 3
    table["audio_description"] = [make_clip(seed).sound_caption() for seed in range(3)]
    report = scorer.score_batch(table, whole=True)
    alone = scorer.score(videos=table["video_path"], audio_descriptions=table["audio_description"])
    assert report.rows["percentile"] == alone.rows["percentile"]
    assert report.calibration == alone.calibration


def test_swapping_sounds_lowers_the_scores(metric, tmp_path):
    from vqe_core.toy.clips import make_clip, write_clip

    paths = [str(tmp_path / f"{seed}.mp4") for seed in range(4)]
    for seed, path in enumerate(paths):
        write_clip(make_clip(seed, heldout="only"), path)

    def compare(audios: list[str] | None, method: str) -> list[float]:
        result = metric.compute(videos=paths, audios=audios, hf_clip="toy", method=method, per_sample=True)
        similarities: list[float] = result["samples"]["similarity"]
        return similarities

    swapped = [paths[1], paths[0], paths[3], paths[2]]
    for own, other in zip(compare(None, "joint"), compare(swapped, "joint"), strict=True):
        assert other < own
    # Eight kinds of sound are all that tags know of a clip, so one pair may tie; four together do not.
    assert np.mean(compare(swapped, "tags")) < np.mean(compare(None, "tags"))


@pytest.mark.parametrize("method", ["tags", "joint"])
def test_real_clips(metric, shared_media, method):
    names = ["emscore_sample.mp4", "nasa_13013.mp4", "bigbuckbunny.mp4"]
    result = metric.compute(
        videos=[str(shared_media / name) for name in names],
        hf_clip="toy",
        method=method,
        per_sample=True,
        return_profile=True,
        on_error="skip",
    )
    assert result["samples"]["status"] == ["silent", "ok", "ok"]
    assert "below -60 dBFS" in result["samples"]["message"][0]
    assert [profile is not None for profile in result["profile"]] == [False, True, True]
    assert all(len(profile["times"]) > 1 for profile in result["profile"][1:])
    if method == "tags":
        assert all(tags for tags in result["samples"]["tags"][1:])
