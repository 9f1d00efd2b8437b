"""The options of video-audio similarity to a comparison with its models loaded."""

from __future__ import annotations

import os
from typing import Any

from vqe_core.embed import FrameViews
from vqe_core.encoders import ImageTextEncoder, load_image_text_encoder
from vqe_core.encoders.audio_loading import AUDIO_MODEL_FIELD, load_joint_encoder, load_tagger
from vqe_core.encoders.backends.batch_size import USUAL
from vqe_core.encoders.checkpoints import find_checkpoint
from vqe_core.errors import InputError, VqeError
from vqe_core.samplers.index_based import UniformSampler
from vqe_core.scorers.llm_calls import describer_for, judge_for
from vqe_core.scorers.video_audio.bridges import FRAMES, TagBridge
from vqe_core.scorers.video_audio.description import ByDescription
from vqe_core.scorers.video_audio.joint import ByJointSpace
from vqe_core.scorers.video_audio.judge import ByJudge
from vqe_core.scorers.video_audio.options import VideoAudioOptions, check_labels
from vqe_core.scorers.video_audio.pairs import Comparison
from vqe_core.scorers.video_audio.tags import ByTags
from vqe_core.scorers.video_audio.windows import Windowing

DEFAULT_TAGGER = "laion/clap-htsat-unfused"


def comparison_for(options: VideoAudioOptions, method: str, described: bool) -> Comparison:
    """Load the models of a method.

    Args:
        options: of the metric.
        method: ``"description"``, ``"tags"``, ``"joint"`` or ``"judge"``.
        described: whether sounds come with words, or a describer.

    Raises:
        ModelNotFoundError, ModelError, MissingPackageError: a model cannot be had or cannot do this.
        InputError: ``method="description"`` without descriptions, or ``method="judge"`` without a judge.
    """
    if method == "judge":
        return ByJudge(judge_for(options), options.frame_sampler, options)
    if method == "joint":
        if options.backend not in ("auto", "torch"):
            raise InputError(
                f"backend {options.backend!r} encodes images of image-text models only, and method 'joint' has none; "
                "use backend='torch', or method 'tags' or 'description'"
            )
        if options.quantize is not None:
            raise InputError(
                f"quantize ({options.quantize!r}) is for image-text models, and method 'joint' has none; leave it out, "
                "or use method 'tags' or 'description'"
            )
        encoder = load_joint_encoder(options.model, options.device, options.dtype)
        return ByJointSpace(encoder, _windowing(options, encoder.frames_per_window), options)
    if method == "description" and not described:
        raise InputError("method 'description' needs audio_descriptions or a describer; give one, or use method 'tags'")
    image_text = _image_text_encoder(options)
    frames = (image_text, options.frame_sampler, _windowing(options, FRAMES), options)
    if method == "description":
        return ByDescription(*frames, describer=describer_for(options))
    tagger = load_tagger(_tagger_name(options), options.device, options.dtype, argument="hf_clap")
    bridge = TagBridge.build(tagger, image_text, check_labels(options.labels), options.batch_size or USUAL)
    return ByTags(*frames, bridge=bridge)


def _windowing(options: VideoAudioOptions, frames_per_window: int) -> Windowing:
    return Windowing(
        window=options.window,
        hop=options.hop,
        sampler=options.frame_sampler if options.chooses_frames else UniformSampler(frames_per_window),
        max_frames=options.max_frames,
        views=FrameViews(options.horizontal_flip, options.vertical_flip),
    )


def _image_text_encoder(options: VideoAudioOptions) -> ImageTextEncoder:
    try:
        return load_image_text_encoder(
            options.model, options.device, options.dtype, options.backend, quantize=options.quantize
        )
    except VqeError as error:  # its messages speak of the other metric's argument
        raise type(error)(str(error).replace("clip_model_path", "hf_clip"), code=error.code) from error


def _tagger_name(options: VideoAudioOptions) -> Any:
    if options.hf_clap is not None:
        return options.hf_clap
    named = isinstance(options.model, str | os.PathLike)
    brings_one = named and AUDIO_MODEL_FIELD in find_checkpoint(os.fspath(options.model)).config
    return options.model if brings_one else DEFAULT_TAGGER
