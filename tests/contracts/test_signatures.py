"""One signature: an option that changes a number of any metric changes it, and one that changes none does not."""

from __future__ import annotations

import dataclasses
import math
import warnings
import zlib
from typing import Any

import numpy as np
import pytest

from tests.contracts.plugin.negative import Negative
from tests.tiny_audio import tiny_clap
from tests.tiny_joint import tiny_pe_av
from vqe_core import registry
from vqe_core.encoders.backends.int8 import multiplies_integers
from vqe_core.scorers.options import DEFAULT_MODEL
from vqe_core.toy.clips import make_clip, write_clip

TOLERANCE = 1e-5  # what changes speed may move scores by rounding
# Options that need what is not here; where they are tested instead.
ELSEWHERE = {
    "video_stream": "scorers/video_audio/test_streams_named.py",
    "audio_stream": "scorers/video_audio/test_streams_named.py",
    "decoder": "shorthand for reader; its other value needs a GPU",
    "api_url": "llm/test_client.py",
    "model_name": "llm/test_client.py",
    "keep_answers": "llm/test_client.py",
    "judge_prompt": "is for a model at api_url",
    "max_tokens": "is for a model at api_url",
    "trust_remote_code": "takes one value",
}
# Options that change no number; the others below change one in at least one setting.
HARMLESS: dict[str, Any] = {
    "device": "cpu",
    "batch_size": 1,
    "on_error": "skip",
    "per_sample": True,
    "progress": None,
    "isolate": False,
    "row_timeout": 60.0,
    "row_memory": 1024,
    "remote": True,
    "max_workers": 2,
    "timeout": 5.0,
    "retries": 1,
    "score_types": ["EMScore(X,V)"],
    "metrics": ["cogr", "full_F"],
    "return_all_frames": True,
    "return_profile": True,
    "video_key": "clip",
    "audio_key": "sound",
    "candidate_key": "text",
    "reference_key": "texts",
    "description_key": "text",
    "group_key": "of",
    "start_key": "from",
    "end_key": "to",
    "status_key": "state",
    "message_key": "said",
    "warnings_key": "codes",
}
CHANGING: dict[str, Any] = {
    "sampler": "scene:threshold=10",
    "frame_sampling_method": "middle",
    "every_n_seconds": 0.4,
    "every_n_frames": 2,
    "frame_num": 2,
    "max_frames": 1,
    "dtype": "bfloat16",
    "quantize": "int8",
    "reader": Negative(),
    "long_text": "truncate",
    "idf": True,
    "frame_aggregation": "mean_of_frames",
    "multi_reference": "best_reference",
    "show_references": False,
    "prefix": "A photo depicts ",
    "prompt": "A photo depicts ",
    "cogr_weight": 0.25,
    "reference_weight": 0.25,
    "weight": 1.0,
    "reduce_mode": "max",
    "horizontal_flip": True,
    "vertical_flip": True,
    "window": 1.1,
    "hop": 0.3,
    "labels": ["rain", "a dog"],
    "seed": 1,
    "min_percentile": 0.9,
}
FOLLOWING = ("clip_model_path", "hf_clip", "encoder", "hf_clap", "backend", "cache_dir", "method", "describer", "judge",
             "min_score", "max_score", "any_or_all", "reference_bank",
             "idf_eos", "resize", "preset", "baseline", "against_chance")  # fmt: skip


COLOURS = ("red", "green", "blue", "yellow", "white", "orange", "purple")
SHAPES = ("circle", "square", "triangle", "star", "ring")


def one_of(samples: np.ndarray, sampling_rate: int) -> str:
    number = zlib.crc32(samples.tobytes())
    return f"a {COLOURS[number % 7]} {SHAPES[number % 5]}"


def next_of(samples: np.ndarray, sampling_rate: int) -> str:
    number = zlib.crc32(samples.tobytes()) + 1
    return f"a {COLOURS[number % 7]} {SHAPES[number % 5]}"


def bright(frames: Any, timestamps: Any, waveform: Any, sampling_rate: int) -> float:
    return float(np.mean(frames) / 512 + 0.01 * len(frames) + 0.01 * timestamps[0])


def dark(frames: Any, timestamps: Any, waveform: Any, sampling_rate: int) -> float:
    return 1 - bright(frames, timestamps, waveform, sampling_rate)


def likes(frames: Any, timestamps: Any, caption: str, references: Any) -> float:
    return bright(frames, timestamps, None, 0) / 2 + 0.01 * len(references)


SETTINGS: dict[str, dict[str, Any]] = {
    "emscore": {"clip_model_path": "toy"},
    "clip_score": {"clip_model_path": "toy"},
    "description": {"hf_clip": "toy", "method": "description", "describer": one_of},
    "profiled": {"hf_clip": "toy", "method": "description", "describer": one_of, "return_profile": True, "window": 0.7},
    "tags": {"hf_clip": "toy", "method": "tags", "window": 0.7},
    "joint": {"method": "joint", "window": 0.7},
    "judge": {"judge": bright},
    "caption_judge": {"judge": likes},
}
METRIC_OF = {name: name if name in registry.names("scorer") else "video_audio_similarity" for name in SETTINGS}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    folder = tmp_path_factory.mktemp("clips")
    clips = [make_clip(seed, size=64) for seed in range(5)]
    paths = [str(write_clip(clip, folder / f"{i}.mp4")) for i, clip in enumerate(clips)]
    captions = [clip.captions(3) for clip in clips]
    return {
        "predictions": [" and ".join(captions[0] * 8), *[texts[0] for texts in captions[1:]]],
        "references": [texts[1:] for texts in captions],
        "videos": paths,
        "several": [paths[:2], *paths[1:]],
    }


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, clip_folder: str) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "clip": clip_folder,
        "clap": str(tiny_clap(folder / "clap")),
        "joint": str(tiny_pe_av(folder / "joint")),
        "other_joint": str(tiny_pe_av(folder / "other", seed=1)),
    }


class Measured:
    """Numbers and signature of one call."""

    def __init__(self, setting: str, options: dict[str, Any], cells: dict[str, list[Any]]) -> None:
        scorer = registry.load("scorer", METRIC_OF[setting])(**{"progress": False, **options})
        takes = {entry.name for entry in scorer.inputs}
        inputs = {name: cells[name] for name in ("predictions", "references", "videos") if name in takes}
        if "references" not in takes:
            inputs["videos"] = cells["several"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = scorer.score(**inputs)
        assert set(report.status) == {"ok"}, report.messages
        self.signature = report.signature
        self.numbers = {**report.scores, **report.rows, **numbers_in(report.calibration)}
        if "profile" in report.details:
            self.numbers["profile"] = [
                entry["pooled"] for entry in report.details["profile"] if isinstance(entry, dict)
            ]

    def changed(self, other: Measured) -> bool:
        shared = self.numbers.keys() & other.numbers.keys()
        assert shared
        return any(
            not np.allclose(self.numbers[n], other.numbers[n], rtol=0, atol=TOLERANCE, equal_nan=True) for n in shared
        )


def numbers_in(calibration: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in calibration.items() if isinstance(value, float | int)}


@pytest.fixture(scope="module")
def measure(cells: dict[str, list[Any]], models: dict[str, str]) -> Any:
    base: dict[str, Measured] = {}

    def measured(setting: str, **options: Any) -> tuple[Measured, Measured]:
        before = {**SETTINGS[setting], **({"hf_clip": models["joint"]} if setting == "joint" else {})}
        if setting not in base:
            base[setting] = Measured(setting, before, cells)
        return base[setting], Measured(setting, {**before, **options}, cells)

    return measured


def fields_of(setting: str) -> set[str]:
    return {field.name for field in dataclasses.fields(registry.load("scorer", METRIC_OF[setting])) if field.init}


# A judge refuses what says something about embeddings, a joint model what is for image-text models.
REFUSED = {
    "joint": {"quantize"},
    "judge": {"min_percentile", "return_profile", "horizontal_flip", "vertical_flip", "window", "hop"},
}
CASES = [
    (setting, option, value)
    for setting in SETTINGS
    for option, value in {**HARMLESS, **CHANGING}.items()
    if option in fields_of(setting) - REFUSED.get(setting, set())
]


@pytest.mark.parametrize(("setting", "option", "value"), CASES, ids=[f"{s}-{o}" for s, o, _ in CASES])
def test_a_number_changes_if_and_only_if_the_signature_does(measure, setting, option, value):
    _RUN.add((setting, option))
    if option == "quantize" and not multiplies_integers():
        pytest.skip("this CPU and torch do not multiply integers exactly")
    before, after = measure(setting, **{option: value})
    assert before.changed(after) == (before.signature != after.signature), (before.signature, after.signature)
    if option in HARMLESS:
        assert before.signature == after.signature
    else:
        _CHANGED.setdefault(option, []).append(before.changed(after))


_RUN: set[tuple[str, str]] = set()
_CHANGED: dict[str, list[bool]] = {}


def test_every_option_that_may_change_a_number_did_so_somewhere():
    if {(setting, option) for setting, option, _ in CASES} - _RUN:
        pytest.skip("the cases above did not all run in this process")
    assert [option for option, seen in _CHANGED.items() if not any(seen)] == []


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_option_is_forgotten(setting):
    tried = {*ELSEWHERE, *HARMLESS, *CHANGING, *FOLLOWING}
    assert fields_of(setting) - tried == set()


def test_models_change_numbers_and_signature(measure, models):
    for setting, options in (
        ("emscore", {"clip_model_path": models["clip"]}),
        ("emscore", {"clip_model_path": DEFAULT_MODEL, "encoder": models["clip"]}),
        ("clip_score", {"clip_model_path": models["clip"]}),
        ("description", {"hf_clip": models["clip"]}),
        ("description", {"hf_clip": DEFAULT_MODEL, "encoder": models["clip"]}),
        ("description", {"describer": next_of}),
        ("description", {"method": "tags", "describer": None}),
        ("tags", {"hf_clap": models["clap"]}),
        ("joint", {"hf_clip": models["other_joint"]}),
        ("judge", {"judge": dark}),
    ):
        before, after = measure(setting, **options)
        assert before.changed(after) and before.signature != after.signature, (setting, options)
    for setting in ("description", "judge", "joint"):  # where sounds are not tagged no tagger is loaded
        before, after = measure(setting, hf_clap=models["clap"])
        assert not before.changed(after) and before.signature == after.signature


def test_the_filter_is_signed_where_it_is_set(measure):
    before, after = measure("tags", any_or_all="all")
    assert not before.changed(after) and before.signature == after.signature  # there is nothing to pass
    first, second = sorted(before.numbers["similarity"][:2])  # the first row has the videos of two
    between = math.fsum((first, second)) / 2
    for bound in ("min_score", "max_score"):
        _, bounded = measure("tags", **{bound: between})
        _, all_of_them = measure("tags", **{bound: between}, any_or_all="all")
        assert before.changed(bounded) and before.signature != bounded.signature
        assert bounded.changed(all_of_them) == (bounded.signature["any_or_all"] == "any")
        assert bounded.signature != all_of_them.signature


def test_a_bank_changes_percentiles_and_the_signature(measure, cells):
    scorer = registry.load("scorer", "video_audio_similarity")(hf_clip="toy", method="tags", window=0.7, progress=False)
    bank = scorer.fit_bank(videos=cells["videos"][:1]).reference_bank
    before, after = measure("tags", reference_bank=bank)
    assert before.changed(after) and before.signature != after.signature
    assert (before.numbers["num_sounds"], before.numbers["percentile_sounds"]) == (5, 4)
    assert (after.numbers["num_sounds"], after.numbers["percentile_sounds"]) == (5, 1)


def test_the_weight_of_the_end_token_is_signed_with_the_others(measure):
    before, after = measure("emscore", idf_eos="own")
    assert not before.changed(after) and before.signature == after.signature  # there are no weights
    _, weighted = measure("emscore", idf=True)
    _, other = measure("emscore", idf=True, idf_eos="own")
    assert weighted.changed(other) and weighted.signature != other.signature


def test_a_preset_is_the_options_that_it_stands_for(measure):
    _, preset = measure("emscore", preset="factvc")
    _, spelt = measure("emscore", cogr_weight=0.25, sampler="every_n_seconds:every_n_seconds=1.0")
    for name in ("cogr_weight", "sampler"):
        assert preset.signature[name] == spelt.signature[name], name


def test_chance_and_a_baseline_are_signed(measure, cells):
    before, placed = measure("emscore", against_chance=True)
    assert not before.changed(placed) and before.signature != placed.signature
    scorer = registry.load("scorer", "emscore")(clip_model_path="toy", progress=False)
    inputs = {name: cells[name] for name in ("predictions", "videos", "references")}
    baseline = scorer.fit_baseline(**inputs).baseline
    _, rescaled = measure("emscore", baseline=baseline)
    assert before.changed(rescaled) and before.signature != rescaled.signature


@pytest.mark.parametrize("metric", ["emscore", "clip_score"])
def test_how_images_are_shrunk_is_signed(metric):
    frames = np.random.default_rng(0).integers(0, 256, (2, 90, 170, 3), dtype=np.uint8)
    reports = {
        resize: registry.load("scorer", metric)(clip_model_path="toy", resize=resize, progress=False).score(
            predictions=["a red circle"], videos=[frames]
        )
        for resize in ("torchvision", "pil")
    }
    assert reports["pil"].scores != reports["torchvision"].scores
    assert [report.signature["resize"] for report in reports.values()] == ["torchvision", "pil"]


def test_a_cache_changes_nothing(measure, tmp_path):
    for _ in range(2):
        before, after = measure("emscore", cache_dir=str(tmp_path))
        assert not before.changed(after) and before.signature == after.signature


@pytest.mark.parametrize("setting", ["emscore", "clip_score", "description", "tags", "judge"])
def test_the_signature_of_a_table_is_known_beforehand(measure, setting):
    before, _ = measure(setting)
    scorer = registry.load("scorer", METRIC_OF[setting])(**SETTINGS[setting], progress=False)
    columns = {entry.key: getattr(scorer, entry.key) for entry in scorer.inputs if entry.name != "audio_descriptions"}
    assert scorer.signature_for(columns.values()) == before.signature


def test_what_there_is_nothing_of_is_not_signed():
    scorer = registry.load("scorer", "emscore")(clip_model_path="toy")
    signature = scorer.score(predictions=["a cat"], references=[["a cat"]]).signature
    assert not {"sampler", "reader", "max_frames", "frame_aggregation"} & signature.keys()
    videos = scorer.score(predictions=["a cat"], videos=[np.zeros((2, 32, 32, 3), np.uint8)]).signature
    assert "multi_reference" not in videos and videos["sampler"]
    assert not {"device", "audio_device"} & videos.keys()


def test_no_metric_is_forgotten():
    own = {name for name in registry.names("scorer") if registry.is_own("scorer", name)}
    assert own == set(METRIC_OF.values())
