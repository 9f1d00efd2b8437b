"""The folder as a whole: its size, what goes first, and whether everything in it is what was written."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import platformdirs

from vqe_core.cache.entry import DamagedEntryError, entry_from_bytes, key_digest
from vqe_core.errors import InputError

SUFFIX = ".safetensors"
ANSWER = ".answer"  # of a model that may cost money, see ``answers.py``
DIGEST = ".digest"  # of a file that was read before, see ``digests.py``
PART = ".part"
QUARANTINE = "quarantine"
LAST_LOOK = ".last-look"  # changed when a process looks through the folder, so that the others need not
_ROOM_AFTER_EVICTION = 0.9  # of the limit, so that not every write evicts
_ABANDONED_AFTER = 3600.0  # seconds: no write takes so long, so a killed process left the part behind
_LATELY = 600.0  # seconds


@dataclass(frozen=True)
class CacheInfo:
    """Content of a cache, counted.

    Attributes:
        entries: whole ones.
        bytes: of everything that counts against the limit, damaged entries too.
        quarantined, quarantined_bytes: damaged entries that were set aside.
        max_bytes: the limit.
        answers: those of the entries that are answers of a model behind an endpoint.
    """

    entries: int
    bytes: int
    quarantined: int
    quarantined_bytes: int
    max_bytes: int
    answers: int = 0


@dataclass(frozen=True)
class CacheUpkeep:
    """A folder of entries and the room they may take (bytes)."""

    folder: Path
    max_bytes: int

    def __post_init__(self) -> None:
        if isinstance(self.max_bytes, bool) or not isinstance(self.max_bytes, int) or self.max_bytes < 1:
            raise InputError(f"max_bytes ({self.max_bytes!r}) must be a whole number of at least 1")

    def path(self, digest: str, suffix: str = SUFFIX) -> Path:
        """Return where the entry of a key lies; folders of two digits keep each of them small."""
        return self.folder / digest[:2] / f"{digest}{suffix}"

    def info(self) -> CacheInfo:
        """Count entries and bytes."""
        entries, answers, size = 0, 0, 0
        for found in self._sized(self._files(SUFFIX, ANSWER, DIGEST)):
            entries += found.path.endswith((SUFFIX, ANSWER))
            answers += found.path.endswith(ANSWER)
            size += found.size
        aside = [found.size for found in self._sized(self._quarantined())]
        return CacheInfo(entries, size + sum(aside), len(aside), sum(aside), self.max_bytes, answers)

    def clear(self) -> int:
        """Remove all entries, whole or damaged, and say how many. Nothing else in the folder is touched.

        Folders stay, and parts that another process may be writing: it goes on as if nothing had happened.
        """
        removed = 0
        for entry in chain(self._whole_files(), self._files(ANSWER), self._quarantined()):
            with suppress(OSError):
                os.unlink(entry.path)
                removed += not entry.name.endswith(DIGEST)
        with suppress(OSError):
            os.unlink(self.folder / LAST_LOOK)
        return removed

    def verify(self) -> tuple[int, list[Path]]:
        """Read every entry; set damaged ones aside.

        Returns:
            How many are whole, and where the damaged ones were.
        """
        whole, damaged = 0, []
        for path in (Path(entry.path) for entry in self._files(SUFFIX, ANSWER, DIGEST)):
            try:
                data = path.read_bytes()
            except OSError:
                continue  # evicted or set aside by another process
            try:
                key_text, _ = entry_from_bytes(data)
                if path != self.path(key_digest(key_text), path.suffix):
                    raise DamagedEntryError("it lies under another key's name")
                whole += path.suffix in (SUFFIX, ANSWER)
            except DamagedEntryError:
                self.quarantine(path)
                damaged.append(path)
        return whole, damaged

    def looked_lately(self) -> bool:
        """Tell whether some process looked through the folder in the last minutes."""
        try:
            return abs(time.time() - os.stat(self.folder / LAST_LOOK).st_mtime) < _LATELY
        except OSError:
            return False

    def evict(self) -> int:
        """Make room if all takes more than the limit: damaged entries go first, then the least recently used.

        Answers go last, as they may have cost money. Abandoned parts go in any case. No list of the entries is made,
        however many they are.

        Returns:
            Bytes removed.
        """
        with suppress(OSError):
            (self.folder / LAST_LOOK).touch()
        found = np.fromiter(
            ((entry.used, entry.size) for entry in self._sized(self._whole_files())),
            dtype=[("used", np.int64), ("size", np.int64)],
        )
        others = chain(self._quarantined(), self._files(ANSWER))
        total = int(found["size"].sum()) + sum(entry.size for entry in self._sized(others))
        if total <= self.max_bytes:
            return 0
        wanted = total - int(_ROOM_AFTER_EVICTION * self.max_bytes)
        removed = _remove(self._sized(self._quarantined()), wanted)
        if removed < wanted and len(found):
            found.sort(order="used")
            last = np.searchsorted(found["size"].cumsum(), wanted - removed)
            oldest = int(found["used"][min(int(last), len(found) - 1)])
            entries = (entry for entry in self._sized(self._files(SUFFIX, DIGEST)) if entry.used <= oldest)
            removed += _remove(entries, wanted - removed)
        if total - removed > self.max_bytes:
            answers = sorted(self._sized(self._files(ANSWER)), key=lambda entry: entry.used)
            removed += _remove(answers, wanted - removed)
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

    def _whole_files(self) -> Iterator[os.DirEntry[str]]:
        """Entries and digests; abandoned parts that are met on the way are removed."""
        before = time.time() - _ABANDONED_AFTER
        for entry in self._files(SUFFIX, DIGEST, PART):
            if not entry.name.endswith(PART):
                yield entry
                continue
            with suppress(OSError):
                if entry.stat().st_mtime < before:
                    os.unlink(entry.path)

    def _files(self, *suffixes: str) -> Iterator[os.DirEntry[str]]:
        for shard in _listed(self.folder):
            if len(shard.name) == 2 and shard.is_dir():
                yield from (entry for entry in _listed(shard.path) if entry.name.endswith(suffixes))

    def _quarantined(self) -> Iterator[os.DirEntry[str]]:
        return _listed(self.folder / QUARANTINE)

    @staticmethod
    def _sized(entries: Iterable[os.DirEntry[str]]) -> Iterator[_Found]:
        for entry in entries:
            with suppress(OSError):  # another process may have removed it
                stat = entry.stat()
                yield _Found(entry.path, stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    size: int
    used: int


def _listed(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as found:
        yield from found


def _remove(entries: Iterable[_Found], wanted: int) -> int:
    """Remove entries until ``wanted`` bytes are free; how many were."""
    removed = 0
    for entry in entries:
        if removed >= wanted:
            break
        with suppress(OSError):  # another process may have removed it
            os.unlink(entry.path)
        removed += entry.size
    return removed


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
