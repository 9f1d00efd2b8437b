"""The folder as a whole, and the command that looks after it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from vqe_core.cache import CacheKey, CacheUpkeep, EmbeddingCache, Entry, default_cache_dir
from vqe_core.cache.entry import entry_to_bytes
from vqe_core.cache.eviction import max_bytes_from_environment
from vqe_core.cli import main
from vqe_core.errors import InputError


@pytest.fixture
def cache(tmp_path) -> EmbeddingCache:
    cache = EmbeddingCache(tmp_path / "cache")
    for number in range(3):
        cache.put(CacheKey("text", {"text": str(number)}), Entry({"pooled": np.ones(2, np.float32)}))
    return cache


def test_info_counts_entries_and_bytes(cache, capsys):
    assert main(["cache", "info", "--cache-dir", str(cache.folder)]) == 0
    assert ": 3 entries, 0.0 of at most 20480 MB; 0 damaged ones set aside" in capsys.readouterr().out
    assert cache.upkeep.info().bytes == sum(path.stat().st_size for path in cache.folder.rglob("*.safetensors"))


def test_info_of_no_folder_is_zero(tmp_path, capsys):
    assert main(["cache", "info", "--cache-dir", str(tmp_path / "none")]) == 0
    assert ": 0 entries" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_clear_removes_entries_and_nothing_else(cache, capsys):
    foreign = cache.folder / "thesis.txt"
    foreign.write_text("years of work")
    (cache.folder / "ab").mkdir(exist_ok=True)
    other = cache.folder / "ab" / "notes.md"
    other.write_text("more work")
    assert main(["cache", "clear", "--cache-dir", str(cache.folder)]) == 0
    assert "removed 3 entries" in capsys.readouterr().out
    assert sorted(path for path in cache.folder.rglob("*") if path.is_file()) == sorted([foreign, other])


def test_verify_finds_the_damaged_entry_and_says_so(cache, capsys):
    path = cache.upkeep.path(CacheKey("text", {"text": "1"}).digest)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    arguments = ["cache", "verify", "--cache-dir", str(cache.folder)]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert f"{path}: damaged, set aside" in printed
    assert "2 entries are whole, 1 were damaged" in printed
    assert main(arguments) == 0
    assert cache.upkeep.info().quarantined == 1


def test_verify_finds_an_entry_under_another_name(cache):
    path = cache.upkeep.path(CacheKey("text", {"text": "1"}).digest)
    os.replace(path, path.with_name(f"{path.name[:2]}{'0' * 62}.safetensors"))
    assert len(cache.upkeep.verify()[1]) == 1


def test_parts_of_a_killed_process_go_after_an_hour(cache):
    shard = next(path.parent for path in cache.folder.rglob("*.safetensors"))
    old, new = shard / "x.1.part", shard / "x.2.part"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache.upkeep.evict()
    assert (old.exists(), new.exists()) == (False, True)


def damage(cache: EmbeddingCache, text: str) -> int:
    """Have one entry set aside; its size."""
    key = CacheKey("text", {"text": text})
    path = cache.upkeep.path(key.digest)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.warns(UserWarning, match="set aside"):
        assert cache.get(key) is None
    return len(entry_to_bytes(key.text, Entry({"pooled": np.ones(2, np.float32)})))


def test_damaged_entries_count_and_go_first(cache, capsys):
    size = damage(cache, "1")
    info = cache.upkeep.info()
    assert (info.entries, info.quarantined, info.quarantined_bytes, info.bytes) == (2, 1, size, 3 * size)
    main(["cache", "info", "--cache-dir", str(cache.folder)])
    assert "1 damaged ones set aside (0.0 MB of it)" in capsys.readouterr().out
    assert CacheUpkeep(cache.folder, 3 * size).evict() == 0
    assert CacheUpkeep(cache.folder, 3 * size - 1).evict() == size
    info = cache.upkeep.info()
    assert (info.entries, info.quarantined) == (2, 0)


def test_clear_leaves_what_another_process_is_writing(cache):
    shard = next(path.parent for path in cache.folder.rglob("*.safetensors"))
    (shard / "x.1.part").write_bytes(b"half")
    assert cache.upkeep.clear() == 3
    assert (shard / "x.1.part").exists()


def test_eviction_keeps_to_the_limit_where_all_entries_are_of_one_time(tmp_path):
    cache = EmbeddingCache(tmp_path)
    for number in range(30):
        key = CacheKey("text", {"text": f"{number:02}"})
        cache.put(key, Entry({"pooled": np.ones(2, np.float32)}))
        os.utime(cache.upkeep.path(key.digest), (5, 5))
    size = cache.upkeep.info().bytes // 30
    assert CacheUpkeep(tmp_path, 20 * size).evict() == 12 * size
    assert cache.upkeep.info().entries == 18


def test_a_file_given_as_folder_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["cache", "info", "--cache-dir", str(tmp_path / "file")]) == 1
    assert "is a file; give a folder" in capsys.readouterr().err


@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_a_limit_is_a_positive_whole_number(tmp_path, size):
    with pytest.raises(InputError, match=r"max_bytes .* must be a whole number of at least 1"):
        CacheUpkeep(tmp_path, size)


def place_told_to(named: str | None = None, **environment: str) -> str:
    """The default folder in a process of its own: releases of platformdirs may remember what they found."""
    code = "from vqe_core.cache import default_cache_dir; print(default_cache_dir())"
    kept = {name: value for name, value in os.environ.items() if name not in ("VQE_CACHE_DIR", "XDG_CACHE_HOME")}
    told = {**kept, **environment, **({"VQE_CACHE_DIR": named} if named else {})}
    return subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True).stdout[
        :-1
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="the places of Linux")
def test_the_default_folder_stays_where_entries_lie_already(tmp_path):
    home = str(tmp_path / "home")
    assert place_told_to(HOME=home) == str(tmp_path / "home" / ".cache" / "vqe")
    assert place_told_to(HOME=home, XDG_CACHE_HOME="") == str(tmp_path / "home" / ".cache" / "vqe")
    assert place_told_to(HOME=home, XDG_CACHE_HOME=str(tmp_path / "caches")) == str(tmp_path / "caches" / "vqe")
    assert not (tmp_path / "home").exists()  # to ask makes nothing


def test_a_named_folder_goes_before_the_system_s(tmp_path):
    assert place_told_to(str(tmp_path / "mine"), XDG_CACHE_HOME=str(tmp_path)) == str(tmp_path / "mine")


@pytest.mark.parametrize("answer", [Path("~/.cache/vqe"), RuntimeError("could not determine the home directory")])
def test_no_home_folder_is_told(monkeypatch, answer):
    """What the oldest and the newest releases of platformdirs answer a user without one."""

    def user_cache_path(*_: object, **__: object) -> Path:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.delenv("VQE_CACHE_DIR")
    monkeypatch.setattr(platformdirs, "user_cache_path", user_cache_path)
    words = "no folder for the cache (could not determine the home directory); set VQE_CACHE_DIR, or use no cache"
    with pytest.raises(InputError, match=re.escape(words)):
        default_cache_dir()


def test_place_and_limit_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("VQE_CACHE_DIR", str(tmp_path / "x"))
    assert default_cache_dir() == tmp_path / "x"
    monkeypatch.setenv("VQE_CACHE_MAX_GB", "0.5")
    assert max_bytes_from_environment() == 512 * 1024**2
    for wrong in ("many", "-1", "nan", "inf"):
        monkeypatch.setenv("VQE_CACHE_MAX_GB", wrong)
        with pytest.raises(InputError, match=r"VQE_CACHE_MAX_GB .* must be a positive number of gigabytes"):
            max_bytes_from_environment()
