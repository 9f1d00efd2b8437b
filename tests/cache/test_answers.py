"""Answers that may have cost money: found by what was sent, the last to go."""

from __future__ import annotations

import os
import pwd

import numpy as np
import pytest

from vqe_core import cache as package
from vqe_core.cache import AnswerStore, CacheKey, EmbeddingCache, Entry, open_answers
from vqe_core.errors import InputError

SERVER = "http://localhost:8000/v1/chat/completions"
REQUEST = {"model": "senses", "temperature": 0.0, "max_tokens": 9, "messages": [{"role": "user", "content": "\ud83d?"}]}


@pytest.fixture
def store(tmp_path) -> AnswerStore:
    return AnswerStore(EmbeddingCache(tmp_path / "cache"))


def test_an_answer_is_found_by_all_that_was_sent(store):
    store.put(store.key(SERVER, REQUEST), "a bell \ud83d")
    assert store.get(store.key(SERVER, {**REQUEST})) == "a bell \ud83d"
    for change in ({"model": "other"}, {"temperature": 1.0}, {"max_tokens": 10}, {"messages": []}, {"seed": 1}):
        assert store.get(store.key(SERVER, {**REQUEST, **change})) is None
    assert store.get(store.key("http://elsewhere/v1", REQUEST)) is None


def test_an_update_of_the_package_sends_nothing_again(store, monkeypatch):
    before, embedding = store.key(SERVER, REQUEST), CacheKey("text", {"text": "a"}).digest
    monkeypatch.setattr("vqe_core.cache.entry.__version__", "99.0")
    assert store.key(SERVER, REQUEST).digest == before.digest
    assert CacheKey("text", {"text": "a"}).digest != embedding


def test_a_damaged_answer_is_none(store):
    key = store.key(SERVER, REQUEST)
    store.put(key, "a bell")
    (path,) = store.cache.folder.glob("*/*.answer")
    data = bytearray(path.read_bytes())
    data[data.index(b"a bell")] ^= 1
    path.write_bytes(data)
    with pytest.warns(UserWarning, match="a damaged entry of the cache was set aside"):
        assert store.get(key) is None


def test_answers_go_last_when_room_is_short(tmp_path):
    folder = tmp_path / "cache"
    store = AnswerStore(EmbeddingCache(folder, 40_000))
    for number in range(5):
        store.put(store.key(SERVER, {"number": number}), "a bell")
    for path in folder.glob("*/*.answer"):
        os.utime(path, (0, 0))  # used longest ago
    for number in range(30):
        store.cache.put(CacheKey("text", {"text": str(number)}), Entry({"pooled": np.zeros(1000, np.float32)}))
    store.cache.upkeep.evict()
    info = store.cache.upkeep.info()
    assert info.bytes <= 40_000
    assert info.answers == 5
    assert 5 < info.entries < 35
    small = EmbeddingCache(folder, 1000)
    small.upkeep.evict()
    assert small.upkeep.info().bytes <= 1000  # the limit holds for answers too


def test_answers_are_counted_checked_and_cleared_as_entries_are(store):
    store.put(store.key(SERVER, REQUEST), "a bell")
    assert (store.cache.upkeep.info().entries, store.cache.upkeep.info().answers) == (1, 1)
    assert store.cache.upkeep.verify() == (1, [])
    assert store.cache.upkeep.clear() == 1
    assert store.get(store.key(SERVER, REQUEST)) is None


def test_answers_are_kept_by_default_where_the_command_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("VQE_CACHE_DIR", str(tmp_path / "own"))
    store = open_answers(None)
    assert store is not None
    assert store.cache.folder == tmp_path / "own"
    assert open_answers(tmp_path / "named").cache.folder == tmp_path / "named"
    assert open_answers(tmp_path / "named", keep=False) is None


def test_without_a_home_a_warning_says_that_nothing_is_kept(monkeypatch):
    monkeypatch.delenv("VQE_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)

    def homeless(_: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", homeless)
    with pytest.warns(UserWarning, match="answers are not kept, so a run that ends early pays for them again"):
        assert open_answers(None) is None


@pytest.mark.parametrize("name", ["a\0b", "\0", "half \ud83d"])
def test_what_no_folder_can_be_called_is_refused(name):
    for opened in (package.open_cache, open_answers):
        with pytest.raises(InputError, match="is no name of a folder; give another"):
            opened(name)
