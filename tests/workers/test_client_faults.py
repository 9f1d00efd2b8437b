"""A fault of the worker costs one row, says what it was, and leaves the neighbours as they are."""

import contextlib
import os
import signal
import threading
import time

import numpy as np
import pytest

from tests.clips import noise_frames, write_clip
from tests.media.recipes import moving_clip
from tests.sounds import noise, write_sound
from vqe_core.errors import InputError, InternalError, MediaError, WorkerStartError
from vqe_core.media import as_audio_source, as_media_source, read_audio
from vqe_core.workers import DecodeWorker, WorkerLimits, open_video_in, read_audio_in

needs_limits = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no address space limits to test")


def decoded(source, worker=None):
    video = open_video_in(worker, source)
    return np.stack([frame.pixels for frame in video.frames(np.arange(len(video.table)))])


@pytest.fixture
def source():
    return as_media_source(moving_clip("closed.mp4"))


@pytest.fixture
def worker():
    with DecodeWorker() as worker:
        yield worker


def hit(worker, number):
    """Send a signal to the worker process in the middle of a row, and give what becomes of the row."""
    frames = open_video_in(worker, as_media_source(moving_clip("open.ts"))).frames(np.arange(40))
    next(frames)
    os.kill(worker.pid, number)
    with pytest.raises(MediaError) as caught:
        list(frames)
    return caught.value


@pytest.mark.parametrize("frames_before", [0, 1, 7])
def test_what_was_killed_from_outside_is_decoded_by_another_process(worker, frames_before):
    source = as_media_source(moving_clip("open.ts"))
    whole = list(open_video_in(worker, source).frames(np.arange(40)))
    frames = open_video_in(worker, source).frames(np.arange(40))
    found = [next(frames) for _ in range(frames_before)]
    starts = worker.starts
    clock = worker._clock
    os.kill(worker.pid, signal.SIGKILL)
    found += list(frames)
    assert worker.starts == starts + 1
    assert worker._clock is clock  # a row has no more time for it
    assert len(found) == len(whole)
    for (place, image), (its_place, its_image) in zip(found, whole, strict=True):
        assert place == its_place
        np.testing.assert_array_equal(image, its_image)


def test_what_is_killed_twice_costs_its_row(worker, source, monkeypatch):
    begin = DecodeWorker._begin

    def killed_at_work(self, *job):
        number = begin(self, *job)
        os.kill(self.pid, signal.SIGKILL)
        return number

    monkeypatch.setattr(DecodeWorker, "_begin", killed_at_work)
    with pytest.raises(MediaError, match="was ended by SIGKILL") as caught:
        decoded(source, worker)
    assert (type(caught.value), caught.value.code) == (MediaError, "worker_crash")
    assert worker.starts == 2
    monkeypatch.undo()
    np.testing.assert_array_equal(decoded(source, worker), decoded(source))


def test_what_was_killed_while_it_started_is_started_again(worker, source):
    worker.start()
    os.kill(worker.pid, signal.SIGKILL)
    child = worker._child
    with pytest.MonkeyPatch.context() as patch:  # that it has ended is noticed late
        patch.setattr(type(worker), "pid", property(lambda self: self._child and self._child.pid))
        assert worker._usable_child() is not child
    assert worker.starts == 2
    np.testing.assert_array_equal(decoded(source, worker), decoded(source))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_costs_one_row(worker, source, number):
    error = hit(worker, number)
    assert error.code == "worker_crash"
    assert signal.Signals(number).name in str(error)
    assert "open.ts" in str(error)
    assert worker.pid is None
    np.testing.assert_array_equal(decoded(source, worker), decoded(source))
    assert worker.starts == 2


def test_a_fault_of_the_program_in_the_worker_comes_back_with_its_traceback(worker, source):
    decoded(source, worker)
    with pytest.raises(InternalError, match=r"KeyError: 'no such job'\. This is a fault of vqe") as caught:
        worker.value("no such job", source, open_video_in(worker, source).reader.reader)
    assert "_attempt" in caught.value.trace
    np.testing.assert_array_equal(decoded(source, worker), decoded(source))
    assert worker.starts == 1


def test_a_worker_that_ends_by_a_fault_of_the_program_blames_no_file(worker, source):
    frames = open_video_in(worker, as_media_source(moving_clip("open.ts"))).frames(np.arange(40))
    next(frames)
    worker._child.send((0, ("not", "a job")), time.monotonic() + 10)  # the worker's inbox cannot take it
    with pytest.raises(InternalError, match="the decode worker failed: TypeError: ") as caught:
        list(frames)
    assert "in _take" in caught.value.trace
    np.testing.assert_array_equal(decoded(source, worker), decoded(source))
    assert worker.starts == 2


def test_a_crash_tells_where_it_was(worker):
    assert "Fatal Python error: Segmentation fault" in str(hit(worker, signal.SIGSEGV))


def test_a_hang_costs_one_row(source):
    with DecodeWorker(WorkerLimits(row_seconds=2)) as worker:
        error = hit(worker, signal.SIGSTOP)
        assert error.code == "timeout"
        assert "more than 2 s; raise row_timeout" in str(error)
        np.testing.assert_array_equal(decoded(source, worker), decoded(source))
        assert worker.starts == 2


def test_a_hang_while_a_large_source_is_handed_over(source, worker):
    decoded(source, worker)
    stopped = worker.pid
    os.kill(stopped, signal.SIGSTOP)
    worker.limits = WorkerLimits(row_seconds=0.5)
    with pytest.raises(MediaError, match="raise row_timeout"):
        open_video_in(worker, as_media_source(bytes(2**22)))
    with pytest.raises(ProcessLookupError):
        os.kill(stopped, 0)


def wake(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def test_a_row_has_one_clock_and_the_caller_does_not_pay_for_it(source):
    with DecodeWorker(WorkerLimits(row_seconds=3)) as worker:
        decoded(source, worker)

        def held_up():
            os.kill(worker.pid, signal.SIGSTOP)
            threading.Timer(2, wake, (worker.pid,)).start()

        held_up()
        video = open_video_in(worker, as_media_source(moving_clip("open.ts")))
        time.sleep(2)
        held_up()
        with pytest.raises(MediaError, match="raise row_timeout"):
            list(video.frames(np.arange(40)))
        decoded(source, worker)
        held_up()
        decoded(source, worker)


def test_faults_between_rows_are_not_noticed(worker, source):
    expected = decoded(source)
    np.testing.assert_array_equal(decoded(source, worker), expected)
    os.kill(worker.pid, signal.SIGKILL)
    while worker.pid is not None:
        time.sleep(0.01)
    np.testing.assert_array_equal(decoded(source, worker), expected)
    assert worker.starts == 2


def test_neighbours_of_bad_rows_are_bit_identical(tmp_path):
    good = [as_media_source(moving_clip(name)) for name in ("closed.mp4", "open.ts", "refresh.mp4", "vp9.webm")]
    expected = [decoded(source) for source in good]
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4096))
    with DecodeWorker(WorkerLimits(row_seconds=2)) as worker:

        def refused(name):
            with pytest.raises(MediaError) as caught:
                decoded(as_media_source(tmp_path / name), worker)
            return caught.value

        bad = [
            lambda: hit(worker, signal.SIGSEGV).code,
            lambda: hit(worker, signal.SIGSTOP).code,
            lambda: refused("noise.mp4").code,
            lambda: refused("none.mp4").code,
        ]
        codes = []
        for source, pixels, fault in zip(good, expected, bad, strict=True):
            np.testing.assert_array_equal(decoded(source, worker), pixels)
            codes.append(fault())
            np.testing.assert_array_equal(decoded(source, worker), pixels)
    assert codes == ["worker_crash", "timeout", "decode_error", "not_found"]
    assert worker.starts == 3


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    frames = [np.zeros((2160, 4096, 3), dtype=np.uint8)] * 3
    path = tmp_path_factory.mktemp("large") / "large.mp4"
    return as_media_source(write_clip(path, frames, options={"preset": "ultrafast"}))


@needs_limits
@pytest.mark.parametrize("mebibytes", [64, 80, 96])
def test_a_hog_is_told_from_damage(large, source, mebibytes):
    with DecodeWorker(WorkerLimits(memory_bytes=mebibytes * 2**20)) as worker:
        with pytest.raises(MediaError, match=r"WorkerLimits\.memory_bytes") as caught:
            decoded(large, worker)
        assert caught.value.code == "out_of_memory"
        np.testing.assert_array_equal(decoded(source, worker), decoded(source))


@needs_limits
def test_a_long_sound_can_be_a_hog_too(tmp_path):
    long = as_audio_source(write_sound(tmp_path / "long.wav", noise(400.0)))
    short = as_audio_source(write_sound(tmp_path / "short.wav", noise(1.0)))
    with DecodeWorker(WorkerLimits(memory_bytes=2**26)) as worker:
        with pytest.raises(MediaError, match=r"WorkerLimits\.memory_bytes"):
            read_audio_in(worker, long)
        np.testing.assert_array_equal(read_audio_in(worker, short).waveform, read_audio(short).waveform)


@needs_limits
def test_damage_after_a_hog_is_damage(large, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4096))
    with DecodeWorker(WorkerLimits(memory_bytes=96 * 2**20)) as worker:
        with pytest.raises(MediaError, match=r"WorkerLimits\.memory_bytes"):
            decoded(large, worker)
        with pytest.raises(MediaError) as caught:
            decoded(as_media_source(tmp_path / "noise.mp4"), worker)
        assert caught.value.code == "decode_error"


@needs_limits
def test_a_source_too_large_to_hand_over(source):
    with DecodeWorker(WorkerLimits(memory_bytes=2**26)) as worker:
        with pytest.raises(MediaError, match="memory") as caught:
            open_video_in(worker, as_media_source(bytes(2**27)))
        assert caught.value.code == "out_of_memory"
        np.testing.assert_array_equal(decoded(source, worker), decoded(source))


def test_an_abandoned_video_leaves_the_worker_usable(worker, source):
    expected = decoded(source)
    for count in (0, 1, 3, 39):
        frames = open_video_in(worker, source).frames(np.arange(40))
        for _ in range(count):
            next(frames)
        frames.close()
        np.testing.assert_array_equal(decoded(source, worker), expected)
    assert worker.starts == 1


def test_an_abandoned_video_in_the_middle_of_a_long_decode(worker, source, tmp_path):
    path = write_clip(tmp_path / "long.mp4", noise_frames(12).repeat(60, axis=0), options={"g": "1000"})
    next(open_video_in(worker, as_media_source(path)).frames(np.array([0, 719])))
    np.testing.assert_array_equal(decoded(source, worker), decoded(source))


def test_videos_in_turns_share_a_worker(worker):
    sources = [as_media_source(moving_clip(name)) for name in ("closed.mp4", "open.ts")]
    one, other = (open_video_in(worker, source) for source in sources)
    pairs = list(zip(one.frames(np.arange(12)), other.frames(np.arange(12)), strict=True))
    for place, source in enumerate(sources):
        expected = decoded(source)
        for number, pair in enumerate(pairs):
            assert pair[place].position == number
            np.testing.assert_array_equal(pair[place].pixels, expected[number])


def test_frames_may_be_kept_and_written_to(worker, source):
    frames = [frame.pixels for frame in open_video_in(worker, source).frames(np.arange(40))]
    for pixels in frames:
        pixels += 1
    np.testing.assert_array_equal(np.stack(frames), decoded(source) + 1)


@pytest.mark.parametrize("executable", ["", "/no/such/python", "/bin/true"])
def test_a_worker_that_cannot_start(monkeypatch, source, executable):
    monkeypatch.setattr("sys.executable", executable)
    with pytest.raises(WorkerStartError, match="isolate=False") as caught:
        open_video_in(DecodeWorker(), source)
    assert caught.value.code == "no_worker"
    with pytest.raises(WorkerStartError):
        read_audio_in(DecodeWorker(), source)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"row_seconds": 0}, "row_timeout (0) must be a positive, finite number of seconds"),
        ({"row_seconds": float("nan")}, "row_timeout (nan)"),
        ({"row_seconds": "1"}, "row_timeout ('1')"),
        ({"row_seconds": True}, "row_timeout (True)"),
        ({"memory_bytes": 1000}, "memory_bytes (1000) must be a whole number of at least 67108864"),
        ({"memory_bytes": 1e9}, "memory_bytes (1000000000.0)"),
    ],
)
def test_limits_check_themselves(options, words):
    with pytest.raises(InputError) as caught:
        WorkerLimits(**options)
    assert words in str(caught.value)
