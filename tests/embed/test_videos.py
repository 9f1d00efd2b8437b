"""Videos to embeddings: the same numbers whether looked up or made, whoever decodes, whatever stands beside."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips import noise_frames, write_clip
from tests.media.test_file_checks import damaged_clip
from vqe_core.cache import EmbeddingCache
from vqe_core.embed import EmbedSettings, FrameViews, embed_texts, embed_videos
from vqe_core.embed.batching import ImageBatcher
from vqe_core.encoders import load_image_text_encoder
from vqe_core.errors import MediaError, ModelError, VqeError
from vqe_core.media import open_video
from vqe_core.samplers.index_based import EveryNFramesSampler, UniformSampler
from vqe_core.samplers.time_based import EveryNSecondsSampler
from vqe_core.types import MediaSource, TimedEmbeddings
from vqe_core.workers import DecodeWorker


class CountingEncoder:
    """The encoder, noting how many images and texts it embeds."""

    def __init__(self, inner):
        self._inner = inner
        self.pictures = self.texts = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def prepare_image(self, pixels):
        self.pictures += 1
        return self._inner.prepare_image(pixels)

    def embed_images(self, images):
        return self._inner.embed_images(images)

    def embed_texts(self, texts, **options):
        self.texts += len(texts)
        return self._inner.embed_texts(texts, **options)


@pytest.fixture
def encoder(clip_folder) -> CountingEncoder:
    return CountingEncoder(load_image_text_encoder(clip_folder))


@pytest.fixture
def sources(tmp_path) -> dict[str, MediaSource]:
    """Five clips of 7, 9, 11 ... frames, and an array."""
    found = {}
    for i in range(5):
        path = tmp_path / f"{i}.mp4"
        write_clip(path, noise_frames(7 + 2 * i, seed=i))
        found[str(i)] = MediaSource(path=str(path))
    return {**found, "array": MediaSource(frames=noise_frames(4, seed=9))}


def equal(one: TimedEmbeddings | VqeError, other: TimedEmbeddings | VqeError) -> bool:
    assert isinstance(one, TimedEmbeddings) and isinstance(other, TimedEmbeddings)
    plain = ("notes", "reader", "start", "end")
    return (
        torch.equal(one.values, other.values)
        and np.array_equal(one.indices, other.indices)
        and (one.timestamps is None) == (other.timestamps is None)
        and (one.timestamps is None or np.array_equal(one.timestamps, other.timestamps))
        and all(getattr(one, name) == getattr(other, name) for name in plain)
    )


def test_cold_warm_and_uncached_are_bit_equal_and_warm_embeds_nothing(encoder, sources, tmp_path):
    settings = EmbedSettings(batch_size=8, views=FrameViews(horizontal_flip=True))
    plain = embed_videos(sources, UniformSampler(6), encoder, settings)
    cached = replace(settings, cache=EmbeddingCache(tmp_path / "cache"))
    cold = embed_videos(sources, UniformSampler(6), encoder, cached)
    assert encoder.pictures > 0
    encoder.pictures = 0
    warm = embed_videos(sources, UniformSampler(6), encoder, cached)
    assert encoder.pictures == 0
    assert list(plain) == list(cold) == list(warm) == list(sources)
    for key in sources:
        assert equal(plain[key], cold[key]) and equal(cold[key], warm[key])


def test_a_frame_that_is_sampled_again_and_again_is_held_and_stored_once(encoder, tmp_path):
    """Two frames a second, sampled a hundred times a second, with a flipped copy each."""
    source = {0: MediaSource(frames=noise_frames(4), fps=2.0)}
    settings = EmbedSettings(cache=EmbeddingCache(tmp_path / "cache"), views=FrameViews(horizontal_flip=True))
    cold, warm = (embed_videos(source, EveryNSecondsSampler(0.01), encoder, settings)[0] for _ in range(2))
    assert equal(cold, warm)
    assert isinstance(warm, TimedEmbeddings)
    assert (len(warm), len(warm.values), len(warm.distinct)) == (400, 400, 8)
    assert warm.indices.tolist() == [i for i in range(4) for _ in range(100)]
    assert warm.timestamps is not None and warm.timestamps.tolist() == [i / 2 for i in range(4) for _ in range(100)]
    each = embed_videos(source, EveryNFramesSampler(1), encoder, settings)[0]
    assert isinstance(each, TimedEmbeddings)
    assert torch.equal(warm.distinct, each.values)
    assert torch.equal(warm.values, each.values.reshape(4, 1, 2, -1).expand(4, 50, 2, -1).reshape(400, -1))
    largest = max(path.stat().st_size for path in (tmp_path / "cache").rglob("*.safetensors"))
    assert largest < warm.values.nbytes / 4


def test_an_entry_is_found_by_content_not_by_name(encoder, sources, tmp_path):
    settings = EmbedSettings(cache=EmbeddingCache(tmp_path / "cache"))
    embed_videos({"a": sources["1"]}, UniformSampler(3), encoder, settings)
    encoder.pictures = 0
    data = Path(str(sources["1"].path)).read_bytes()
    (tmp_path / "copy.mp4").write_bytes(data)
    again = {"path": MediaSource(path=str(tmp_path / "copy.mp4")), "bytes": MediaSource(data=data)}
    embed_videos(again, UniformSampler(3), encoder, settings)
    assert encoder.pictures == 0


@pytest.mark.parametrize(
    "other",
    [
        {"sampler": UniformSampler(4)},
        {"sampler": EveryNFramesSampler(3)},
        {"settings": {"max_frames": 2}},
        {"settings": {"views": FrameViews(vertical_flip=True)}},
        {"source": {"start": 0.2}},
        {"source": {"end": 0.5}},
    ],
    ids=str,
)
def test_whatever_changes_the_numbers_misses(encoder, sources, tmp_path, other):
    settings = EmbedSettings(cache=EmbeddingCache(tmp_path / "cache"))
    embed_videos({0: sources["4"]}, UniformSampler(3), encoder, settings)
    encoder.pictures = 0
    changed = replace(settings, **other.get("settings", {}))
    source = replace(sources["4"], **other.get("source", {}))
    found = embed_videos({0: source}, other.get("sampler", UniformSampler(3)), encoder, changed)
    assert encoder.pictures > 0
    fresh = embed_videos({0: source}, other.get("sampler", UniformSampler(3)), encoder, replace(changed, cache=None))
    assert equal(found[0], fresh[0])


def test_another_model_or_dtype_misses(clip_folder, tmp_path, sources):
    from tests.tiny import tiny_clip

    settings = EmbedSettings(cache=EmbeddingCache(tmp_path / "cache"))
    models = [
        (clip_folder, "float32"),
        (clip_folder, "bfloat16"),
        (str(tiny_clip(tmp_path / "other", seed=5)), "float32"),
    ]
    for folder, dtype in models:
        counting = CountingEncoder(load_image_text_encoder(folder, dtype=dtype))
        embed_videos({0: sources["0"]}, UniformSampler(3), counting, settings)
        embed_texts(["a dog"], counting, settings, long_text="windows")
        assert (counting.pictures, counting.texts) == (3, 1)


def test_a_changed_file_misses_even_at_its_old_size_and_time(encoder, tmp_path):
    settings = EmbedSettings(cache=EmbeddingCache(tmp_path / "cache"))
    path = tmp_path / "x.mp4"
    write_clip(path, noise_frames(6, seed=0))
    first = embed_videos({0: MediaSource(path=str(path))}, UniformSampler(3), encoder, settings)[0]
    stat, size = path.stat(), path.stat().st_size
    write_clip(path, noise_frames(6, seed=1))
    path.write_bytes(path.read_bytes().ljust(size, b"\0")[: max(size, path.stat().st_size)])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    second = embed_videos({0: MediaSource(path=str(path))}, UniformSampler(3), encoder, settings)[0]
    assert not equal(first, second)


def test_a_changed_file_misses_also_where_its_digest_is_remembered(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("vqe_core.media.content_hash._SETTLED_AFTER", -(10**18))  # every file is old enough
    test_a_changed_file_misses_even_at_its_old_size_and_time(encoder, tmp_path)


def test_a_file_is_read_to_tell_it_while_others_are_decoded(encoder, sources, tmp_path, monkeypatch):
    """The digest of the second file waits for the first file to be opened."""
    import vqe_core.embed.videos
    import vqe_core.media.content_hash

    opened = threading.Event()
    original, digest_of = vqe_core.embed.videos.open_video_in, vqe_core.media.content_hash._read_digest

    def open_and_tell(*arguments, **options):
        opened.set()
        return original(*arguments, **options)

    def digest_after(path, known):
        assert path == sources["0"].path or opened.wait(30)
        return digest_of(path, known)

    monkeypatch.setattr("vqe_core.embed.videos.open_video_in", open_and_tell)
    monkeypatch.setattr("vqe_core.media.content_hash._read_digest", digest_after)
    settings = EmbedSettings(cache=EmbeddingCache(tmp_path / "cache"))
    results = embed_videos({key: sources[key] for key in ("0", "1")}, UniformSampler(3), encoder, settings)
    assert all(isinstance(frames, TimedEmbeddings) for frames in results.values())
    assert settings.cache is not None and settings.cache.upkeep.info().entries == 2


def test_a_file_that_changes_while_it_is_read_is_not_stored(encoder, tmp_path):
    path = tmp_path / "x.mp4"
    write_clip(path, noise_frames(6, seed=0))
    cache = EmbeddingCache(tmp_path / "cache")

    class Changing(CountingEncoder):
        def embed_images(self, images):
            path.write_bytes(path.read_bytes() + b"\0")
            return super().embed_images(images)

    embed_videos({0: MediaSource(path=str(path))}, UniformSampler(3), Changing(encoder), EmbedSettings(cache=cache))
    assert cache.upkeep.info().entries == 0


def test_failures_keep_their_place_and_are_not_stored(encoder, sources, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(bytes(range(256)) * 20)
    missing = MediaSource(path=str(tmp_path / "none.mp4"))
    mixed = {"0": sources["0"], "bad": MediaSource(path=str(bad)), "1": sources["1"], "none": missing}
    cache = EmbeddingCache(tmp_path / "cache")
    told = []
    settings = EmbedSettings(cache=cache, batch_size=3)
    results = embed_videos(mixed, UniformSampler(3), encoder, settings, on_outcome=lambda key, _: told.append(key))
    assert [type(results[key]) is TimedEmbeddings for key in mixed] == [True, False, True, False]
    assert [error.code for error in results.values() if isinstance(error, MediaError)] == ["decode_error", "not_found"]
    assert sorted(told) == sorted(mixed)
    assert cache.upkeep.info().entries == 2
    alone = embed_videos({"0": sources["0"]}, UniformSampler(3), encoder, EmbedSettings(batch_size=3))
    assert equal(alone["0"], results["0"])


def test_a_damaged_video_is_sampled_from_what_decodes(encoder):
    """Frames that were embedded before the damage was met do not count twice."""
    together = {"damaged": MediaSource(data=damaged_clip()), "whole": MediaSource(frames=noise_frames(4))}
    settings = EmbedSettings(batch_size=5)
    results = embed_videos(together, EveryNFramesSampler(1), encoder, settings)
    damaged, whole = results["damaged"], results["whole"]
    assert isinstance(damaged, TimedEmbeddings) and isinstance(whole, TimedEmbeddings)
    decoded = open_video(together["damaged"]).decoded()
    frames = np.stack([frame.pixels for frame in decoded.frames(np.arange(len(decoded.table)))])
    by_hand = embed_videos({0: MediaSource(frames=frames)}, EveryNFramesSampler(1), encoder, settings)[0]
    assert isinstance(by_hand, TimedEmbeddings)
    assert torch.allclose(damaged.values, by_hand.values, atol=1e-5)
    assert damaged.notes == decoded.table.warnings != ()
    assert len(whole) == 4


def test_texts_are_stored_with_their_windows_and_remarks(encoder, tmp_path):
    settings = EmbedSettings(cache=EmbeddingCache(tmp_path / "cache"))
    texts = ["a dog", "a cat " * 60, "狗在跑 🐶"]
    cold = embed_texts(texts, encoder, settings, long_text="windows")
    assert encoder.texts == 3
    warm = embed_texts([*texts, "a dog"], encoder, settings, long_text="windows")
    assert encoder.texts == 3
    for text in texts:
        assert torch.equal(cold[text].tokens, warm[text].tokens)
        assert torch.equal(cold[text].pooled, warm[text].pooled)
        assert (cold[text].token_ids, cold[text].notes) == (warm[text].token_ids, warm[text].notes)
    embed_texts(texts, encoder, settings, long_text="truncate")
    assert encoder.texts == 4  # only the long one depends on what is done to long ones


def test_texts_do_not_depend_on_what_only_pictures_pass_through(clip_folder, tmp_path):
    class Other(CountingEncoder):
        """As where images are encoded by another library, after another resizing."""

        def signature(self):
            return {**self._inner.signature(), "backend": "another", "resize": "another"}

        def text_signature(self):
            return type(self._inner).text_signature(self)

    settings = EmbedSettings(cache=EmbeddingCache(tmp_path / "cache"))
    one, other = (kind(load_image_text_encoder(clip_folder)) for kind in (CountingEncoder, Other))
    for encoder in (one, other):
        embed_texts(["a dog"], encoder, settings, long_text="windows")
    assert (one.texts, other.texts) == (1, 0)


@pytest.mark.parametrize(
    ("where", "asked", "expected"),
    [
        *[("cpu", 10, [4] * 6), ("cpu", 16, [4] * 6), ("cpu", 3, [3, 1] * 6), ("cpu", 1, [1] * 24)],
        *[("cuda", 10, [8, 8, 8]), ("cuda", 16, [16, 16]), ("cuda", 3, [3] * 8), ("cuda", 1, [1] * 24)],
    ],
)
def test_batches_hold_one_video_on_a_cpu_and_are_filled_across_videos_on_a_gpu(
    encoder, sources, where, asked, expected
):
    sizes = []

    class Sizes(CountingEncoder):
        device = where  # what is asked of the encoder; it computes where it is

        def embed_images(self, images):
            sizes.append(len(images))
            return self._inner.embed_images(images)

    found = embed_videos(sources, UniformSampler(4), Sizes(encoder), EmbedSettings(batch_size=asked))
    assert sizes == expected
    assert [len(frames) for frames in found.values()] == [4] * 6


@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_equal_frames_of_a_video_are_embedded_once(encoder, where):
    embedded = []

    class Noting(CountingEncoder):
        device = where  # what is asked of the encoder; it computes where it is

        def embed_images(self, images):
            embedded.extend(images)
            return self._inner.embed_images(images)

    slides = noise_frames(3, seed=1)
    order = [0, 0, 0, 1, 1, 0, 2, 2, 2, 2]
    sources = {"slides": MediaSource(frames=slides[order]), "distinct": MediaSource(frames=slides)}
    found = embed_videos(sources, EveryNFramesSampler(1), Noting(encoder), EmbedSettings(batch_size=4))
    assert len(embedded) == {"cpu": 3 + 3, "cuda": 8}[where]  # on a GPU the last batch is filled up
    values, distinct = found["slides"].values, found["distinct"].values
    assert found["slides"].indices.tolist() == list(range(10))
    assert torch.allclose(values, distinct[order], atol=1e-6)
    assert all(torch.equal(values[i], values[order.index(place)]) for i, place in enumerate(order))


def test_equal_frames_count_again_after_a_restart_and_beside_flipped_copies(encoder):
    even = np.full((4, 16, 16, 3), 80, np.uint8)  # equal to its flipped copies too
    settings = EmbedSettings(views=FrameViews(horizontal_flip=True))
    found = embed_videos({"even": MediaSource(frames=even)}, EveryNFramesSampler(1), encoder, settings)["even"]
    assert found.values.shape[0] == 8
    assert torch.equal(found.values, found.values[:1].expand(8, -1))
    with ImageBatcher(encoder, 4) as batcher:
        image = encoder.prepare_image(even[0])
        batcher.add("v", image)
        batcher.discard("v")
        for _ in range(3):
            batcher.add("v", image)
        batcher.flush()
        assert batcher.count("v") == 3
        assert batcher.take("v").shape[0] == 3


def test_worker_processes_give_the_same_bits(encoder, sources):
    settings = EmbedSettings(batch_size=5, isolate=False)
    here = embed_videos(sources, UniformSampler(6), encoder, settings)
    there = embed_videos(sources, UniformSampler(6), encoder, replace(settings, isolate=True))
    assert all(equal(here[key], there[key]) for key in sources)


def test_a_worker_that_is_killed_costs_its_row_and_no_other(encoder, sources, monkeypatch):
    """The kernel's kill of a process that takes all memory looks like this."""
    begin = DecodeWorker._begin

    def killed_at_work(worker, kind, source, arguments):
        if source is not sources["2"]:
            return begin(worker, kind, source, arguments)
        child = worker._usable_child()
        os.kill(child.pid, signal.SIGKILL)
        with monkeypatch.context() as patch:
            patch.setattr(worker, "_usable_child", lambda: child)  # else it may be noticed, and another started
            return begin(worker, kind, source, arguments)

    settings = EmbedSettings(batch_size=5, isolate=True)
    whole = embed_videos(sources, UniformSampler(6), encoder, settings)
    monkeypatch.setattr(DecodeWorker, "_begin", killed_at_work)
    hurt = embed_videos(sources, UniformSampler(6), encoder, settings)
    assert isinstance(hurt["2"], MediaError) and hurt["2"].code == "worker_crash"
    for key in sources.keys() - {"2"}:
        one, other = hurt[key], whole[key]
        assert isinstance(one, TimedEmbeddings) and isinstance(other, TimedEmbeddings)
        assert torch.allclose(one.values, other.values, atol=1e-5)


class Failing(CountingEncoder):
    """An encoder that has no memory for any batch."""

    def embed_images(self, images):
        raise ModelError("memory ran out on a batch of one")


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_an_encoder_that_fails_fails_the_call_and_blames_no_video(encoder, sources, batch_size):
    told = []
    with pytest.raises(ModelError, match="memory ran out on a batch of one"):
        embed_videos(
            sources,
            UniformSampler(3),
            Failing(encoder),
            EmbedSettings(batch_size=batch_size),
            on_outcome=lambda key, outcome: told.append(key),
        )
    assert told == []


def test_pictures_that_do_not_fit_into_memory_cost_their_row_alone(encoder, sources):
    class Narrow(CountingEncoder):
        def prepare_image(self, pixels):
            if pixels.shape[0] == 48 and pixels.shape[1] == 64:
                return self._inner.prepare_image(pixels)
            raise RuntimeError("alloc_cpu.cpp: not enough memory: you tried to allocate 9864852480 bytes")

    rows = {"wide": MediaSource(frames=np.zeros((2, 48, 80, 3), np.uint8)), **sources}
    found = embed_videos(rows, UniformSampler(3), Narrow(encoder), EmbedSettings())
    wide = found.pop("wide")
    assert isinstance(wide, MediaError) and wide.code == "out_of_memory"
    assert all(isinstance(outcome, TimedEmbeddings) for outcome in found.values())
