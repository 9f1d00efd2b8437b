"""Scores are the same, bit for bit, whether embeddings are made or looked up, and in one chunk or many."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import vqe_core.scorers.video_audio.audio_track
from tests.clips import noise_frames
from vqe_core import EMScore, VideoAudioSimilarity
from vqe_core.cache import EmbeddingCache
from vqe_core.errors import InputError
from vqe_core.scorers.video_audio.windows import Windowing
from vqe_core.toy import model_folder
from vqe_core.toy.clips import make_clip, write_clip

WORDS = ["a red square", "a blue circle", "two green circles", "a circle moves left", "a red square then a circle"]


def plain(result) -> str:
    """All of a result as text; floats keep every bit."""
    return json.dumps(result, sort_keys=True, default=repr)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    paths = [folder / f"{seed}.mp4" for seed in range(4)]
    for seed, path in enumerate(paths):
        write_clip(make_clip(seed), path)
    return [str(path) for path in paths]


def test_emscore_cold_warm_and_uncached_are_bit_equal(clips, tmp_path):
    rows = {
        "predictions": WORDS,
        "videos": [*clips, None],
        "references": [["a square", "a red thing"], None, ["circles"], "a circle", "a square and a circle"],
    }
    options = {"clip_model_path": "toy", "per_sample": True, "return_all_frames": True, "idf": True}
    results = [EMScore(**options).compute(**rows)]
    results += [EMScore(**options, cache_dir=str(tmp_path / "cache")).compute(**rows) for _ in range(2)]
    assert plain(results[0]) == plain(results[1]) == plain(results[2])
    assert EmbeddingCache(tmp_path / "cache").upkeep.info().entries == 4 + len({*WORDS, "a square", "a red thing",
        "circles", "a circle", "a square and a circle"})  # fmt: skip


@pytest.mark.parametrize("options", [{"method": "tags"}, {"method": "joint"}, {"method": "description"}], ids=str)
@pytest.mark.parametrize("profile", [False, True])
def test_video_audio_cold_warm_and_uncached_are_bit_equal(clips, tmp_path, options, profile):
    described = ["a bell", "a drum", "a whistle", "a bell"] if options["method"] == "description" else None
    options = {"hf_clip": "toy", "per_sample": True, "return_profile": profile, **options}
    rows = {"videos": clips, "audio_descriptions": described}
    results = [VideoAudioSimilarity(**options).compute(**rows)]
    results += [VideoAudioSimilarity(**options, cache_dir=tmp_path / "cache").compute(**rows) for _ in range(2)]
    assert plain(results[0]) == plain(results[1]) == plain(results[2])


def test_another_sound_beside_the_same_video_misses(clips, tmp_path):
    def similarity(audio, cache):
        scorer = VideoAudioSimilarity(hf_clip="toy", method="joint", cache_dir=cache)
        return scorer.compute(videos=[clips[0]], audios=[audio])["similarity"]

    tone = np.sin(np.arange(48_000) * 0.05).astype(np.float32)
    sounds = [{"array": tone * gain, "sampling_rate": 16_000} for gain in (0.9, 0.1)] + [None, clips[1]]
    cached = [similarity(sound, tmp_path / "cache") for sound in sounds]
    assert cached == [similarity(sound, None) for sound in sounds]


def test_both_metrics_share_frames(clips, tmp_path):
    options = {"cache_dir": tmp_path / "cache", "frame_num": 4}
    EMScore(clip_model_path="toy", **options).compute(predictions=WORDS[:4], videos=clips)
    entries = EmbeddingCache(tmp_path / "cache").upkeep.info().entries
    scorer = VideoAudioSimilarity(hf_clip="toy", method="description", **options)
    scorer.compute(videos=clips, audio_descriptions=WORDS[:4])
    assert EmbeddingCache(tmp_path / "cache").upkeep.info().entries == entries


@pytest.mark.parametrize("most", [1, 10**9])
def test_sounds_are_described_some_at_a_time_in_order_and_equal_ones_once(clips, monkeypatch, most):
    monkeypatch.setattr("vqe_core.scorers.video_audio.description.SOUND_BYTES", most)
    asked, held = [], []

    class Loudness:
        """A describer that tells sounds apart."""

        sampling_rate = 16_000

        def signature(self):
            return {"describer": "loudness"}

        def describe(self, waveforms):
            held.append(len(waveforms))
            asked.extend(f"a sound of {np.abs(sound.waveform).mean():.6f}" for sound in waveforms)
            return asked[-len(waveforms) :]

    order = [0, 1, 0, 2, 3, 1, 0]
    scorer = VideoAudioSimilarity(
        hf_clip="toy", method="description", describer=Loudness(), per_sample=True, on_error="skip"
    )
    samples = scorer.compute(videos=[*(clips[i] for i in order), "missing.mp4"])["samples"]
    assert samples["status"] == ["ok"] * 7 + ["not_found"]
    assert samples["description"][:7] == [asked[i] for i in order]
    assert held == ([1, 1, 1, 1] if most == 1 else [4])


@pytest.mark.parametrize("method", ["emscore", "tags", "joint"])
def test_another_spelling_or_a_copy_of_a_checkpoint_finds_what_is_stored(clips, tmp_path, monkeypatch, method):
    """Signatures of two spellings are equal, too; that of a copy names the copy."""
    copy = shutil.copytree(model_folder(), tmp_path / "copy")
    monkeypatch.chdir(model_folder().parent)

    def score(model):
        options = {"cache_dir": tmp_path / "cache", "frame_num": 2, "per_sample": True}
        if method == "emscore":
            return EMScore(clip_model_path=model, **options).compute(predictions=WORDS[:2], videos=clips[:2])
        return VideoAudioSimilarity(hf_clip=model, method=method, **options).compute(videos=clips[:2])

    first = score("toy")
    entries = EmbeddingCache(tmp_path / "cache").upkeep.info().entries
    for spelling in (str(model_folder()), f"./{model_folder().name}/"):
        assert plain(score(spelling)) == plain(first)
    copied = score(str(copy))
    assert plain(copied["samples"]) == plain(first["samples"])
    assert copied["signature"] != first["signature"]
    assert EmbeddingCache(tmp_path / "cache").upkeep.info().entries == entries


def test_rows_in_chunks_score_as_rows_together(clips, monkeypatch):
    """Nine rows over four videos out of order, a failing one among them, in chunks of two."""
    order = [0, 1, 0, 2, 3, 1, 0, 2]
    rows = {
        "predictions": [*[WORDS[i] for i in order], WORDS[4]],
        "videos": [*[clips[i] for i in order], "missing.mp4"],
        "references": [None, ["a square"], None, None, "a circle", None, None, None, None],
    }
    scorer = EMScore(clip_model_path="toy", per_sample=True, on_error="skip", idf=WORDS, batch_size=4)
    together = scorer.compute(**rows)["samples"]
    monkeypatch.setattr("vqe_core.scorers.embedded_rows.CHUNK_ROWS", 2)
    in_chunks = scorer.compute(**rows)["samples"]
    assert in_chunks["status"] == together["status"] == ["ok"] * 8 + ["not_found"]
    for name, column in together.items():
        if isinstance(column[0], float):
            assert in_chunks[name] == pytest.approx(column, abs=1e-5, nan_ok=True)


def test_sounds_in_chunks_score_as_sounds_together(clips, monkeypatch):
    scorer = VideoAudioSimilarity(hf_clip="toy", method="tags", per_sample=True)
    together = scorer.compute(videos=clips)
    monkeypatch.setattr("vqe_core.scorers.video_audio.frame_comparison.CHUNK_PAIRS", 1)
    in_chunks = scorer.compute(videos=clips)
    assert in_chunks["samples"]["similarity"] == pytest.approx(together["samples"]["similarity"], abs=1e-5)
    assert in_chunks["samples"]["tags"] == together["samples"]["tags"]


def test_a_video_of_many_rows_is_decoded_once_over_all_chunks(monkeypatch):
    import vqe_core.embed.videos

    opened = []
    original = vqe_core.embed.videos.open_video_in
    monkeypatch.setattr(
        "vqe_core.embed.videos.open_video_in",
        lambda source, *rest, **more: opened.append(source) or original(source, *rest, **more),
    )
    monkeypatch.setattr("vqe_core.scorers.embedded_rows.CHUNK_ROWS", 2)
    videos = [noise_frames(4, seed=i % 2) for i in range(7)]
    EMScore(clip_model_path="toy").compute(predictions=["a red square"] * 7, videos=videos)
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("cache_dir", 3, r"cache_dir \(3\) must be the path of a folder, or None for no cache"),
        ("row_timeout", 0, r"row_timeout \(0\) must be a positive finite number of seconds"),
    ],
)
def test_wrong_ways_to_run_are_told_at_once(option, value, message):
    for scorer in (EMScore, VideoAudioSimilarity):
        with pytest.raises(InputError, match=message):
            scorer(**{option: value})


@pytest.mark.parametrize("method", ["tags", "joint"])
def test_sounds_from_worker_processes_give_the_same_bits(clips, method):
    results = [
        VideoAudioSimilarity(hf_clip="toy", method=method, isolate=isolate, per_sample=True).compute(videos=clips)
        for isolate in (False, True)
    ]
    assert plain(results[0]) == plain(results[1])


def test_the_next_pair_is_read_while_one_is_encoded_in_a_joint_space(clips, monkeypatch):
    reads, second = [], threading.Event()
    original, embed_frames = vqe_core.scorers.video_audio.audio_track.read_sound, Windowing.embed_frames

    def read(*arguments):
        reads.append(arguments)
        if len(reads) == 2:
            second.set()
        return original(*arguments)

    def embed(self, *arguments):
        assert second.wait(30)
        return embed_frames(self, *arguments)

    monkeypatch.setattr("vqe_core.scorers.video_audio.audio_track.read_sound", read)
    monkeypatch.setattr(Windowing, "embed_frames", embed)
    result = VideoAudioSimilarity(hf_clip="toy", method="joint", per_sample=True).compute(videos=clips[:2])
    assert result["samples"]["status"] == ["ok", "ok"]


def test_a_pair_that_fails_half_way_holds_up_no_other_in_a_joint_space(clips, monkeypatch):
    """The first and the third pair fail while images of theirs are still waiting."""
    calls, embed_frames = [], Windowing.embed_frames

    def fail_at_first(self, frames, encoder):
        calls.append(frames)
        if len(calls) in (1, 8):
            raise InputError("no", code="refused")
        return embed_frames(self, frames, encoder)

    scorer = VideoAudioSimilarity(hf_clip="toy", method="joint", window=0.5, hop=0.5, per_sample=True, on_error="skip")
    whole = scorer.compute(videos=[*clips, "missing.mp4"])["samples"]
    monkeypatch.setattr(Windowing, "embed_frames", fail_at_first)
    hurt = scorer.compute(videos=[*clips, "missing.mp4"])["samples"]
    assert whole["status"] == ["ok"] * 4 + ["not_found"]
    assert hurt["status"][0] == "refused" and hurt["status"].count("refused") == 2
    for i in range(4):
        if hurt["status"][i] == "ok":
            assert hurt["similarity"][i] == whole["similarity"][i]


@pytest.mark.parametrize("method", ["tags", "joint"])
@pytest.mark.parametrize("changed", ["video", "sound"])
def test_a_file_that_changes_while_it_is_heard_is_not_stored(clips, tmp_path, monkeypatch, method, changed):
    paths = {name: tmp_path / f"{name}.mp4" for name in ("video", "sound")}
    for path, clip in zip(paths.values(), clips, strict=False):
        path.write_bytes(Path(clip).read_bytes())
    original = vqe_core.scorers.video_audio.audio_track.read_sound

    def read_and_change(*arguments):
        samples = original(*arguments)
        with paths[changed].open("ab") as file:
            file.write(b"\0")
        return samples

    monkeypatch.setattr("vqe_core.scorers.video_audio.audio_track.read_sound", read_and_change)
    scorer = VideoAudioSimilarity(hf_clip="toy", method=method, cache_dir=tmp_path / "cache")
    scorer.compute(videos=[str(paths["video"])], audios=[str(paths["sound"])])
    # By tags the frames are embedded, and rightly stored, before the sound is read.
    assert EmbeddingCache(tmp_path / "cache").upkeep.info().entries == (1 if method == "tags" else 0)
