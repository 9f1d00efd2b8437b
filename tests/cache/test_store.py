"""The cache never gives a number that was not put there under that key."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vqe_core.cache import CacheKey, EmbeddingCache, Entry, open_cache
from vqe_core.errors import InputError

# Writes entries whose values follow from their key, for ever; the parent kills it.
WRITER = """
import sys
import numpy as np
from vqe_core.cache import CacheKey, EmbeddingCache, Entry
cache = EmbeddingCache(sys.argv[1])
print("ready", flush=True)
while True:
    for number in range(int(sys.argv[2])):
        cache.put(CacheKey("frames", {"number": number}), Entry({"values": np.full(50_000, number, np.float32)}))
"""


def key(number: int) -> CacheKey:
    return CacheKey("frames", {"number": number})


def entry(number: int, size: int = 4) -> Entry:
    return Entry({"values": np.full(size, number, np.float32)})


def value(cache: EmbeddingCache, number: int) -> float | None:
    found = cache.get(key(number))
    if found is None:
        return None
    values = set(found.arrays["values"].tolist())
    assert len(values) == 1
    return float(values.pop())


def test_an_entry_is_found_by_its_key_only(tmp_path):
    cache = EmbeddingCache(tmp_path)
    assert value(cache, 1) is None
    cache.put(key(1), entry(1))
    assert (value(cache, 1), value(cache, 2)) == (1.0, None)
    assert EmbeddingCache(tmp_path).get(CacheKey("text", {"number": 1})) is None


def test_two_swapped_entries_are_not_believed(tmp_path):
    cache = EmbeddingCache(tmp_path)
    for number in (1, 2):
        cache.put(key(number), entry(number))
    one, two = (cache.upkeep.path(key(number).digest) for number in (1, 2))
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    with pytest.warns(UserWarning, match="it holds another key"):
        assert value(cache, 1) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "zeros"])
def test_a_damaged_entry_is_set_aside_and_made_anew(tmp_path, damage):
    cache = EmbeddingCache(tmp_path)
    cache.put(key(7), entry(7))
    path = cache.upkeep.path(key(7).digest)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-3] ^= 4
    path.write_bytes({"flip": data, "cut": data[:-5], "zeros": bytes(len(data))}[damage])
    with pytest.warns(UserWarning, match="damaged entry of the cache was set aside and is made anew"):
        assert value(cache, 7) is None
    assert cache.upkeep.info().quarantined == 1
    cache.put(key(7), entry(7))
    assert value(cache, 7) == 7.0


def test_the_least_recently_used_go_first(tmp_path):
    size = len_of_entry(tmp_path / "other")
    cache = EmbeddingCache(tmp_path / "small", max_bytes=10 * size)
    for number in range(8):
        cache.put(key(number), entry(number))
        os.utime(cache.upkeep.path(key(number).digest), (number, number))
    assert value(cache, 0) == 0.0  # now the most recently used
    for number in range(8, 12):
        cache.put(key(number), entry(number))
    kept = {number for number in range(12) if value(cache, number) is not None}
    assert cache.upkeep.info().bytes <= 10 * size
    assert {0, 10, 11} <= kept
    assert not {1, 2} & kept


def len_of_entry(folder: Path) -> int:
    cache = EmbeddingCache(folder)
    cache.put(key(0), entry(0))
    return cache.upkeep.info().bytes


def test_a_folder_that_cannot_be_written_costs_one_warning(tmp_path):
    (tmp_path / "file").write_text("")
    cache = EmbeddingCache(tmp_path / "file" / "cache")
    with pytest.warns(UserWarning, match="cannot be written .*nothing is stored there") as warned:
        cache.put(key(1), entry(1))
        cache.put(key(2), entry(2))
    assert len(warned) == 1
    assert value(cache, 1) is None


def test_a_full_disk_leaves_no_part_behind(tmp_path):
    script = """
import resource, signal, sys, warnings
import numpy as np
from vqe_core.cache import CacheKey, EmbeddingCache, Entry
warnings.simplefilter("ignore")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
EmbeddingCache(sys.argv[1]).put(CacheKey("x", {}), Entry({"values": np.zeros(5000, np.float32)}))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_is_no_cache(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cache_dir \('.*file'\) is a file; give a folder"):
        open_cache(tmp_path / "file")
    assert open_cache(None) is None


@pytest.mark.filterwarnings("error")  # such as one of a damaged entry
def test_kill_at_any_moment_and_other_writers_never_give_a_wrong_number(tmp_path):
    """Two writers of the same entries are killed again and again while this process reads them."""
    cache = EmbeddingCache(tmp_path)
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(6):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "5"], stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        until = time.monotonic() + float(rng.uniform(0.02, 0.2))
        while time.monotonic() < until:
            for number in range(5):
                found = value(cache, number)
                assert found in (None, float(number))
                read += found is not None
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            assert writer.stdout is not None
            writer.stdout.close()
    assert read > 0
    whole, damaged = cache.upkeep.verify()
    assert (whole, damaged) == (5, [])
    assert cache.upkeep.info().quarantined == 0
