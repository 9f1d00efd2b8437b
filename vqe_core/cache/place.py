"""Where entries lie when nobody says otherwise, and how much room they may take."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from vqe_core.errors import InputError

DEFAULT_MAX_BYTES = 20 * 1024**3  # some millions of captions, or a million videos of ten frames


def default_cache_dir() -> Path:
    """Return ``VQE_CACHE_DIR``, or the folder ``vqe`` in the system's place for caches.

    That place is the one of `platformdirs`: ``XDG_CACHE_HOME`` or ``~/.cache`` on Linux, ``~/Library/Caches`` on macOS;
    on Windows ``vqe\\Cache`` in the local application data.

    Raises:
        InputError: there is no home folder to put it in.
    """
    named = os.environ.get("VQE_CACHE_DIR")
    if named:
        return Path(named)
    try:
        # No author: on Windows it would be one more folder, and entries lie where they lay before.
        folder = platformdirs.user_cache_path("vqe", appauthor=False)
        if folder.parts[0] == "~":  # what older releases answer a user without a home folder
            raise RuntimeError("could not determine the home directory")
    except RuntimeError as error:
        raise InputError(f"no folder for the cache ({error}); set VQE_CACHE_DIR, or use no cache") from error
    return folder


def max_bytes_from_environment() -> int:
    """``VQE_CACHE_MAX_GB`` (gigabytes of 1024**3 bytes) in bytes, else the default.

    Raises:
        InputError: it is no positive number.
    """
    text = os.environ.get("VQE_CACHE_MAX_GB")
    if not text:
        return DEFAULT_MAX_BYTES
    try:
        size = float(text) * 1024**3
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf"):
        raise InputError(f"VQE_CACHE_MAX_GB ({text!r}) must be a positive number of gigabytes")
    return int(size)
