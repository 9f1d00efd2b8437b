"""Every file and input of the corpus: the right code, or the right images and sounds at the right times."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import vqe_core
from tests.clips import read_code
from tests.media.corpus.cases import CASES, Case, Frames, Tones, all_cases
from tests.media.corpus.inputs import TEXTS
from tests.media.corpus.reading import (
    check_sound,
    check_video,
    check_warnings,
    plain_frames,
    plain_sound,
    read_video,
    value_of,
)
from tests.required import required_program
from vqe_core.errors import VqeError
from vqe_core.media import as_audio_source, read_audio
from vqe_core.scorers.rows import check_references, check_text

Make = Callable[[Case], Any]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make a case, once, and return what a row holds."""
    folder, made = tmp_path_factory.mktemp("corpus"), {}

    def once(case: Case) -> Any:
        if case.name not in made:
            place = folder / f"{len(made)}"
            place.mkdir()
            made[case.name] = value_of(case, place)
        return made[case.name]

    return once


def missing(case: Case) -> list[str]:
    return [codec for codec in case.needs if codec not in av.codecs_available]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * case.slow) for case in all_cases()]
)
def test_what_comes_of_it(case: Case, make: Make) -> None:
    if missing(case):
        pytest.skip(f"this PyAV has no encoder {missing(case)[0]}")
    value = make(case)
    codes = check_video(case, value) if case.video is not None else []
    check_warnings(case, codes + check_sound(case, value))


@pytest.mark.parametrize("what, prediction, references, code", TEXTS, ids=[text[0] for text in TEXTS])
def test_captions_and_references(what: str, prediction: Any, references: Any, code: str | None) -> None:
    try:
        check_text(prediction, "predictions")
        check_references(references)
    except VqeError as error:
        assert error.code == code, what
    else:
        assert code is None, what


def test_the_corpus_holds_every_kind() -> None:
    assert len(all_cases()) + len(TEXTS) > 400
    scored = [case for case in CASES.values() if isinstance(case.video, Frames) or isinstance(case.sound, Tones)]
    assert len(scored) > 200 and len(CASES) - len(scored) > 100


# Joined, or with a clock that does not start at 0: FFmpeg's own remux puts them on one clock.
REMUXED = [
    "plain.ts",
    "late_picture.ts",
    "late_sound.ts",
    "both_late.mkv",
    "late_picture.mp4",
    "late_sound.mp4",
    "clock_from_1.6s.ts",
    "clock_from_90000s.ts",
    "clock_from_7s.flv",
    "clock_wraps.ts",
    "short_gap.ts",
    "jump_1000s.ts",
    "jump_back_1000s.ts",
    "jump_back_2s.ts",
    "restart.ts",
    "three_parts.ts",
    "jump_aac.ts",
    "jump_silent.ts",
    "follows.ts",
    "edit_list.mp4",
    "fragments.mp4",
    "size_change.ts",
]


@pytest.mark.parametrize("name", REMUXED)
def test_ffmpegs_own_remux_has_the_same_frames_at_the_same_times(name: str, make: Make, tmp_path: Path) -> None:
    program, value, remuxed = required_program("ffmpeg"), make(CASES[name]), tmp_path / "remuxed.mkv"
    streams = ["-map", "0:v:0", "-map", "0:a:0?", "-c", "copy"]
    subprocess.run([program, "-v", "error", "-i", value, *streams, str(remuxed)], check=True, timeout=60)
    times, pictures = plain_frames(str(remuxed))
    table, pixels, _ = read_video(value)
    assert [read_code(image) for image in pixels] == [read_code(image) for image in pictures]
    # FFmpeg puts the frame after a jump where the one before was decoded, which is not where it was shown.
    assert np.abs(np.array(times) - table.timestamps).max() < 0.3
    if isinstance(CASES[name].sound, Tones):
        start, samples, rate = plain_sound(str(remuxed))
        heard = read_audio(as_audio_source(value))
        assert heard.sampling_rate == rate and abs(heard.start - start) < 0.1
        assert heard.waveform.shape[1] >= 0.97 * samples.shape[1]


@pytest.fixture(scope="module")
def rows(make: Make) -> list[tuple[Case, Any]]:
    """Every case that is quick to make, with what a row holds."""
    quick = [case for case in all_cases() if case.video is not None and not case.slow and not missing(case)]
    return [(case, make(case)) for case in quick]


OPTIONS = {"on_error": "skip", "isolate": True, "frame_num": 2, "progress": False, "row_timeout": 60}


def codes_of(expected: Any) -> set[str]:
    """Return the statuses that a row may have for its video or its sound."""
    if isinstance(expected, str | tuple):
        return {expected} if isinstance(expected, str) else set(expected)
    # How much of a damaged file can be decoded is not known beforehand.
    return {"ok"} if isinstance(expected, Frames | Tones) else {"ok", "decode_error"}


@pytest.mark.usefixtures("one_thread")
def test_all_of_them_as_rows_of_one_call(rows: list[tuple[Case, Any]]) -> None:
    scorer = vqe_core.EMScore(clip_model_path="toy", **OPTIONS)
    report = scorer.score(predictions=["a red circle moves"] * len(rows), videos=[value for _, value in rows])
    ended = [(case.name, status, codes_of(case.video)) for (case, _), status in zip(rows, report.status, strict=True)]
    assert [(name, status) for name, status, allowed in ended if status not in allowed] == []
    numbers = report.rows["EMScore(X,V)_full_F"]
    assert all((status == "ok") == np.isfinite(score) for status, score in zip(report.status, numbers, strict=True))


@pytest.mark.usefixtures("one_thread")
def test_each_row_beside_the_sound_of_its_file(rows: list[tuple[Case, Any]]) -> None:
    heard = [(case, value) for case, value in rows if case.sound is not None]
    report = vqe_core.VideoAudioSimilarity(hf_clip="toy", **OPTIONS).score(videos=[value for _, value in heard])
    wrong = []
    for (case, _), status in zip(heard, report.status, strict=True):
        allowed = codes_of(case.video) | codes_of(case.sound)
        if not (isinstance(case.video, Frames) and isinstance(case.sound, Tones)):
            allowed -= {"ok"} if "ok" not in codes_of(case.video) & codes_of(case.sound) else set()
        if isinstance(case.sound, Tones):
            allowed |= {"silent", "too_short"} & unheard(case.sound)
        if status not in allowed:
            wrong.append((case.name, status, sorted(allowed)))
    assert wrong == []


def unheard(sound: Tones) -> set[str]:
    """Return the statuses of a sound that can be read and not compared."""
    codes = {"silent"} if all(tone is None for _, _, tone in sound.spans) else set()
    return codes | ({"too_short"} if sound.spans[-1][1] - sound.spans[0][0] < 0.05 else set())
