"""Where entries lie when nobody says otherwise, and how much room they may take."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vqe_core.errors import InputError

DEFAULT_MAX_BYTES = 20 * 1024**3  # some millions of captions, or a million videos of ten frames


def default_cache_dir() -> Path:
    """``VQE_CACHE_DIR``, or ``vqe`` in the system's place for caches.

    Raises:
        InputError: there is no home folder to put it in.
    """
    named = os.environ.get("VQE_CACHE_DIR")
    if named:
        return Path(named)
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "vqe"
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "vqe" / "cache"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vqe"
    except RuntimeError as error:
        raise InputError(f"no folder for the cache ({error}); set VQE_CACHE_DIR, or use no cache") from error


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
