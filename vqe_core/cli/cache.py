"""``vqe cache``: look at, empty or check the stored embeddings."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqe_core.errors import InputError

_UNIT = 1024**2


def add_to(commands: Any, common: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the command and its options."""
    cache = commands.add_parser("cache", parents=[common], help="look at, empty or check the stored embeddings")
    cache.add_argument("action", choices=("info", "clear", "verify"), metavar="ACTION", help="info, clear or verify")
    cache.add_argument("--cache-dir", metavar="DIR", help="folder (default: VQE_CACHE_DIR, or the system's)")
    cache.add_argument(
        "--format", choices=("text", "json"), default="text", metavar="FORM", help="of info: text (default) or json"
    )
    cache.set_defaults(command=_cache)


def _cache(options: dict[str, Any]) -> int:
    return run_cache_command(options["action"], options["cache_dir"], as_json=options["format"] == "json")


def run_cache_command(action: str, cache_dir: str | None, *, as_json: bool = False) -> int:
    """Run one action on a cache folder.

    Args:
        action: ``"info"``, ``"clear"`` or ``"verify"``.
        cache_dir: the folder. Default: see ``default_cache_dir``.
        as_json: print what ``"info"`` finds as an object.

    Returns:
        Exit status: 1 if ``verify`` met a damaged entry.

    Raises:
        InputError: the folder is a file.
    """
    from vqe_core.cache.eviction import CacheUpkeep, default_cache_dir, max_bytes_from_environment
    from vqe_core.cache.store import open_cache

    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    if os.path.exists(folder) and not os.path.isdir(folder):  # which take any name
        raise InputError(f"--cache-dir ({os.fspath(folder)!r}) is a file; give a folder")
    open_cache(folder)  # checks the name
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
    if as_json:
        print(json.dumps({"folder": str(folder), **dataclasses.asdict(info)}, indent=1))
        return 0
    used = f"{info.bytes / _UNIT:.1f} of at most {info.max_bytes / _UNIT:.0f} MB"
    aside = f"{info.quarantined} damaged ones set aside ({info.quarantined_bytes / _UNIT:.1f} MB of it)"
    answers = f" ({info.answers} of them answers of a model behind an endpoint)" if info.answers else ""
    print(f"{folder}: {info.entries} entries{answers}, {used}; {aside}")
    return 0
