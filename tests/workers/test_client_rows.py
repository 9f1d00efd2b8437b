"""One clock for all that a row has decoded, one deadline for a request, and what happens where there is no worker."""

import os
import signal
import sys
import warnings

import numpy as np
import pytest

from tests.clips import coded_frames, write_clip
from tests.media.recipes import moving_clip
from tests.sounds import noise, write_sound
from vqe_core import EMScore
from vqe_core.deadline import Deadline, deadline
from vqe_core.errors import MediaError, RowsFailedError, WorkerStartError
from vqe_core.media import as_audio_source, as_media_source
from vqe_core.workers import (
    DecodeWorker,
    RowClock,
    WorkerLimits,
    client,
    one_row,
    open_video_in,
    read_audio_in,
)
from vqe_core.workers.pool import WAITING

pytestmark = pytest.mark.skipif(os.name != "posix", reason="worker processes need a POSIX system")


@pytest.fixture
def worker():
    with DecodeWorker() as worker:
        yield worker


@pytest.fixture
def video():
    return as_media_source(moving_clip("closed.mp4"))


@pytest.fixture
def sound(tmp_path):
    return as_audio_source(write_sound(tmp_path / "sound.wav", noise(1.0)))


def look_at(worker, video, sound):
    list(open_video_in(worker, video).frames(np.arange(3)))
    read_audio_in(worker, sound)


def test_a_row_has_one_clock_for_video_and_sound(worker, video, sound):
    clock = RowClock()
    with one_row(worker, clock):
        opened = open_video_in(worker, video)
        seen = [clock.spent]
        list(opened.frames(np.arange(3)))
        seen.append(clock.spent)
        read_audio_in(worker, sound)
        seen.append(clock.spent)
        opened.decoded()
        seen.append(clock.spent)
    assert 0 < seen[0] < seen[1] < seen[2] < seen[3]
    look_at(worker, video, sound)
    assert clock.spent == seen[3]


def test_a_row_that_has_used_its_time_up_gets_no_more_by_other_files(worker, video, sound):
    look_at(worker, video, sound)
    spent = RowClock(worker.limits.row_seconds)
    for use in (lambda: open_video_in(worker, video), lambda: read_audio_in(worker, sound)):
        with one_row(worker, spent), pytest.raises(MediaError, match="raise row_timeout") as caught:
            use()
        assert caught.value.code == "timeout"
    look_at(worker, video, sound)  # the next row
    assert worker.starts == 1  # nothing was asked of it, so it need not be ended


def test_a_row_goes_on_with_another_worker_on_the_same_clock(video, sound):
    clock = RowClock()
    for source in (video, sound):
        with DecodeWorker() as worker, one_row(worker, clock):
            look_at(worker, video, source) if source is sound else open_video_in(worker, source)
    last = DecodeWorker(WorkerLimits(row_seconds=clock.spent))
    with last, one_row(last, clock), pytest.raises(MediaError, match="raise row_timeout"):
        open_video_in(last, video)


def test_a_request_that_has_used_its_time_up_gets_no_more(worker, video, sound):
    worker.deadline = Deadline(1e-9)
    for use in (lambda: open_video_in(worker, video), lambda: read_audio_in(worker, sound)):
        with pytest.raises(MediaError, match="longer than the 1e-09 s that one request may") as caught:
            use()
        assert caught.value.code == "timeout"
    worker.deadline = None
    look_at(worker, video, sound)


def test_a_request_ends_a_decode_that_takes_too_long(worker, video):
    open_video_in(worker, video)
    stopped = worker.pid
    worker.deadline = Deadline(0.3)
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(MediaError, match=r"0\.3 s that one request may"):
        open_video_in(worker, video)
    assert worker.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(stopped, 0)
    worker.deadline = None
    open_video_in(worker, video)


def test_a_score_of_a_request_without_time(tmp_path):
    clip = str(write_clip(tmp_path / "clip.mp4", coded_frames(10)))
    scorer = EMScore(clip_model_path="toy", progress=False)
    with deadline(1e-9), pytest.raises((MediaError, RowsFailedError)) as caught:
        scorer.compute(predictions=["a red square"], videos=[clip])
    assert caught.value.code == "timeout"
    with deadline(600):
        assert scorer.compute(predictions=["a red square"], videos=[clip])["num_failed"] == 0


@pytest.fixture
def no_interpreter(monkeypatch):
    WAITING.end_idle()
    monkeypatch.setattr(client, "_CAN_START", {})
    monkeypatch.setattr(sys, "executable", "/no/such/python")


def test_auto_decodes_here_where_there_is_no_worker_and_says_so_once(no_interpreter, tmp_path):
    clip = str(write_clip(tmp_path / "clip.mp4", coded_frames(10)))
    rows = {"predictions": ["a red square"] * 2, "videos": [clip, clip]}
    with pytest.warns(RuntimeWarning, match="files are decoded in this process: no decode worker can be") as told:
        there = EMScore(clip_model_path="toy", progress=False).compute(**rows)
    assert len([warning for warning in told if "decode worker" in str(warning.message)]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        EMScore(clip_model_path="toy", progress=False).compute(**rows)
    assert there == EMScore(clip_model_path="toy", progress=False, isolate=False).compute(**rows)


@pytest.mark.parametrize("options", [{"isolate": True}, {"row_timeout": 5.0}, {"row_memory": 500}])
def test_a_limit_that_cannot_hold_is_an_error(no_interpreter, tmp_path, options):
    clip = str(write_clip(tmp_path / "clip.mp4", coded_frames(10)))
    scorer = EMScore(clip_model_path="toy", progress=False, **options)
    with pytest.raises(WorkerStartError, match="no decode worker can be started"):
        scorer.compute(predictions=["a red square"], videos=[clip])


def test_a_process_that_had_workers_does_not_do_without(monkeypatch, video):
    worker = DecodeWorker()
    worker.needed = False
    with worker:
        open_video_in(worker, video)
    monkeypatch.setattr("vqe_core.workers.client.ChildProcess", _refused)
    with worker, pytest.raises(WorkerStartError, match="too many"):
        open_video_in(worker, video)


def _refused(memory_bytes):
    raise WorkerStartError(f"too many processes for one of {memory_bytes} bytes")
