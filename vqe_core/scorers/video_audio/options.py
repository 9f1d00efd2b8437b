"""Options of video-audio similarity. Imports no torch: ``--help`` reads this file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from vqe_core.errors import InputError, InputTypeError
from vqe_core.options import AnyOrAll, Method, ReduceMode, option
from vqe_core.samplers import FrameSampler, MiddleSampler, UniformSampler
from vqe_core.scorers.options import DEFAULT_MODEL, SharedOptions


@dataclass(frozen=True, kw_only=True)
class VideoAudioOptions(SharedOptions):
    """Options of video-audio similarity, by the names they have in Python, ``evaluate`` and on the command line."""

    default_frame_num: ClassVar[int] = 3  # of the operator that this metric comes from

    hf_clip: Any = option(
        DEFAULT_MODEL, "image-text model, or joint model such as facebook/pe-av-small-16-frame, or toy", names="model"
    )
    encoder: Any = option(
        None, "an encoder, or its spec, in place of hf_clip: {encoders}", names="model", kind="encoder"
    )
    hf_clap: Any = option(
        None, "model that tags audio (default laion/clap-htsat-unfused, or what hf_clip brings along)", names="model"
    )
    method: Method = option("auto", "description, tags, joint, judge, or auto (the first that inputs and model allow)")
    reduce_mode: ReduceMode = option("avg", "similarity of a row from its frames or windows: avg, max or min")
    any_or_all: AnyOrAll = option("any", "a row of several videos passes if any, or if all of them pass")
    min_score: float | None = option(None, "lowest similarity that passes the filter (default: none)", rule="number")
    max_score: float | None = option(None, "highest similarity that passes the filter (default: none)", rule="number")
    min_percentile: float | None = option(
        None, "lowest percentile among mismatches that passes (default: none)", rule="share"
    )
    horizontal_flip: bool = option(False, "also compare each frame flipped left to right")
    vertical_flip: bool = option(False, "also compare each frame flipped top to bottom")
    window: float | None = option(None, "seconds of audio heard at once (default: the model's)", rule="seconds")
    hop: float | None = option(None, "seconds between two windows (default: the window)", rule="seconds")
    labels: Any = option(None, "sounds to tell apart by tags (default: the model's or about 60 of our own)", many=True)
    return_profile: bool = option(False, "add 'profile': similarity over time, worst window and best lag")
    describer: Any = option(
        None, "what describes audio in words: {describers}, or a function or object in Python", kind="describer"
    )
    judge: Any = option(
        None,
        "what sees and hears, and says how well they fit: {judges}, or a function or object in Python",
        kind="judge",
    )
    api_url: str | None = option(None, "OpenAI-compatible endpoint that describes audio, or judges (default: none)")
    model_name: str | None = option(None, "model at api_url")
    max_workers: int = option(8, "most requests to api_url at a time", rule="count", changes_scores=False)
    keep_answers: bool = option(
        True,
        "keep answers of a model behind an endpoint or a serving in cache_dir, else where the command caches, so that "
        "none is paid for twice",
        changes_scores=False,
    )
    reference_bank: Any = option(
        None, "file of other sounds to measure percentiles against, written by fit_bank or vqe bank build", names="file"
    )
    seed: int = option(0, "of the shuffles behind p_value")
    trust_remote_code: bool = option(False, "only false: code from a checkpoint is never run")
    audio_key: str = option("audio_path", "column of the audio; without it each video's own track is used")
    description_key: str = option("audio_description", "column of audio descriptions")
    group_key: str = option("group", "column that is equal for rows that share a sound")

    @property
    def frame_sampler(self) -> FrameSampler:
        """The sampler that the options name; ``frame_num=1`` takes the middle frame.

        Raises:
            InputError: options that exclude each other.
        """
        sampler = super().frame_sampler
        return MiddleSampler() if self.sampler is None and sampler == UniformSampler(1) else sampler

    @property
    def model(self) -> Any:
        """The image-text or joint model that the options name.

        Raises:
            InputError: two models.
        """
        if self.encoder is not None and self.hf_clip != DEFAULT_MODEL:
            raise InputError(f"encoder and hf_clip ({self.hf_clip!r}) exclude each other; give one")
        return self.hf_clip if self.encoder is None else self.encoder


# Options that say something about embeddings, of which a judge has none.
MEANINGLESS_FOR_JUDGES = (
    "min_percentile",
    "reference_bank",
    "return_profile",
    "horizontal_flip",
    "vertical_flip",
    "window",
    "hop",
)


def is_judged(options: VideoAudioOptions) -> bool:
    """Tell whether the options name a judge's verdict as the way to compare."""
    return options.method == "judge" or (options.method == "auto" and options.judge is not None)


def check_method(options: VideoAudioOptions) -> None:
    """Check, before a model is loaded, what can be checked of options that depend on each other.

    Raises:
        InputError, InputTypeError: one breaks its rule.
    """
    if options.trust_remote_code:
        raise InputError(
            f"trust_remote_code ({options.trust_remote_code!r}) must be False: code from a checkpoint is never run, "
            "as it could do anything on this machine; use a model whose classes transformers has"
        )
    if options.judge is not None and options.method not in ("auto", "judge"):
        raise InputError(f"judge is not asked by method {options.method!r}; use method='judge', or leave judge out")
    check_labels(options.labels)
    if not is_judged(options):
        return
    for name in MEANINGLESS_FOR_JUDGES:
        value = getattr(options, name)
        if value != next(field.default for field in fields(options) if field.name == name):
            raise InputError(
                f"{name} ({value!r}) says nothing about method 'judge', which gives one number a clip and no "
                "embeddings; leave it out, or use another method"
            )


def check_labels(labels: Any) -> Sequence[str] | None:
    """Return the labels as a tuple of distinct texts, None for the tagger's own.

    Raises:
        InputTypeError: not a list of texts.
    """
    if labels is None:
        return None
    if (
        isinstance(labels, str)
        or not isinstance(labels, Iterable)
        or not all(isinstance(label, str) and label.strip() for label in labels)
    ):
        raise InputTypeError(f"labels ({labels!r}) must be a list of words for sounds, for example ['rain', 'a dog']")
    if not labels:
        raise InputError("labels is empty; name the sounds to tell apart, or leave it out for the model's own")
    return tuple(dict.fromkeys(labels))
