"""The sound that is heard while a video is seen: its own seconds, no more of them, and where they are decoded."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from tests.clips import coded_frames, read_code
from tests.media.corpus.making import tones, write
from tests.media.joined import heard_tones, numbered_clip
from vqe_core.media import as_audio_source, as_media_source, read_audio
from vqe_core.scorers.video_audio.audio_track import open_pair
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity
from vqe_core.toy.clips import make_clip
from vqe_core.workers import DecodeWorker

pytestmark = pytest.mark.filterwarnings("ignore::vqe_core.errors.NothingScoredWarning")


@pytest.mark.parametrize("method", ["tags", "joint", "judge"])
@pytest.mark.parametrize("isolate", [True, False])
def test_a_sound_file_beside_frames(tmp_path, monkeypatch, method, isolate):
    started = []
    really_start = DecodeWorker.start

    def start(worker):
        started.append(worker)
        really_start(worker)

    monkeypatch.setattr(DecodeWorker, "start", start)
    clip = make_clip(0)
    soundfile.write(tmp_path / "a.wav", clip.waveform, clip.sampling_rate)
    judge = (lambda *shown: 0.5) if method == "judge" else None
    result = VideoAudioSimilarity(hf_clip="toy", method=method, judge=judge, isolate=isolate).compute(
        videos=[clip.frames], audios=[str(tmp_path / "a.wav")]
    )
    assert result["num_failed"] == 0
    assert bool(started) is isolate


METHODS = {
    "tags": {"method": "tags"},
    "joint": {"method": "joint"},
    "description": {"method": "description", "describer": lambda waveform, rate: "a bell tolls"},
    "judge": {"method": "judge", "judge": lambda *shown: 0.5},
}


def scorer(method: str, **options) -> VideoAudioSimilarity:
    return VideoAudioSimilarity(hf_clip="toy", on_error="skip", progress=False, **METHODS[method], **options)


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory) -> str:
    """Stereo at 48 kHz: 230 MB of samples in 100 kB; a tone in every minute's first two seconds, else silence."""
    path = tmp_path_factory.mktemp("long") / "long.flac"
    minute = np.zeros((60 * 48_000, 2), np.int16)
    minute[: 2 * 48_000] = (8000 * np.sin(np.arange(2 * 48_000) / 20))[:, None]
    with soundfile.SoundFile(path, "w", 48_000, 2) as file:
        for _ in range(10):
            file.write(minute)
    return str(path)


@pytest.mark.parametrize("method", METHODS)
def test_of_a_long_sound_only_the_seconds_of_the_video_are_decoded(tmp_path, ten_minutes, method):
    video = numbered_clip(tmp_path / "a.mp4", seconds=2)
    tracemalloc.start()
    report = scorer(method, isolate=False).score(videos=[str(video)], audios=[ten_minutes])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.status == ["ok"] and peak < 60e6
    assert "compared over the 2.00 s that picture (2.00 s) and sound (600.00 s) have in common" in report.messages[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_late_segment_hears_its_own_seconds(tmp_path, ten_minutes, method):
    video = numbered_clip(tmp_path / "a.mp4", frames=coded_frames(120), times=[float(i) for i in range(120)])
    segments = [{"path": str(video), "start": start, "end": start + 2.0} for start in (60.0, 30.0)]
    report = scorer(method).score(videos=segments, audios=[ten_minutes] * 2)
    assert report.status == ["ok", "silent"]


CASES = {
    "from 0": {},
    "a transport stream from 1.6 s": {"suffix": "ts", "start": 1.6},
    "a broadcast clock": {"suffix": "ts", "start": 90_000.0},
    "Matroska": {"suffix": "mkv"},
    "the picture 1.5 s late": {"images_from": 1.5},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("begin", [None, 3.0])
def test_second_k_of_the_sound_stays_with_second_k_of_the_video(tmp_path, case, begin):
    options = dict(CASES[case])
    path = numbered_clip(tmp_path / f"a.{options.pop('suffix', 'mp4')}", seconds=6, **options)
    beside = tmp_path / "beside.wav"
    whole = read_audio(as_media_source(str(path)))
    soundfile.write(beside, whole.waveform.T, whole.sampling_rate)
    video = as_media_source({"path": str(path), "start": begin})
    for audio in (None, as_audio_source(str(beside))):
        opened, heard_while = open_pair(video, audio, None, None)
        heard = heard_while(opened)
        first = begin or CASES[case].get("images_from", 0.0)
        assert heard.samples.start == pytest.approx(first, abs=0.06)
        assert heard_tones(heard.samples) == {second: 300 + 100 * second for second in range(int(first + 0.9), 6)}
        frame = next(opened.frames(np.array([0])))
        shown = opened.table.timestamps[0] - CASES[case].get("images_from", 0.0)
        assert read_code(frame.pixels) == round(10 * shown)


def test_a_sound_that_is_late_stays_late(tmp_path):
    path = write(tmp_path / "a.mp4", 60, waveform=tones(4.0), sound_start=1.5)
    opened, heard_while = open_pair(as_media_source(str(path)), None, None, None)
    heard = heard_while(opened)
    assert heard.samples.start == pytest.approx(1.5, abs=0.03)
    assert [note.code for note in heard.notes] == ["compared_in_part"]
    later = replace(heard.samples, start=heard.samples.start - 1.5)
    assert heard_tones(later) == {second: 300 + 100 * second for second in range(4)}


@pytest.mark.parametrize("second_start", [1000.0, 1.0])
def test_joined_recordings_hear_each_part_with_its_images(tmp_path, second_start):
    def part(name, start, first):
        return numbered_clip(tmp_path / name, seconds=3, start=start, first_second=first).read_bytes()

    path = tmp_path / "joined.ts"
    path.write_bytes(part("a.ts", 3.0, 0) + part("b.ts", second_start, 3))
    opened, heard_while = open_pair(as_media_source(str(path)), None, None, None)
    heard = heard_while(opened)
    assert heard_tones(heard.samples) == {second: 300 + 100 * second for second in range(6)}
    numbers = [read_code(frame.pixels) for frame in opened.frames(np.arange(len(opened.table)))]
    assert numbers == list(range(60))
    assert np.abs(opened.table.timestamps - np.array(numbers) / 10).max() < 0.11


def test_a_sound_of_other_seconds_is_told_from_no_sound(tmp_path):
    video = numbered_clip(tmp_path / "a.mp4", seconds=6)
    short = tmp_path / "short.wav"
    soundfile.write(short, np.sin(np.arange(32_000) / 5), 16_000)
    rows = {"videos": [{"path": str(video), "start": 3.0, "end": 5.0}] * 3}
    cut = {"path": str(short), "start": 0.5, "end": 1.5}
    mute = numbered_clip(tmp_path / "mute.mp4", seconds=0, frames=coded_frames(10), times=None)
    report = scorer("tags").score(**rows, audios=[str(short), cut, str(mute)])
    assert report.status == ["no_overlap", "no_overlap", "no_audio"]
    assert "the image covers [3, 5) s and the sound [0, 2) s" in report.messages[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("isolate", [True, False])
def test_rows_that_fail_hold_no_sound(tmp_path, method, isolate):
    silent = tmp_path / "silent.flac"
    soundfile.write(silent, np.zeros((60 * 48_000, 2), np.int16), 48_000)
    video = numbered_clip(tmp_path / "a.mp4", frames=coded_frames(6), times=[10.0 * i for i in range(6)])
    used = scorer(method, isolate=isolate)
    used.score(videos=[str(video)], audios=[str(silent)])
    tracemalloc.start()
    report = used.score(videos=[str(video)] * 6, audios=[str(silent)] * 6)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert report.status == ["silent"] * 6 and held < 3e6  # one of them would be 23 MB


@pytest.mark.slow
def test_many_silent_clips_take_no_more_memory_than_one(tmp_path):
    silent = tmp_path / "silent.flac"
    soundfile.write(silent, np.zeros((300 * 48_000, 1), np.int16), 48_000)
    video = numbered_clip(tmp_path / "a.mp4", frames=coded_frames(6), times=[50.0 * i for i in range(6)])
    program = (
        "import sys\nfrom pathlib import Path\nfrom vqe_core import VideoAudioSimilarity\n"
        "used = VideoAudioSimilarity(hf_clip='toy', method='tags', on_error='skip', progress=False, isolate=False)\n"
        "def held():\n    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096\n"
        "def rows(n):\n    return used.score(videos=[sys.argv[1]] * n, audios=[sys.argv[2]] * n)\n"
        "rows(1)\nbefore = held()\nreports = [rows(10) for _ in range(2)]\n"
        "print(reports[1].status[9], held() - before)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(video), str(silent)], capture_output=True, text=True, timeout=300
    )
    status, more = told.stdout.split()
    assert status == "silent" and int(more) < 40e6, told.stderr  # 20 sounds of 58 MB
