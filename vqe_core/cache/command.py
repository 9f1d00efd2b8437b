"""What ``vqe cache`` prints."""

from __future__ import annotations

import os
from pathlib import Path

from vqe_core.cache.place import default_cache_dir, max_bytes_from_environment
from vqe_core.cache.upkeep import CacheUpkeep
from vqe_core.errors import InputError

_UNIT = 1024**2


def run_cache_command(action: str, cache_dir: str | None) -> int:
    """Run one action on a cache folder.

    Args:
        action: ``"info"``, ``"clear"`` or ``"verify"``.
        cache_dir: the folder. Default: see ``default_cache_dir``.

    Returns:
        Exit status: 1 if ``verify`` met a damaged entry.

    Raises:
        InputError: the folder is a file.
    """
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--cache-dir ({os.fspath(folder)!r}) is a file; give a folder")
    upkeep = CacheUpkeep(folder, max_bytes_from_environment())
    if action == "clear":
        print(f"{folder}: removed {upkeep.clear()} entries")
        return 0
    if action == "verify":
        whole, damaged = upkeep.verify()
        for path in damaged:
            print(f"{path}: damaged, set aside")
        print(f"{folder}: {whole} entries are whole, {len(damaged)} were damaged")
        return 1 if damaged else 0
    info = upkeep.info()
    used = f"{info.bytes / _UNIT:.1f} of at most {info.max_bytes / _UNIT:.0f} MB"
    aside = f"{info.quarantined} damaged ones set aside ({info.quarantined_bytes / _UNIT:.1f} MB of it)"
    print(f"{folder}: {info.entries} entries, {used}; {aside}")
    return 0
