"""Videos to embeddings by encoders of clips: which frames make a clip, and the same numbers whatever stands beside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.clips import noise_frames, write_clip
from tests.embed.test_videos import CountingEncoder, equal
from tests.tiny_joint import tiny_pe_av
from tests.tiny_video import FRAMES, tiny_pe_video, tiny_videoprism, tiny_xclip
from vqe_core.cache import EmbeddingCache
from vqe_core.embed import EmbedSettings, FrameViews, embed_videos
from vqe_core.encoders import load_image_text_encoder
from vqe_core.samplers.index_based import AllFramesSampler, UniformSampler
from vqe_core.types import MediaSource, TimedEmbeddings

FPS = 8


class CountingClips(CountingEncoder):
    """The encoder, noting how many frames are prepared and how many clips a batch has."""

    def __init__(self, inner):
        super().__init__(inner)
        self.batches = []

    def embed_videos(self, clips):
        self.batches.append(tuple(clips.shape[:2]))
        return self._inner.embed_videos(clips)


@pytest.fixture(scope="module", params=[tiny_xclip, tiny_videoprism, tiny_pe_video, tiny_pe_av])
def loaded(request, tmp_path_factory):
    return load_image_text_encoder(str(request.param(tmp_path_factory.mktemp("clips") / "model")), "cpu")


@pytest.fixture
def encoder(loaded):
    return CountingClips(loaded)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Files of 3, 8 and 11 frames, and an array."""
    folder = tmp_path_factory.mktemp("files")
    counts = {"short": 3, "two": 8, "odd": 11}
    paths = {
        name: write_clip(folder / f"{name}.mp4", noise_frames(count, seed=count)) for name, count in counts.items()
    }
    found = {name: MediaSource(path=str(path)) for name, path in paths.items()}
    return {**found, "array": MediaSource(frames=noise_frames(5, seed=9))}


def expected(encoder, frames):
    """One embedding a clip, cut by hand."""
    prepared = torch.stack([encoder.prepare_image(frame) for frame in frames])
    if encoder.any_length:
        return encoder.embed_videos(prepared[None])
    if len(prepared) <= FRAMES:
        clips = [[i * (len(prepared) - 1) // (FRAMES - 1) for i in range(FRAMES)]]
    else:
        firsts = [min(start, len(prepared) - FRAMES) for start in range(0, len(prepared), FRAMES)]
        clips = [list(range(first, first + FRAMES)) for first in firsts]
    return torch.cat([encoder.embed_videos(prepared[clip][None]) for clip in clips])


def test_sampled_frames_are_cut_into_clips_that_stand_at_their_middle(encoder):
    for count, middles in ((3, [1]), (8, [2, 6]), (11, [2, 6, 9])):
        frames = noise_frames(count, seed=count)
        source = MediaSource(frames=frames, fps=FPS)
        found = embed_videos({0: source}, AllFramesSampler(), encoder, EmbedSettings())[0]
        assert isinstance(found, TimedEmbeddings)
        torch.testing.assert_close(found.values, expected(encoder, frames), atol=1e-5, rtol=0)
        middles = [count // 2] if encoder.any_length else middles
        assert found.indices.tolist() == middles
        np.testing.assert_allclose(found.timestamps, np.array(middles) / FPS)


def test_a_short_video_is_spread_over_one_clip(encoder):
    source = MediaSource(frames=noise_frames(1, seed=0))
    (only,) = embed_videos({0: source}, UniformSampler(encoder.clip_frames), encoder, EmbedSettings()).values()
    torch.testing.assert_close(only.values, encoder.embed_images(still(encoder)), atol=1e-5, rtol=0)
    assert (encoder.pictures, only.timestamps) == (1 + 1, None)  # read once, and once by this test


def still(encoder):
    return encoder.prepare_image(noise_frames(1, seed=0)[0])[None]


def test_clips_are_the_same_bits_alone_beside_others_and_from_the_cache(encoder, sources, tmp_path):
    settings = EmbedSettings(batch_size=8)
    together = embed_videos(sources, AllFramesSampler(), encoder, settings)
    for key, source in sources.items():
        alone = embed_videos({key: source}, AllFramesSampler(), encoder, settings)[key]
        assert equal(alone, together[key])
    cached = replace(settings, cache=EmbeddingCache(tmp_path / "cache"))
    cold = embed_videos(sources, AllFramesSampler(), encoder, cached)
    encoder.pictures = 0
    warm = embed_videos(sources, AllFramesSampler(), encoder, cached)
    assert encoder.pictures == 0
    for key in sources:
        assert equal(together[key], cold[key]) and equal(cold[key], warm[key])


def test_a_batch_holds_as_many_frames_as_asked_for(encoder, sources):
    embed_videos(sources, AllFramesSampler(), encoder, EmbedSettings(batch_size=2 * FRAMES))
    clips, frames = zip(*encoder.batches, strict=True)
    assert max(clips) == (1 if encoder.any_length else 2)
    assert encoder.any_length or set(frames) == {FRAMES}


def test_each_clip_is_followed_by_its_flipped_copy(encoder):
    frames = noise_frames(8, seed=8)
    settings = EmbedSettings(views=FrameViews(horizontal_flip=True))
    found = embed_videos({0: MediaSource(frames=frames)}, AllFramesSampler(), encoder, settings)[0]
    flipped = np.ascontiguousarray(frames[:, :, ::-1])
    torch.testing.assert_close(found.values[::2], expected(encoder, frames), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.values[1::2], expected(encoder, flipped), atol=1e-5, rtol=0)


def test_two_encoders_share_no_entry(encoder, sources, tmp_path):
    cached = EmbedSettings(cache=EmbeddingCache(tmp_path / "cache"))
    embed_videos(sources, UniformSampler(4), encoder, cached)
    other = CountingClips(load_image_text_encoder(str(tiny_xclip(tmp_path / "other", num_frames=2)), "cpu"))
    embed_videos(sources, UniformSampler(4), other, cached)
    assert other.pictures > 0
