"""The folder as a whole: its size, what goes first, and whether everything in it is what was written."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vqe_core.cache.entry import DamagedEntryError, entry_from_bytes
from vqe_core.cache.key import key_digest
from vqe_core.errors import InputError

SUFFIX = ".safetensors"
PART = ".part"
QUARANTINE = "quarantine"
_ROOM_AFTER_EVICTION = 0.9  # of the limit, so that not every write evicts
_ABANDONED_AFTER = 3600.0  # seconds: no write takes so long, so a killed process left the part behind


@dataclass(frozen=True)
class CacheInfo:
    """What lies in a cache.

    Attributes:
        entries, bytes: of whole entries.
        quarantined: damaged entries that were set aside.
        max_bytes: the limit.
    """

    entries: int
    bytes: int
    quarantined: int
    max_bytes: int


@dataclass(frozen=True)
class CacheUpkeep:
    """A folder of entries and the room they may take (bytes)."""

    folder: Path
    max_bytes: int

    def __post_init__(self) -> None:
        if isinstance(self.max_bytes, bool) or not isinstance(self.max_bytes, int) or self.max_bytes < 1:
            raise InputError(f"max_bytes ({self.max_bytes!r}) must be a whole number of at least 1")

    def path(self, digest: str) -> Path:
        """Where the entry of a key lies; folders of two digits keep each of them small."""
        return self.folder / digest[:2] / f"{digest}{SUFFIX}"

    def info(self) -> CacheInfo:
        """Count entries and bytes."""
        sizes = [entry.stat.st_size for entry in self._entries()]
        aside = self.folder / QUARANTINE
        quarantined = sum(1 for _ in aside.iterdir()) if aside.is_dir() else 0
        return CacheInfo(len(sizes), sum(sizes), quarantined, self.max_bytes)

    def clear(self) -> int:
        """Remove all entries, whole or damaged, and say how many. Nothing else in the folder is touched."""
        removed = 0
        for path in [*self._files(SUFFIX), *self._files(PART), *self._quarantined()]:
            with suppress(OSError):
                path.unlink()
                removed += 1
        for folder in [*self._shards(), self.folder / QUARANTINE]:
            with suppress(OSError):
                folder.rmdir()
        return removed

    def verify(self) -> tuple[int, list[Path]]:
        """Read every entry; set damaged ones aside.

        Returns:
            How many are whole, and where the damaged ones were.
        """
        whole, damaged = 0, []
        for path in self._files(SUFFIX):
            try:
                data = path.read_bytes()
            except OSError:
                continue  # evicted or set aside by another process
            try:
                key_text, _ = entry_from_bytes(data)
                if path != self.path(key_digest(key_text)):
                    raise DamagedEntryError("it lies under another key's name")
                whole += 1
            except DamagedEntryError:
                self.quarantine(path)
                damaged.append(path)
        return whole, damaged

    def evict(self) -> int:
        """Remove the least recently used entries if all take more than the limit, and abandoned parts.

        Returns:
            Bytes removed.
        """
        self._remove_abandoned()
        entries = sorted(self._entries(), key=lambda entry: entry.stat.st_mtime_ns)
        total = sum(entry.stat.st_size for entry in entries)
        if total <= self.max_bytes:
            return 0
        target, removed = int(_ROOM_AFTER_EVICTION * self.max_bytes), 0
        for entry in entries:
            if total - removed <= target:
                break
            with suppress(OSError):  # another process may have removed it
                entry.path.unlink()
            removed += entry.stat.st_size
        return removed

    def touch(self, path: Path) -> None:
        """Note that an entry was used."""
        with suppress(OSError):  # a folder that can only be read
            os.utime(path)

    def quarantine(self, path: Path) -> None:
        """Set a damaged entry aside, for someone to look at; it is never read as an entry again."""
        aside = self.folder / QUARANTINE
        with suppress(OSError):
            aside.mkdir(exist_ok=True)
            os.replace(path, aside / f"{path.name}.{time.time_ns()}")

    def _remove_abandoned(self) -> None:
        for part in self._files(PART):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > _ABANDONED_AFTER:
                    part.unlink()

    def _entries(self) -> Iterator[_Found]:
        for path in self._files(SUFFIX):
            with suppress(OSError):
                yield _Found(path, path.stat())

    def _files(self, suffix: str) -> Iterator[Path]:
        for shard in self._shards():
            with suppress(OSError), os.scandir(shard) as found:
                yield from (Path(entry.path) for entry in found if entry.name.endswith(suffix))

    def _quarantined(self) -> Iterator[Path]:
        with suppress(OSError), os.scandir(self.folder / QUARANTINE) as found:
            yield from (Path(entry.path) for entry in found)

    def _shards(self) -> Iterator[Path]:
        with suppress(OSError), os.scandir(self.folder) as found:
            yield from (Path(entry.path) for entry in found if len(entry.name) == 2 and entry.is_dir())


@dataclass(frozen=True)
class _Found:
    path: Path
    stat: os.stat_result
