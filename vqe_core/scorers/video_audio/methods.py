"""The options of video-audio similarity to a comparison with its models loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from vqe_core import registry
from vqe_core.embed import FrameViews
from vqe_core.encoders import ImageTextEncoder, load_image_text_encoder
from vqe_core.encoders.audio_loading import AUDIO_MODEL_FIELD, load_joint_encoder, load_tagger
from vqe_core.encoders.backends.batch_size import USUAL
from vqe_core.encoders.base import JointEncoder
from vqe_core.encoders.checkpoints import find_checkpoint
from vqe_core.errors import InputError, InputTypeError, VqeError
from vqe_core.options import check_count
from vqe_core.samplers import FrameSampler
from vqe_core.samplers.base import sampler_from_options
from vqe_core.samplers.index_based import MiddleSampler, UniformSampler
from vqe_core.scorers.options import VideoAudioOptions
from vqe_core.scorers.video_audio.bridges import FRAMES, TagBridge
from vqe_core.scorers.video_audio.description import ByDescription
from vqe_core.scorers.video_audio.joint import ByJointSpace
from vqe_core.scorers.video_audio.judge import ByJudge, is_judged, refuse_meaningless
from vqe_core.scorers.video_audio.llm_calls import check_asked, describer_for, judge_for
from vqe_core.scorers.video_audio.pairs import Comparison
from vqe_core.scorers.video_audio.tags import ByTags
from vqe_core.scorers.video_audio.windows import Windowing

DEFAULT_TAGGER = "laion/clap-htsat-unfused"
DEFAULT_FRAME_NUM = 3  # of the operator this metric comes from


def check_chosen(options: VideoAudioOptions) -> None:
    """Check what can be checked of the options before a model is loaded, so that a wrong one is told at once.

    Raises:
        InputError, InputTypeError: one breaks its rule.
    """
    check_count("max_workers", options.max_workers)
    check_asked(options)
    _ = frame_sampler(options), describer_for(options), check_labels(options.labels)
    if is_judged(options):
        refuse_meaningless(options)
        _ = judge_for(options)


def frame_sampler(options: VideoAudioOptions) -> FrameSampler:
    """The sampler that the options name; of one uniform frame, the middle one.

    Raises:
        InputError: options that exclude each other.
    """
    sampler = sampler_from_options(
        frame_sampling_method=options.frame_sampling_method,
        every_n_seconds=options.every_n_seconds,
        every_n_frames=options.every_n_frames,
        frame_num=options.frame_num,
        default_frame_num=DEFAULT_FRAME_NUM,
    )
    return MiddleSampler() if sampler == UniformSampler(1) else sampler


def method_for(options: VideoAudioOptions, described: bool) -> str:
    """The method that the options name, or the first that inputs and model allow; loads nothing."""
    if options.method != "auto":
        return options.method
    if is_judged(options):
        return "judge"
    return "description" if described else "joint" if _is_joint(options.hf_clip) else "tags"


def comparison_for(options: VideoAudioOptions, described: bool) -> Comparison:
    """Load the models of the method that the options name, or the first that inputs and model allow.

    Args:
        options: of the metric.
        described: whether sounds come with words, or a describer.

    Raises:
        ModelNotFoundError, ModelError, MissingPackageError: a model cannot be had or cannot do this.
        InputError: ``method="description"`` without descriptions, or ``method="judge"`` without a judge.
    """
    method = method_for(options, described)
    if method == "judge":
        return ByJudge(judge_for(options), frame_sampler(options), options)
    if method == "joint":
        if options.backend not in ("auto", "torch"):
            raise InputError(
                f"backend {options.backend!r} encodes pictures of image-text models only, and method 'joint' has none; "
                "use backend='torch', or method 'tags' or 'description'"
            )
        encoder = load_joint_encoder(options.hf_clip, options.device, options.dtype)
        return ByJointSpace(encoder, _windowing(options, encoder.frames_per_window), options)
    if method == "description" and not described:
        raise InputError("method 'description' needs audio_descriptions or a describer; give one, or use method 'tags'")
    image_text = _image_text_encoder(options)
    frames = (image_text, frame_sampler(options), _windowing(options, FRAMES), options)
    if method == "description":
        return ByDescription(*frames, describer=describer_for(options))
    tagger = load_tagger(_tagger_name(options), options.device, options.dtype, argument="hf_clap")
    bridge = TagBridge.build(tagger, image_text, check_labels(options.labels), options.batch_size or USUAL)
    return ByTags(*frames, bridge=bridge)


def check_labels(labels: Any) -> Sequence[str] | None:
    """The labels as a tuple of distinct texts, None for the tagger's own.

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


def _windowing(options: VideoAudioOptions, frames_per_window: int) -> Windowing:
    given = (options.frame_num, options.every_n_frames, options.every_n_seconds, options.frame_sampling_method)
    chosen = any(option is not None for option in given)
    return Windowing(
        window=options.window,
        hop=options.hop,
        sampler=frame_sampler(options) if chosen else UniformSampler(frames_per_window),
        max_frames=options.max_frames,
        views=FrameViews(options.horizontal_flip, options.vertical_flip),
    )


def _image_text_encoder(options: VideoAudioOptions) -> ImageTextEncoder:
    try:
        return load_image_text_encoder(options.hf_clip, options.device, options.dtype, options.backend)
    except VqeError as error:  # its messages speak of the other metric's argument
        raise type(error)(str(error).replace("clip_model_path", "hf_clip"), code=error.code) from error


def _is_joint(model: Any) -> bool:
    if not isinstance(model, str | os.PathLike):
        return isinstance(model, JointEncoder)
    try:
        checkpoint = find_checkpoint(os.fspath(model))
    except VqeError:
        return False  # told with the right argument's name when it is loaded
    if checkpoint.model_type == "clip":
        return AUDIO_MODEL_FIELD in checkpoint.config
    return checkpoint.model_type in registry.names("joint_encoder")


def _tagger_name(options: VideoAudioOptions) -> Any:
    if options.hf_clap is not None:
        return options.hf_clap
    named = isinstance(options.hf_clip, str | os.PathLike)
    brings_one = named and AUDIO_MODEL_FIELD in find_checkpoint(os.fspath(options.hf_clip)).config
    return options.hf_clip if brings_one else DEFAULT_TAGGER
