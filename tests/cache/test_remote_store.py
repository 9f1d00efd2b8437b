"""A cache in an object store: entries come back as they were put, once each, and a store that fails costs no score."""

from __future__ import annotations

import uuid

import fsspec
import numpy as np
import pytest

from vqe_core import EMScore
from vqe_core.cache import CacheKey, Entry, open_cache
from vqe_core.cache.store import RemoteCache
from vqe_core.errors import InputError
from vqe_core.toy.clips import make_clip, write_clip

KEY = CacheKey("frames", {"number": 1})


def entry(number: int) -> Entry:
    return Entry({"values": np.full(4, number, np.float32)})


@pytest.fixture(params=["memory", "file"])
def url(request, tmp_path):
    return f"memory://{uuid.uuid4().hex}" if request.param == "memory" else f"file://{tmp_path}/store"


def test_what_is_put_is_found_by_every_machine(url):
    RemoteCache(url).put(KEY, entry(1))
    other = open_cache(url)
    assert other.get(KEY).arrays["values"].tolist() == [1.0] * 4
    assert other.get(CacheKey("frames", {"number": 2})) is None
    assert open_cache(url) is other


def test_an_entry_that_is_there_stays(url):
    cache = RemoteCache(url)
    cache.put(KEY, entry(1))
    cache.put(KEY, entry(2))  # in truth equal keys hold equal bytes
    assert cache.get(KEY).arrays["values"][0] == 1.0


def test_a_damaged_entry_counts_as_none(url):
    cache = RemoteCache(url)
    cache.put(KEY, entry(1))
    with fsspec.open(f"{url}/{KEY.digest[:2]}/{KEY.digest}{cache._path(KEY).rpartition(KEY.digest)[2]}", "wb") as file:
        file.write(b"torn")
    with pytest.warns(UserWarning, match="damaged entry"):
        assert cache.get(KEY) is None


def test_a_store_that_cannot_be_reached_costs_one_warning_and_no_score(tmp_path):
    clip = str(write_clip(make_clip(0), tmp_path / "clip.mp4"))
    rows = {"predictions": ["a circle"], "videos": [clip]}
    with pytest.warns(UserWarning, match="cannot be (read|written)") as told:
        report = EMScore(clip_model_path="toy", cache_dir="http://127.0.0.1:9/cache").score(**rows)
    assert len([w for w in told if "cache_dir" in str(w.message)]) == 1
    assert report.rows == EMScore(clip_model_path="toy").score(**rows).rows


def test_scores_from_it_are_those_without_and_no_stamp_of_a_disk_is_kept(tmp_path, url):
    clip = str(write_clip(make_clip(0), tmp_path / "clip.mp4"))
    rows = {"predictions": ["a circle"], "videos": [clip]}
    scorer = EMScore(clip_model_path="toy", cache_dir=url)
    assert scorer.score(**rows).rows == scorer.score(**rows).rows == EMScore(clip_model_path="toy").score(**rows).rows
    system, root = fsspec.core.url_to_fs(url)
    assert system.find(root) and not [path for path in system.find(root) if "digest" in path]


def test_an_address_that_is_none_is_refused():
    with pytest.raises(InputError, match="cache_dir \\('nosuch://a'\\)"):
        open_cache("nosuch://a")
