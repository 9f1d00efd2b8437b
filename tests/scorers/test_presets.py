"""Presets against the formulas of their papers, one frame and one token at a time, and what they leave to the user."""

from __future__ import annotations

import dataclasses
import math
import pickle
from typing import Any

import numpy as np
import pytest

from tests import oracle
from vqe_core import CLIPScore, EMScore, registry
from vqe_core.encoders import load_text_side
from vqe_core.errors import InputError
from vqe_core.functional.idf import IdfTable
from vqe_core.scorers.presets import PRESETS, TOGETHER

EXACT = 2e-6  # float32 here, float64 in the oracle; resizing is Pillow's in both
CAPTIONS = ["a red cat runs", "the big dog sits on a blue house", "a man cooks"]
REFERENCES = [["a cat runs"], ["a dog in a house", "the small dog sits", "a tree"], ["a man and a woman play"]]
CORPUS = ["a cat runs", "the dog sits", "a man and a woman play", "the man runs"]
FPS = 4.0
COUNTS = (9, 14, 3)


def clip(seed: int, count: int) -> np.ndarray:
    """Frames that have to be resized and cropped."""
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 70, 3), dtype=np.uint8)


def rows() -> dict[str, Any]:
    clips = [{"frames": clip(i, count), "fps": FPS} for i, count in enumerate(COUNTS)]
    return {"predictions": CAPTIONS, "references": REFERENCES, "videos": clips}


def ten_frames(frames: np.ndarray) -> list[np.ndarray]:
    return [frames[int(position)] for position in np.linspace(0, len(frames) - 1, 10)]


def one_a_second(frames: np.ndarray) -> list[np.ndarray]:
    return [frames[int(second * FPS)] for second in range(math.ceil(len(frames) / FPS))]


def plain_idf(folder: str, corpus: list[str]) -> Any:
    """The dictionary of FactVC: the end token is like any other, and so is in every caption."""
    documents = [set(oracle.caption_vectors(folder, text)[0]) | {0} for text in corpus]
    seen = {token for document in documents for token in document}
    weights = {
        token: math.log((len(corpus) + 1) / (sum(token in document for document in documents) + 1)) for token in seen
    }
    return lambda token: weights.get(token, math.log(len(corpus) + 1))


def full(scores: dict[str, float], weight: float) -> dict[str, float]:
    """The published code of FactVC: figr * (1 - w) + cogr * w."""
    mixed = {f"full_{m}": scores[f"figr_{m}"] * (1 - weight) + scores["cogr"] * weight for m in "PRF"}
    return {**scores, **mixed}


def slow_emscore(folder: str, frames_of: Any, weigh: Any, weight: float) -> list[dict[str, float]]:
    expected = []
    for i, (caption, references, count) in enumerate(zip(CAPTIONS, REFERENCES, COUNTS, strict=True)):
        video = full(oracle.against_video(folder, caption, frames_of(clip(i, count)), weigh), weight)
        reference = full(oracle.against_references(folder, caption, references, weigh), weight)
        both = {name: (video[name] + reference[name]) / 2 for name in video}
        named = {"EMScore(X,V)": video, "EMScore(X,X*)": reference, "EMScore(X,V,X*)": both}
        expected.append({f"{kind}_{name}": value for kind, scores in named.items() for name, value in scores.items()})
    return expected


@pytest.mark.parametrize(
    "preset, frames_of, idf_of, weight",
    [
        ("emscore", ten_frames, oracle.idf_weights, 0.5),
        ("factvc", one_a_second, plain_idf, 0.25),
        ("pac-s", ten_frames, oracle.idf_weights, 0.5),
    ],
)
def test_presets_of_emscore_equal_their_papers(clip_folder, preset, frames_of, idf_of, weight):
    report = EMScore(preset=preset, clip_model_path=clip_folder, idf=CORPUS).score(**rows())
    expected = slow_emscore(clip_folder, frames_of, idf_of(clip_folder, CORPUS), weight)
    for i, row in enumerate(expected):
        got = {name: report.rows[name][i] for name in row}
        assert got == pytest.approx(row, abs=EXACT)
    assert report.signature["resize"] == "pil"


def slow_clip_score(folder: str, weight: float) -> list[tuple[float, float, float]]:
    """Cosine, w x max(cos, 0), and its harmonic mean with the best reference, behind 'A photo depicts'."""
    expected = []
    for i, (caption, references, count) in enumerate(zip(CAPTIONS, REFERENCES, COUNTS, strict=True)):
        vector = oracle.caption_vectors(folder, "A photo depicts " + caption)[1][-1]
        frames = [oracle.frame_vector(folder, frame) for frame in ten_frames(clip(i, count))]
        cosine = float(vector @ oracle.unit(np.mean(frames, axis=0)))
        others = [oracle.caption_vectors(folder, "A photo depicts " + text)[1][-1] for text in references]
        score, best = weight * max(cosine, 0), max(0.0, *(float(vector @ other) for other in others))
        both = 2 * score * best / (score + best) if score and best else 0.0
        expected.append((cosine, score, both))
    return expected


@pytest.mark.parametrize("preset, weight", [("clipscore", 2.5), ("pac-s", 2.0)])
def test_presets_of_clip_score_equal_their_papers(clip_folder, preset, weight):
    report = CLIPScore(preset=preset, clip_model_path=clip_folder).score(**rows())
    _, scores, with_references = zip(*slow_clip_score(clip_folder, weight), strict=True)
    assert report.rows["clip_score"] == pytest.approx(scores, abs=EXACT)
    assert report.rows["ref_clip_score"] == pytest.approx(with_references, abs=EXACT)


def test_clipscore_by_emscore_is_the_cosine_before_the_factor(clip_folder):
    report = EMScore(preset="clipscore", clip_model_path=clip_folder).score(**rows())
    cosines, _, _ = zip(*slow_clip_score(clip_folder, 2.5), strict=True)
    assert report.rows["EMScore(X,V)_cogr"] == pytest.approx(cosines, abs=EXACT)
    assert {name.rpartition("_")[2] for name in report.rows} == {"cogr"}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: f"{preset.metric}-{preset.name}")
def test_a_preset_is_its_options_and_has_their_signature(clip_folder, preset):
    kind = registry.load("scorer", preset.metric)
    named = kind(preset=preset.name, clip_model_path=clip_folder)
    spelt = kind(**{**preset.options, "clip_model_path": clip_folder})
    assert named == spelt and named.preset is None
    assert pickle.loads(pickle.dumps(named)) == named
    one = {"predictions": CAPTIONS[:1], "videos": rows()["videos"][:1]}
    assert named.score(**one).signature == spelt.score(**one).signature
    assert preset.headline in {*getattr(named, "metrics", ()), *named.result_names({"videos"}).scores}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: f"{preset.metric}-{preset.name}")
def test_what_is_given_stays(preset):
    kind = registry.load("scorer", preset.metric)
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    for name in preset.options:  # also where the value given is the default
        if defaults[name] is not None:
            given = {"clip_model_path": "toy", name: defaults[name]}
            assert getattr(kind(preset=preset.name, **given), name) == getattr(kind(**given), name)


def test_one_of_several_options_for_one_thing_keeps_the_preset_out_of_it():
    assert EMScore(preset="factvc", clip_model_path="toy", frame_num=3).frame_sampler.frame_num == 3
    encoder = load_text_side("toy")  # any object stands for a model here
    assert EMScore(preset="emscore", encoder=encoder).model is encoder
    assert CLIPScore(preset="clipscore", prefix="a photo of ").prompt == "a photo of "
    options = {field.name for kind in (EMScore, CLIPScore) for field in dataclasses.fields(kind)}
    assert options.issuperset(name for group in TOGETHER for name in group)


def test_a_copy_keeps_what_differs_from_the_default_and_takes_the_preset():
    scorer = EMScore(clip_model_path="toy", cogr_weight=0.4)
    copy = dataclasses.replace(scorer, preset="factvc")
    assert (copy.cogr_weight, copy.idf_eos, copy.clip_model_path) == (0.4, "own", "toy")
    assert dataclasses.replace(EMScore(clip_model_path="toy", preset="factvc"), device="cpu").cogr_weight == 0.25


def test_presets_that_cannot_be_taken():
    with pytest.raises(InputError, match="preset 'pac-s' needs a checkpoint"):
        EMScore(preset="pac-s")
    with pytest.raises(InputError, match=r"preset \('factvc'\) must be one of clipscore, pac-s"):
        CLIPScore(preset="factvc")


@pytest.mark.parametrize("option", ["cogr_weight", "reference_weight"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_weight_is_a_share(option, value):
    with pytest.raises(InputError, match=f"{option} .* must be between 0 and 1"):
        EMScore(**{option: value})


def test_reference_weight_moves_the_combined_score_from_one_to_the_other(clip_folder):
    def scores(weight: float) -> dict[str, list[float]]:
        return EMScore(clip_model_path=clip_folder, reference_weight=weight).score(**rows()).rows

    assert scores(0)["EMScore(X,V,X*)_full_F"] == scores(0)["EMScore(X,V)_full_F"]
    assert scores(1)["EMScore(X,V,X*)_full_F"] == scores(1)["EMScore(X,X*)_full_F"]


def test_the_end_token_of_any_table(clip_folder):
    def end_weight(**options: Any) -> float:
        from vqe_core.scorers.emscore.idf import resolve_idf

        encoder: Any = load_text_side(clip_folder)
        table = resolve_idf(EMScore(clip_model_path=clip_folder, **options).idf, encoder, [], **rule(options))
        assert isinstance(table, IdfTable)
        return float(table.lookup([encoder.end_id]))

    def rule(options: dict[str, Any]) -> dict[str, Any]:
        return {"idf_eos": options.get("idf_eos")}

    fitted = EMScore(clip_model_path=clip_folder).fit(CORPUS).idf
    assert end_weight(idf=CORPUS) == end_weight(idf=fitted) == end_weight(idf=fitted, idf_eos="mean") > 0
    assert end_weight(idf=fitted, idf_eos="own") == end_weight(idf=CORPUS, idf_eos="own") == 0
    own = EMScore(clip_model_path=clip_folder, idf_eos="own").fit(CORPUS).idf
    assert end_weight(idf=own) == 0 and end_weight(idf=own, idf_eos="mean") == pytest.approx(end_weight(idf=fitted))


def test_words_of_the_prompt_weigh_nothing(clip_folder):
    scorer = EMScore(clip_model_path=clip_folder, prompt="a man with ").fit(CORPUS)
    tokenizer: Any = load_text_side(clip_folder).tokenizer
    (window,) = tokenizer.split("a man with", "error").windows
    assert scorer.idf.lookup(window[1:-1]).tolist() == [0, 0, 0]


def test_a_prompt_is_put_before_every_text(clip_folder):
    prompted = EMScore(clip_model_path=clip_folder, prompt="a man with ").score(**rows())
    texts = {"predictions": ["a man with " + text for text in CAPTIONS], "videos": rows()["videos"]}
    texts["references"] = [["a man with " + text for text in row] for row in REFERENCES]
    assert prompted.rows == EMScore(clip_model_path=clip_folder).score(**texts).rows
