"""Loading of audio encoders, taggers and joint encoders by the name of their checkpoint."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from typing import Any

from vqe_core import registry
from vqe_core.encoders.base import AudioTextEncoder, JointEncoder, Tagger
from vqe_core.encoders.checkpoints import Checkpoint, find_checkpoint
from vqe_core.errors import InputError, ModelError, VqeError
from vqe_core.runtime import ProcessLock, settle_in_process

# A checkpoint that brings an audio model along names its folder in this field of config.json.
AUDIO_MODEL_FIELD = "vqe_audio_model"


def load_audio_encoder(
    model: Any, device: str = "auto", dtype: str = "auto", *, argument: str = "hf_clip"
) -> AudioTextEncoder:
    """Load an encoder of audio and texts (CLAP).

    Args:
        model: hub id, local folder or ``"toy"``, as for ``load_image_text_encoder``; or such an encoder, which is
            returned as it is.
        device: ``"auto"`` (cuda, mps or cpu) or a torch device.
        dtype: ``"auto"`` (float32), ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        argument: the caller's name of ``model``, for messages.

    Raises:
        ModelNotFoundError: no weights within reach.
        ModelError: the checkpoint is of another kind, or weights are missing in it.
        MissingPackageError: an optional package is missing.
        InputError: a name, device or dtype that cannot be used.
    """
    settle_in_process()
    if isinstance(model, AudioTextEncoder):
        return model
    checkpoint = bundled_audio_model(_find(model, argument))
    encoder: AudioTextEncoder = _load("audio_encoder", checkpoint, device, dtype, argument)
    return encoder


def load_tagger(model: Any, device: str = "auto", dtype: str = "auto", *, argument: str = "tagger") -> Tagger:
    """Load a tagger (CLAP or an audio spectrogram transformer); arguments and errors as ``load_audio_encoder``."""
    settle_in_process()
    if isinstance(model, Tagger):
        return model
    checkpoint = bundled_audio_model(_find(model, argument))
    tagger: Tagger = _load("tagger", checkpoint, device, dtype, argument)
    return tagger


def load_joint_encoder(
    model: Any, device: str = "auto", dtype: str = "auto", *, argument: str = "hf_clip"
) -> JointEncoder:
    """Load a model of audio and video in one space; arguments and errors as ``load_audio_encoder``."""
    settle_in_process()
    if isinstance(model, JointEncoder):
        return model
    encoder: JointEncoder = _load("joint_encoder", _find(model, argument), device, dtype, argument)
    return encoder


def bundled_audio_model(checkpoint: Checkpoint) -> Checkpoint:
    """Return the audio model that ``checkpoint`` brings along in a folder of its own, or ``checkpoint`` itself.

    Raises:
        ModelError: the field does not name a folder inside the checkpoint.
        ModelNotFoundError: that folder holds no model.
    """
    folder = checkpoint.config.get(AUDIO_MODEL_FIELD)
    if folder is None:
        return checkpoint
    # config.json may come from anywhere: it must not lead out of its own folder
    if not isinstance(folder, str) or folder in ("", ".", "..") or any(c in folder for c in "/\\"):
        raise ModelError(f"checkpoint {checkpoint.name!r}: {AUDIO_MODEL_FIELD} ({folder!r}) must be a folder's name")
    bundled = find_checkpoint(str(checkpoint.folder / folder))
    return replace(bundled, name=f"{checkpoint.name}/{folder}", title=f"{checkpoint.title}/{folder}")


def unload_audio_models() -> None:
    """Free the audio models kept for this process."""
    _load_once.cache_clear()


def _find(model: Any, argument: str) -> Checkpoint:
    try:
        return find_checkpoint(model)
    except VqeError as error:  # its messages speak of the other metric's argument
        message = str(error).replace("clip_model_path", argument)
        raise type(error)(message, code=error.code) from error.__cause__


def _load(kind: str, checkpoint: Checkpoint, device: str, dtype: str, argument: str) -> Any:
    from vqe_core import registry
    from vqe_core.encoders.backends.linear import warn_of_slow_dtype
    from vqe_core.encoders.weights import resolve_device, resolve_dtype

    resolved_device, resolved_dtype = resolve_device(device), resolve_dtype(dtype)
    try:
        family = registry.load(kind, checkpoint.model_type)
    except InputError as error:
        known = ", ".join(registry.names(kind))
        raise ModelError(
            f"{argument} ({checkpoint.name!r}) is of type {checkpoint.model_type!r}, which is no "
            f"{kind.replace('_', ' ')}; types that are: {known}. {_WAY_OUT[kind]}"
        ) from error
    warn_of_slow_dtype(resolved_dtype, resolved_device)
    with _LOADING:  # two threads must not load one model twice
        return _load_once(family, checkpoint, resolved_device, resolved_dtype)


_WAY_OUT = {
    "audio_encoder": "For example laion/clap-htsat-unfused",
    "tagger": "For example laion/clap-htsat-unfused",
    "joint_encoder": "For example facebook/pe-av-small-16-frame; or compare through words, by comparison 'tags' or "
    "'description'",
}
_LOADING = ProcessLock()  # a joint encoder loads its halves through here


# A CLAP is one object whether asked for as tagger or as encoder; two, as one metric may hold a joint model and
# another a tagger.
@lru_cache(maxsize=2)
def _load_once(family: Any, checkpoint: Checkpoint, device: str, dtype: Any) -> Any:
    return family.load(checkpoint, device, dtype)


def is_joint(model: Any) -> bool:
    """Tell whether a model, or the checkpoint that is named, embeds images and audio in one space. Loads no weights."""
    if not isinstance(model, str | os.PathLike):
        return isinstance(model, JointEncoder)
    try:
        checkpoint = find_checkpoint(os.fspath(model))
    except VqeError:
        return False  # told with the right argument's name when it is loaded
    if checkpoint.model_type == "clip":
        return AUDIO_MODEL_FIELD in checkpoint.config
    return checkpoint.model_type in registry.names("joint_encoder")
