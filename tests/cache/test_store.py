"""The cache never gives a number that was not put there under that key."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from vqe_core.cache import CacheKey, CacheUpkeep, EmbeddingCache, Entry, open_cache
from vqe_core.cache.eviction import LAST_LOOK
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


def test_clearing_beside_a_writer_costs_no_entry_that_comes_later(tmp_path):
    """Another process clears again and again: nothing is warned of, and what is put afterwards is there."""
    cache, stop = EmbeddingCache(tmp_path), threading.Event()

    def clear():
        upkeep = CacheUpkeep(tmp_path, 10**9)
        while not stop.is_set():
            upkeep.clear()

    clearing = threading.Thread(target=clear)
    clearing.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for number in range(2000):
                cache.put(key(number), entry(number))
    finally:
        stop.set()
        clearing.join()
    cache.put(key(5000), entry(5000))
    assert value(cache, 5000) == 5000.0


@pytest.mark.parametrize("error", [FileNotFoundError, FileExistsError])
def test_a_folder_that_went_just_now_is_made_again(tmp_path, monkeypatch, error):
    cache, mkdir, raised = EmbeddingCache(tmp_path), Path.mkdir, []

    def once(self, *arguments, **options):
        if not raised:
            raised.append(self)
            raise error("gone")
        mkdir(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", once)
    cache.put(key(1), entry(1))
    assert len(raised) == 1
    assert value(cache, 1) == 1.0


def test_one_failure_of_the_disk_does_not_end_storing(tmp_path, monkeypatch):
    cache, replace = EmbeddingCache(tmp_path), os.replace
    monkeypatch.setattr("vqe_core.cache.store.os.replace", raises_busy)
    with pytest.warns(UserWarning, match="cannot be written .*busy.*until it can"):
        cache.put(key(1), entry(1))
    monkeypatch.setattr("vqe_core.cache.store.os.replace", replace)
    cache.put(key(2), entry(2))
    assert (value(cache, 1), value(cache, 2)) == (None, 2.0)


def raises_busy(*arguments):
    raise OSError("busy")


def test_after_some_failures_in_a_row_nothing_is_tried_for_a_while(tmp_path, monkeypatch):
    cache, tries, now = EmbeddingCache(tmp_path), [], [0.0]
    monkeypatch.setattr("vqe_core.cache.store.time.monotonic", lambda: now[0])
    with monkeypatch.context() as broken, pytest.warns(UserWarning) as warned:
        broken.setattr("vqe_core.cache.store.os.replace", lambda *_: tries.append(1) or raises_busy())
        for number in range(20):
            cache.put(key(number), entry(number))
    assert (len(tries), len(warned)) == (3, 1)
    cache.put(key(1), entry(1))
    assert value(cache, 1) is None
    now[0] += 61
    cache.put(key(1), entry(1))
    assert value(cache, 1) == 1.0


@pytest.fixture
def looks(monkeypatch) -> list[CacheUpkeep]:
    """Each look through a whole folder."""
    seen: list[CacheUpkeep] = []
    evict = CacheUpkeep.evict
    monkeypatch.setattr(CacheUpkeep, "evict", lambda self: seen.append(self) or evict(self))
    return seen


def test_calls_of_a_process_share_one_store_and_look_through_the_folder_once(tmp_path, looks):
    for number in range(5):
        cache = open_cache(str(tmp_path / "cache" / ".." / "cache") if number % 2 else tmp_path / "cache")
        assert cache is not None
        cache.put(key(number), entry(number))
    assert len(looks) == 1


def test_other_processes_do_not_look_again_within_minutes(tmp_path, looks):
    for number in range(3):  # a store of its own, as in another process
        EmbeddingCache(tmp_path).put(key(number), entry(number))
    assert len(looks) == 1
    os.utime(tmp_path / LAST_LOOK, (1, 1))
    EmbeddingCache(tmp_path).put(key(3), entry(3))
    assert len(looks) == 2


def test_a_shared_store_goes_on_in_a_forked_process(tmp_path):
    script = """
import os, sys
import numpy as np
from vqe_core.cache import CacheKey, Entry, open_cache
from vqe_core.cache.store import _LOCK
key, entry = CacheKey("x", {}), Entry({"values": np.zeros(3, np.float32)})
with _LOCK:  # held by the parent when it forks
    child = os.fork()
    if child == 0:
        cache = open_cache(sys.argv[1])
        cache.put(key, entry)
        os._exit(0 if cache.get(key) is not None else 1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)


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
