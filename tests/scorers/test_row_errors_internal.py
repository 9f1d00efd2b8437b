"""A mistake in our code, planted at each stage: it costs its row and says whose fault it is, or ends the run."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from vqe_core import EMScore, VideoAudioSimilarity, score_dataset
from vqe_core.errors import InternalError, ModelError, NothingScoredWarning
from vqe_core.media.video import pyav_reader
from vqe_core.scorers.row_errors import MOST_FAULTS
from vqe_core.toy.clips import make_clip, write_clip

ROOT = Path(__file__).parents[2]
# A mistake is planted in this process, so it has to decode.
HERE = {"on_error": "skip", "progress": False, "isolate": False}
WAYS = {
    "emscore": EMScore(clip_model_path="toy", **HERE),
    "tags": VideoAudioSimilarity(hf_clip="toy", method="tags", **HERE),
    "joint": VideoAudioSimilarity(hf_clip="toy", method="joint", **HERE),
    "judge": VideoAudioSimilarity(judge=lambda *shown: 0.5, **HERE),
    "description": VideoAudioSimilarity(hf_clip="toy", describer=lambda *heard: "a bell tolls", **HERE),
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(make_clip(seed, num_frames=4), folder / f"{seed}.mp4")) for seed in range(5)]


def columns_for(way: str, clips: list[str]) -> dict[str, list[str]]:
    videos = {"videos": list(clips)}
    return {"predictions": [f"a red circle {i}" for i in range(len(clips))], **videos} if way == "emscore" else videos


def mistaken(real, hit):
    """``real``, with a mistake where an argument holds ``hit``."""

    def call(*given, **how):
        if any(hit in str(argument) for argument in (*given, *how.values())):
            return None + 1
        return real(*given, **how)

    return call


@pytest.mark.parametrize("way", WAYS)
def test_in_the_reader_of_pictures_for_one_file(way, clips, monkeypatch, caplog):
    monkeypatch.setattr(pyav_reader, "open_stream", mistaken(pyav_reader.open_stream, "3.mp4"))
    report = WAYS[way].score(**columns_for(way, clips))
    assert report.status == ["ok"] * 3 + ["internal_error", "ok"]
    assert report.messages[3].startswith("TypeError: unsupported operand")
    assert "This is a fault of vqe, not of the file" in report.messages[3]
    assert caplog.text.count("return None + 1") == 1  # the traceback is logged, once


@pytest.mark.parametrize("way", ["tags", "joint", "judge", "description"])
def test_in_the_reader_of_sounds_for_one_file(way, clips, monkeypatch):
    from vqe_core.media.audio import reader as audio_reader

    monkeypatch.setattr(audio_reader, "read_track", mistaken(audio_reader.read_track, "3.mp4"))
    report = WAYS[way].score(**columns_for(way, clips))
    assert report.status == ["ok"] * 3 + ["internal_error", "ok"]


def test_in_the_tokenizer_for_one_caption(clips, monkeypatch):
    encoder = WAYS["emscore"].load_encoder()
    kind = type(encoder.tokenizer)
    real = kind.split

    def split(self, text, long_text):
        return None + 1 if text.endswith(" 2") else real(self, text, long_text)

    monkeypatch.setattr(kind, "split", split)
    columns = columns_for("emscore", clips)
    report = WAYS["emscore"].score(**columns)
    assert report.status == ["ok", "ok", "internal_error", "ok", "ok"]
    monkeypatch.undo()
    expected = WAYS["emscore"].score(**columns).rows["EMScore(X,V)_full_F"]
    found = report.rows["EMScore(X,V)_full_F"]
    assert [found[i] for i in (0, 1, 3, 4)] == pytest.approx([expected[i] for i in (0, 1, 3, 4)], abs=1e-6)


def test_in_the_kernel_for_one_row(clips, monkeypatch):
    from vqe_core.scorers.emscore.row_scorer import RowScorer

    real, calls = RowScorer.score, []

    def score(self, *embedded):
        calls.append(1)
        return None + 1 if len(calls) == 2 else real(self, *embedded)

    monkeypatch.setattr(RowScorer, "score", score)
    report = WAYS["emscore"].score(**columns_for("emscore", clips))
    assert sorted(report.status) == ["internal_error", "ok", "ok", "ok", "ok"]


def test_it_is_raised_with_its_traceback_where_rows_raise(clips, monkeypatch):
    monkeypatch.setattr(pyav_reader, "open_stream", mistaken(pyav_reader.open_stream, "3.mp4"))
    scorer = EMScore(clip_model_path="toy", on_error="raise", isolate=False)
    with pytest.raises(InternalError, match=r"1 of 5 rows cannot be scored:\n  row 3: \[internal_error\]") as caught:
        scorer.score(**columns_for("emscore", clips))
    assert "None + 1" in caught.value.trace


def test_an_encoder_that_fails_on_everything_scores_nothing_and_says_why(clips, monkeypatch):
    encoder = WAYS["emscore"].load_encoder()

    def fails(self, images):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(type(encoder), "embed_images", fails)
    columns = columns_for("emscore", clips)
    with pytest.warns(NothingScoredWarning, match="illegal memory access"):
        assert WAYS["emscore"].score(**columns).status == ["internal_error"] * len(clips)
    with pytest.raises(InternalError, match="illegal memory access"):
        dataclasses.replace(WAYS["emscore"], on_error="raise").score(**columns)


def test_an_encoder_that_says_that_it_cannot_encode_ends_the_call(clips, monkeypatch):
    encoder = WAYS["emscore"].load_encoder()

    def refuses(self, images):
        raise ModelError("memory ran out on a batch of one")

    monkeypatch.setattr(type(encoder), "embed_images", refuses)
    with pytest.raises(ModelError, match="memory ran out on a batch of one"):
        WAYS["emscore"].score(**columns_for("emscore", clips))


@pytest.mark.parametrize("way", WAYS)
def test_for_every_file_it_ends_the_run(way, clips, tmp_path, monkeypatch):
    many = []
    for number in range(2 * MOST_FAULTS):
        many.append(str(tmp_path / f"{number}.mp4"))
        Path(many[-1]).write_bytes(Path(clips[number % 5]).read_bytes() + bytes(number))
    seen = []

    def broken(source, limits):
        seen.append(source.name)
        return None + 1

    monkeypatch.setattr(pyav_reader, "open_stream", broken)
    with pytest.raises(InternalError, match=f"stopped: the first {MOST_FAULTS} rows or videos all failed"):
        WAYS[way].score(**columns_for(way, many))
    assert len(set(seen)) < 2 * MOST_FAULTS


def test_map_ends_where_batch_after_batch_fails_so_and_not_where_one_does(clips, monkeypatch):
    scorer = EMScore(clip_model_path="toy", cache_dir=None, **HERE)
    real = pyav_reader.open_stream
    rows = datasets.Dataset.from_dict({"video_path": clips * 8, "candidate": [f"a circle {i}" for i in range(40)]})
    monkeypatch.setattr(pyav_reader, "open_stream", mistaken(real, "3.mp4"))
    scored = rows.map(scorer, batched=True, batch_size=1, load_from_cache_file=False)
    assert scored["status"][:].count("internal_error") == 8
    monkeypatch.setattr(pyav_reader, "open_stream", mistaken(real, "mp4"))
    with pytest.raises(InternalError, match=r"stopped: the first 20 rows all failed\. TypeError"):
        rows.map(EMScore(clip_model_path="toy", **HERE), batched=True, batch_size=10, keep_in_memory=True)


def test_a_data_set_without_any_score_warns(clips):
    rows = datasets.Dataset.from_dict({"video_path": ["none.mp4"] * 3, "candidate": ["a", "b", "c"]})
    with pytest.warns(NothingScoredWarning, match=r"no row was scored:\n  not_found: 3 rows: no video file at"):
        score_dataset(rows, clip_model_path="toy", load_from_cache_file=False)


WITHOUT_TORCHVISION = """
import sys
sys.modules["torchvision"] = None  # as if it were not installed
import evaluate
clip = sys.argv[2]
emscore = evaluate.load(f"{sys.argv[1]}/metrics/emscore")
result = emscore.compute(predictions=["a red circle"], videos=[clip], clip_model_path="toy")
print(result["signature"]["resize"], result["num_failed"])
similarity = evaluate.load(f"{sys.argv[1]}/metrics/video_audio_similarity")
result = similarity.compute(videos=[clip], hf_clip="toy")
print(result["num_failed"])
"""


@pytest.mark.slow
def test_both_metrics_load_and_score_without_torchvision(clips, tmp_path):
    command = [sys.executable, "-c", WITHOUT_TORCHVISION, str(ROOT), clips[0]]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["pil", "0", "0"]


def test_a_describer_of_others_that_fails_is_told_apart_from_ours(clips, monkeypatch):
    from vqe_core.llm import describer

    class Theirs:
        sampling_rate = None

        def signature(self):
            return {"describer": "theirs"}

        def describe(self, waveforms):
            return None + 1

    theirs = VideoAudioSimilarity(hf_clip="toy", describer=Theirs(), on_error="skip")
    with pytest.warns(NothingScoredWarning):
        assert set(theirs.score(videos=clips).status) == {"describer_failed"}
    monkeypatch.setattr(describer, "tqdm", lambda *given, **how: None)  # so that our own line cannot loop over it
    with pytest.warns(NothingScoredWarning):
        assert set(WAYS["description"].score(videos=clips).status) == {"internal_error"}
