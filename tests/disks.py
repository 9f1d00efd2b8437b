"""Disks that are small: a file system of its own where one may be mounted, and a limit of the process anywhere."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str, *options: str) -> Iterator[Path]:
    """Mount a file system of ``size`` at a folder; skips where this user may not, or there is no such command."""
    folder.mkdir(exist_ok=True)
    how = ",".join([f"size={size}", *options])
    try:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(folder)], capture_output=True)
    except OSError:
        pytest.skip("there is no mount command")
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
