"""What a public page allows, so that one visitor cannot harm the machine or the next visitor."""

from __future__ import annotations

import os
import re
from typing import Any

from vqe_core.errors import InputError
from vqe_core.media import audio_versions

MODELS_VARIABLE = "VQE_APP_MODELS"  # models that visitors may choose, separated by commas; the first is the default
TOY = "toy"

MAX_UPLOAD = "100mb"
MAX_FRAMES = 256  # decoded of one clip
MAX_SECONDS = 600  # of one clip
MAX_DECODING = 30.0  # seconds of one clip
MAX_WAITING = 16  # visitors in the queue; more are turned away
MAX_CAPTIONS = 12
MAX_REFERENCES = 12
MAX_LETTERS = 500  # of one caption
KEEP_UPLOADS = 3600  # seconds

SAFE_FFMPEG = (8, 1, 2)  # older ones have known holes in their decoders

_NAMES = {
    "openai/clip-vit-base-patch32": "CLIP ViT-B/32",
    "openai/clip-vit-large-patch14": "CLIP ViT-L/14",
    TOY: "Toy (for teaching, shapes only)",
}

SCORER_LIMITS: dict[str, Any] = {
    "max_frames": MAX_FRAMES,
    "isolate": True,  # a file that kills the decoder must not take the page along
    "row_timeout": MAX_DECODING,
    "progress": False,
}


def allowed_models(default: tuple[str, ...]) -> dict[str, str]:
    """Models that visitors may choose, by the name they see; the first is the default.

    Args:
        default: hub ids, used unless the environment variable ``VQE_APP_MODELS`` lists others.

    Raises:
        InputError: the variable is set but names no model.

    Example:
        >>> allowed_models(("openai/clip-vit-base-patch32",))
        {'CLIP ViT-B/32': 'openai/clip-vit-base-patch32'}
    """
    given = os.environ.get(MODELS_VARIABLE)
    models = default if given is None else tuple(name.strip() for name in given.split(",") if name.strip())
    if not models:
        raise InputError(f"{MODELS_VARIABLE} ({given!r}) must name at least one model, for example 'toy'")
    return {_NAMES.get(model, model): model for model in models}


def old_ffmpeg_warning(version: str | None = None) -> str | None:
    """A warning for the log where the FFmpeg inside PyAV is older than what untrusted uploads need, else None.

    Args:
        version: of FFmpeg. Default: the one that is installed.

    Example:
        >>> old_ffmpeg_warning("8.1.2") is None, old_ffmpeg_warning("7.0.2")[:16]
        (True, 'FFmpeg 7.0.2 ins')
    """
    if version is None:
        found = re.search(r"FFmpeg ([^)]*)", audio_versions()["pyav"])
        version = found.group(1) if found else ""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if not numbers or numbers >= SAFE_FFMPEG:
        return None
    return (
        f"FFmpeg {version} inside PyAV has known holes and this page decodes uploads of strangers; "
        f"update av until FFmpeg is {'.'.join(map(str, SAFE_FFMPEG))} or newer (pip install --upgrade av; "
        "needs Python 3.11 or newer)"
    )
