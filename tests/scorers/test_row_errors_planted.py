"""Each kind of exception, planted at each stage of each metric: it costs its row, and no other row moves by a bit."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import datasets
import numpy as np
import pytest

from tests.planted import KINDS, PlantedReader, raised
from tests.sounds import RATE, noise
from vqe_core import CLIPScore, EMScore, VideoAudioSimilarity
from vqe_core.embed import videos as embed_videos
from vqe_core.encoders.clap import ClapEncoder
from vqe_core.encoders.dual_encoder import DualEncoder
from vqe_core.encoders.tokenization import Tokenizer
from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.scorers import embedded_rows
from vqe_core.scorers.base import Scorer
from vqe_core.scorers.emscore.row_scorer import RowScorer
from vqe_core.scorers.video_audio import audio_track, frame_comparison, judge
from vqe_core.scorers.video_audio import report as sound_report
from vqe_core.scorers.video_audio.frame_comparison import FrameComparison
from vqe_core.scorers.video_audio.windows import WindowedEmbeddings
from vqe_core.toy.clips import ToyClip, make_clip, write_clip

SHARED: dict[str, Any] = {"on_error": "skip", "progress": False, "isolate": False, "cache_dir": None}
SOUNDS: dict[str, Any] = {"hf_clip": "toy", "min_score": None, "max_score": None, **SHARED}
ROWS, HIT = 4, 2  # the row that meets the exception
MARK = 240  # mean of its images, and of no others
WAYS: dict[str, Scorer] = {
    "emscore": EMScore(clip_model_path="toy", frame_num=2, **SHARED),
    "clip_score": CLIPScore(clip_model_path="toy", frame_num=2, **SHARED),
    "description": VideoAudioSimilarity(method="description", **SOUNDS),
    "tags": VideoAudioSimilarity(method="tags", **SOUNDS),
    "joint": VideoAudioSimilarity(method="joint", **SOUNDS),
    "judge": VideoAudioSimilarity(judge=lambda frames, *others: float(frames.mean()) / 255, **SHARED),
}
CAPTIONED, HEARD = ("emscore", "clip_score"), ("tags", "joint", "judge")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    made = [make_clip(seed, num_frames=4) for seed in range(ROWS)]
    marked: ToyClip = dataclasses.replace(
        made[HIT],
        frames=np.full_like(made[HIT].frames, MARK),
        waveform=(0.9 * np.sign(noise(2.0)[0][: len(made[HIT].waveform)])).astype(np.float32),
    )
    made[HIT] = marked
    return [str(write_clip(clip, folder / f"clip_{i}.mp4")) for i, clip in enumerate(made)]


def columns_for(way: str, clips: list[str]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"videos": list(clips)}
    if way in CAPTIONED:
        columns = {"predictions": [f"a red circle {i}" for i in range(ROWS)], **columns}
    if way == "description":
        columns["audio_descriptions"] = [f"a red circle {i}" for i in range(ROWS)]
    return columns


def meets(value: Any) -> bool:
    """Tell whether an argument belongs to the row that is hit."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        return float(value.mean()) > MARK - 20
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and bool(np.abs(value).mean() > 0.5)
    if isinstance(value, list | tuple):
        return any(map(meets, value))
    if hasattr(value, "detach"):
        return any(float(image.float().mean()) > MARK - 20 for image in value)
    text = str(value)
    return f"clip_{HIT}.mp4" in text or text.endswith(f"circle {HIT}") or f"circle {HIT}'" in text


def planted(real: Callable[..., Any], kind: str) -> Callable[..., Any]:
    def call(*given: Any, **how: Any) -> Any:
        if any(meets(argument) for argument in (*given, *how.values())):
            raise raised(kind)
        return real(*given, **how)

    return call


def planted_later(real: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """Like ``planted``, for what gives its results one after the other: after the first."""

    def call(*given: Any, **how: Any) -> Iterator[Any]:
        hit = any(meets(argument) for argument in (*given, *how.values()))
        for item in real(*given, **how):
            yield item
            if hit:
                raise raised(kind)

    return call


def planted_once(real: Callable[..., Any], kind: str, number: int = HIT + 1) -> Callable[..., Any]:
    """For what has nothing of its row in its arguments: the rows come in order."""
    calls: list[int] = []

    def call(*given: Any, **how: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            raise raised(kind)
        return real(*given, **how)

    return call


def planted_together(real: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """For what takes all rows together, and then each for itself: raises for all, and for the row that is hit."""
    calls: list[int] = []

    def call(rows: Any, *others: Any) -> Any:
        calls.append(len(rows))
        if len(rows) > 1 or len(calls) == HIT + 2:
            raise raised(kind)
        return real(rows, *others)

    return call


planted_at_making = partial(planted_once, number=2 * HIT + 2)

Place = tuple[Any, str, Callable[..., Any]]
# By stage and way, what is replaced.
STAGES: dict[str, dict[str, list[Place]]] = {
    "check the cell": {way: [(type(WAYS[way]), "read_row", planted)] for way in WAYS},
    "tell the source": {
        **{way: [(embedded_rows, "source_identity", planted)] for way in CAPTIONED},
        **{way: [(frame_comparison, "source_identity", planted)] for way in ("description", "tags")},
        "joint": [("vqe_core.scorers.video_audio.cache_entries", "identities", planted)],
    },
    "open": {
        **{way: [(embed_videos, "open_video_in", planted)] for way in (*CAPTIONED, "description", "tags")},
        **{way: [(audio_track, "open_video_in", planted)] for way in ("joint", "judge")},
    },
    "probe": {way: [(PyAVReader, "probe", planted)] for way in WAYS},
    "decode": {way: [(PyAVReader, "frames", planted_later)] for way in WAYS},
    "resize": {
        **{way: [(DualEncoder, "prepare_image", planted)] for way in WAYS if way != "judge"},
        "judge": [(judge, "shrunk", planted)],
    },
    "encode the image": {way: [(DualEncoder, "embed_images", planted)] for way in WAYS if way != "judge"},
    "tokenize": {way: [(Tokenizer, "split", planted)] for way in (*CAPTIONED, "description")},
    "encode the text": {way: [(DualEncoder, "embed_texts", planted)] for way in (*CAPTIONED, "description")},
    "read the sound": {way: [(audio_track, "read_audio_in", planted)] for way in HEARD},
    "encode the sound": {way: [(ClapEncoder, "_features", planted)] for way in ("tags", "joint")},
    "compute": {
        "emscore": [(RowScorer, "score", planted_once)],
        "clip_score": [(CLIPScore, "score_row", planted_once)],
        **{way: [(FrameComparison, "result", planted_once)] for way in ("description", "tags")},
        "joint": [(WindowedEmbeddings, "similarity", planted_once)],
    },
    "match": {"emscore": [("vqe_core.scorers.emscore.row_scorer", "emscore_of_pairs", planted_together)]},
    "reduce": {way: [(sound_report, "row_scores", planted_once)] for way in ("description", "tags", "joint", "judge")},
    # An outcome is made once for all rows to begin with, and for each: with its scores, and in clip_score once more,
    # with its warnings.
    "report": {
        way: [("vqe_core.scorers.report", "summed_warnings", partial(planted_once, number=times * HIT + 2))]
        for way, times in {"emscore": 1, "clip_score": 2}.items()
    },
}
CASES = [(stage, way) for stage, ways in STAGES.items() for way in ways]
_CLEAN: dict[str, Any] = {}


def plant(patch: pytest.MonkeyPatch, stage: str, way: str, kind: str) -> None:
    for where, name, how in STAGES[stage][way]:
        if isinstance(where, str):
            patch.setattr(f"{where}.{name}", how(_attribute(where, name), kind))
        else:
            patch.setattr(where, name, how(getattr(where, name), kind))


def _attribute(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def numbers(report: Any) -> dict[str, list[Any]]:
    """Return the scores of rows; a percentile is among the rows of its call, so that fewer rows are another scale."""
    return {name: column for name, column in report.rows.items() if name != "percentile"}


def assert_only_its_row_failed(report: Any, clean: Any, at: str) -> None:
    assert report.status[HIT] in ("internal_error", "out_of_memory", "judge_failed"), (at, report.messages)
    if report.status[HIT] == "internal_error":
        assert "This is a fault of vqe" in report.messages[HIT], at
    for i in set(range(ROWS)) - {HIT}:
        assert report.status[i] == "ok", (at, report.messages)
        for name, column in numbers(report).items():
            assert column[i] == numbers(clean)[name][i], (at, i, name)


def check(stage: str, way: str, kinds: list[str], clips: list[str]) -> None:
    columns = columns_for(way, clips)
    if way not in _CLEAN:
        _CLEAN[way] = WAYS[way].score(**columns)
        assert _CLEAN[way].status == ["ok"] * ROWS, _CLEAN[way].messages
    for kind in kinds:
        with pytest.MonkeyPatch.context() as patch:
            plant(patch, stage, way, kind)
            report = WAYS[way].score(**columns)
        assert_only_its_row_failed(report, _CLEAN[way], f"{kind} at {stage} of {way}")


@pytest.mark.parametrize(("stage", "way"), CASES)
def test_it_costs_its_row_alone(stage, way, clips):
    first = CASES.index((stage, way)) % len(KINDS)
    check(stage, way, [list(KINDS)[first], list(KINDS)[(first + 5) % len(KINDS)]], clips)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("stage", "way"), CASES)
def test_every_kind_costs_its_row_alone(stage, way, clips):
    check(stage, way, list(KINDS), clips)


@pytest.mark.parametrize(("stage", "way"), [case for case in CASES if case[1] in ("emscore", "joint")])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_who_ends_the_program_ends_the_call(stage, way, kind, clips, monkeypatch):
    plant(monkeypatch, stage, way, kind.__name__)
    with pytest.raises(kind):
        WAYS[way].score(**columns_for(way, clips))


KEYS = {"predictions": "candidate", "videos": "video_path", "audio_descriptions": "audio_description"}


@pytest.mark.parametrize("way", ["emscore", "joint", "description"])
@pytest.mark.parametrize("stage", ["check the cell", "resize", "compute"])
def test_by_every_door(way, stage, clips):
    scorer, columns = WAYS[way], columns_for(way, clips)
    table = {KEYS[name]: column for name, column in columns.items()}
    doors: dict[str, Callable[[], list[str]]] = {
        "compute": lambda: dataclasses.replace(scorer, per_sample=True).compute(**columns)["samples"]["status"],
        "score_batch": lambda: scorer.score_batch(table).status,
        "map": lambda: datasets.Dataset.from_dict(table).map(
            scorer, batched=True, batch_size=ROWS, load_from_cache_file=False, keep_in_memory=True
        )["status"][:],
    }
    for name, door in doors.items():
        with pytest.MonkeyPatch.context() as patch:
            plant(patch, stage, way, "KeyError")
            assert list(door()) == ["ok", "ok", "internal_error", "ok"], name


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize("way", ["emscore", "joint", "judge"])
def test_in_the_process_that_decodes(way, isolate, clips):
    columns = columns_for(way, clips)
    clean = dataclasses.replace(WAYS[way], isolate=isolate, reader=PlantedReader("", "nowhere")).score(**columns)
    for kind in ("ValueError", "StopIteration", "Custom"):
        for stage in ("probe", "frames"):
            reader = PlantedReader(kind, f"clip_{HIT}.mp4", stage)
            report = dataclasses.replace(WAYS[way], isolate=isolate, reader=reader).score(**columns)
            assert_only_its_row_failed(report, clean, f"{kind} in {stage}")


def test_what_no_stage_catches_costs_its_row_alone(clips, monkeypatch):
    """The rows are scored again in halves, down to the one that it comes from."""
    from vqe_core.scorers.caption_scorer import CaptionScoring

    real, seen = CaptionScoring.outcomes, []

    def outcomes(self):
        seen.append(len(self.call.rows))
        if any(meets(row) for row in self.call.rows):
            raise KeyError("nobody foresaw this")
        return real(self)

    monkeypatch.setattr(CaptionScoring, "outcomes", outcomes)
    clean = WAYS["clip_score"].score(**columns_for("clip_score", [clips[0]] * ROWS))
    seen.clear()
    columns = {**columns_for("clip_score", [clips[0]] * ROWS)}
    columns["videos"] = [clips[0], clips[0], clips[HIT], clips[0]]
    report = WAYS["clip_score"].score(**columns)
    assert report.status == ["ok", "ok", "internal_error", "ok"]
    assert [report.rows["clip_score"][i] for i in (0, 1, 3)] == [clean.rows["clip_score"][i] for i in (0, 1, 3)]
    assert seen == [4, 2, 2, 1, 1, 1]


def test_sounds_are_marked():
    assert meets(np.full((4, 4, 3), MARK, np.uint8))
    assert not meets(noise(1.0)[0])
    assert RATE == 48_000
