"""Presets: sets of option values by which published metrics are computed, by name. Imports no torch.

A preset fills in the options that are not given; what is given stays. It leaves no trace of its own: a scorer by a
preset equals one by the same options, and its signature carries their values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vqe_core.errors import InputError

# Options that say one thing together: where one of them is given, a preset says nothing about it.
TOGETHER = (
    ("clip_model_path", "encoder"),
    ("sampler", "frame_sampling_method", "every_n_seconds", "every_n_frames", "frame_num"),
    ("prompt", "prefix"),
)


@dataclass(frozen=True)
class Preset:
    """Options of one published metric.

    Attributes:
        metric: name of the scorer that takes it.
        name: of the preset.
        source: the paper, and what of it is not in the options.
        headline: the number that the paper reports.
        options: values by name.
        checkpoint: where its weights come from, if it has none within reach; then a model must be given.
    """

    metric: str
    name: str
    source: str
    headline: str
    options: Mapping[str, Any]
    checkpoint: str = ""


PAC_WEIGHTS = "weights of github.com/aimagelab/pacscore, converted to a folder in Hugging Face form"
# The paper's formula: equal weights, the best of each component over references, 10 frames.
_EMSCORE = {
    "sampler": "uniform:frame_num=10",
    "prompt": "",
    "cogr_weight": 0.5,
    "reference_weight": 0.5,
    "idf_eos": "mean",
    "frame_aggregation": "video",
    "multi_reference": "max_component",
    "resize": "pil",
}
_WHOLE = {"prompt": "A photo depicts ", "resize": "pil", "long_text": "truncate"}

PRESETS = (
    Preset(
        "emscore",
        "emscore",
        "Shi et al., EMScore, CVPR 2022, section 3; its idf is fitted on the captions of VATEX's training set",
        "full_F",
        {"clip_model_path": "ViT-B/32", **_EMSCORE},
    ),
    Preset(
        "emscore",
        "factvc",
        "Liu and Wan, Models See Hallucinations (FactVC), EMNLP 2023, section 5; the captions are letters only, its "
        "idf is fitted on whole paragraphs, and its own weights, if at hand, go to clip_model_path",
        "full_P",
        {
            **_EMSCORE,
            "clip_model_path": "ViT-B/16",
            "sampler": "every_n_seconds:every_n_seconds=1",
            "max_frames": 10_000,
            "cogr_weight": 0.25,
            "idf_eos": "own",
            "long_text": "truncate",
        },
    ),
    Preset(
        "emscore",
        "pac-s",
        "Sarto et al., PAC-S, CVPR 2023, section 4.3: EMScore's formula by its own weights",
        "full_F",
        _EMSCORE,
        checkpoint=PAC_WEIGHTS,
    ),
    Preset(
        "emscore",
        "clipscore",
        "Hessel et al., CLIPScore, EMNLP 2021, section 3, before the factor 2.5, of the mean frame",
        "cogr",
        {"clip_model_path": "ViT-B/32", **_WHOLE, "metrics": ("cogr",)},
    ),
    Preset(
        "clip_score",
        "clipscore",
        "Hessel et al., CLIPScore, EMNLP 2021, section 3",
        "clip_score",
        {"clip_model_path": "ViT-B/32", **_WHOLE, "weight": 2.5},
    ),
    Preset(
        "clip_score",
        "pac-s",
        "Sarto et al., PAC-S, CVPR 2023, section 3.2",
        "clip_score",
        {**_WHOLE, "weight": 2.0},
        checkpoint=PAC_WEIGHTS,
    ),
)


def presets_of(metric: str) -> dict[str, Preset]:
    """Return the presets of a scorer by name.

    Example:
        >>> list(presets_of("emscore"))
        ['emscore', 'factvc', 'pac-s', 'clipscore']
    """
    return {preset.name: preset for preset in PRESETS if preset.metric == metric}


def take_preset(scorer: Any, given: Collection[str]) -> None:
    """Set the options of a scorer that its ``preset`` names and that were not given, then forget the name.

    Args:
        scorer: being made.
        given: names of the options that were passed to it. Of a copy by ``dataclasses.replace``, which passes every
            one, those count that are not at their default.

    Raises:
        InputError: no such preset, or it needs a checkpoint and none was given.
    """
    name = scorer.preset
    if name is None:
        return
    known = presets_of(scorer.name)
    if name not in known:
        raise InputError(f"preset ({name!r}) must be one of {', '.join(known)}, the presets of {scorer.name}")
    preset = known[name]
    taken = _given(scorer, given)
    if preset.checkpoint and "clip_model_path" not in taken:
        raise InputError(
            f"preset {name!r} needs a checkpoint, and none is on the hub: give clip_model_path, {preset.checkpoint}"
        )
    for option, value in preset.options.items():
        if option not in taken:
            object.__setattr__(scorer, option, value)
    object.__setattr__(scorer, "preset", None)


def _given(scorer: Any, given: Collection[str]) -> set[str]:
    fields = {field.name: field.default for field in dataclasses.fields(scorer)}
    if set(given) >= set(fields):
        given = [name for name, default in fields.items() if getattr(scorer, name) != default]
    # None stands for the default wherever an option may be None.
    named = {name for name in given if getattr(scorer, name) is not None}
    return named.union(*(group for group in TOGETHER if named.intersection(group)))
