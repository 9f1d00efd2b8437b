"""Workers come and go with those who use them: no orphan, no zombie, no open file, no foreign worker."""

import copy
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tests.media.recipes import moving_clip
from vqe_core.media import as_media_source
from vqe_core.workers import DecodeWorker, WorkerLimits, open_video_in

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to look into processes")


def decoded(worker=None, name="closed.mp4"):
    return frames_of(moving_clip(name), worker)


def frames_of(path, worker=None):
    video = open_video_in(worker, as_media_source(path))
    return np.stack([frame.pixels for frame in video.frames(np.arange(len(video.table)))])


def state_of(pid):
    """The letter of a process's state, or None if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_until_gone(pid, seconds=20):
    end = time.monotonic() + seconds
    # Where nobody reaps orphans, a dead one stays as a zombie.
    while state_of(pid) not in (None, "Z"):
        assert time.monotonic() < end, f"process {pid} lives on"
        time.sleep(0.02)


@pytest.fixture
def worker():
    with DecodeWorker() as worker:
        yield worker


# Run in a process of its own: what other tests of this process left to the garbage collector closes when it likes.
_FIFTY_DEATHS = """
import os, signal, sys, time
import numpy as np
from tests.workers.test_process import frames_of, state_of
from vqe_core.workers import DecodeWorker
with DecodeWorker() as worker:
    frames_of(sys.argv[1], worker)
    before = sorted(os.listdir("/proc/self/fd"))
    dead = []
    for _ in range(50):
        worker.start()
        dead.append(worker.pid)
        os.kill(worker.pid, signal.SIGKILL)
        while worker.pid is not None:
            time.sleep(0.001)
    np.testing.assert_array_equal(frames_of(sys.argv[1], worker), frames_of(sys.argv[1]))
    assert worker.starts == 52 - 1, worker.starts
    assert [state_of(pid) for pid in dead] == [None] * 50, dead
    assert sorted(os.listdir("/proc/self/fd")) == before, (before, os.listdir("/proc/self/fd"))
"""


@needs_proc
def test_fifty_deaths_leave_nothing_open():
    subprocess.run([sys.executable, "-c", _FIFTY_DEATHS, str(moving_clip("closed.mp4"))], check=True, timeout=240)


@needs_proc
def test_closing_ends_the_process_and_use_starts_another(worker):
    decoded(worker)
    pid = worker.pid
    worker.close()
    worker.close()
    assert state_of(pid) is None
    assert worker.pid is None
    decoded(worker)
    assert worker.starts == 2


@needs_proc
def test_a_forgotten_worker_ends():
    gc.collect()
    gc.disable()  # at once, not when garbage is collected
    try:
        worker = DecodeWorker()
        decoded(worker)
        pid = worker.pid
        del worker
        assert state_of(pid) is None
    finally:
        gc.enable()


_PARENT = """
import sys, time
import numpy as np
from vqe_core.media import as_media_source
from vqe_core.workers import DecodeWorker, open_video_in
worker = DecodeWorker()
frames = open_video_in(worker, as_media_source(sys.argv[1])).frames(np.arange(40))
next(frames)
print(worker.pid, flush=True)
{end}
"""


@needs_proc
@pytest.mark.parametrize(
    ("end", "number"),
    [
        ("time.sleep(600)", signal.SIGINT),
        ("time.sleep(600)", signal.SIGTERM),
        ("time.sleep(600)", signal.SIGKILL),
        ("sys.exit(3)", None),
        ("import os; os._exit(3)", None),
        ("raise ValueError", None),
    ],
)
def test_no_orphan(end, number):
    # A group of its own, as the programs of a terminal have, which an interrupt reaches as a whole.
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT.format(end=end), str(moving_clip("closed.mp4"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A runner in the background ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with parent:
        pid = int(parent.stdout.readline())
        if number == signal.SIGINT:
            os.killpg(parent.pid, number)
        elif number:
            parent.send_signal(number)
        errors = parent.communicate(timeout=60)[1].decode()
    wait_until_gone(pid)
    assert "Exception ignored" not in errors
    if number:
        assert parent.returncode == -number


@needs_proc
def test_an_interrupt_does_not_reach_the_worker(worker):
    frames = open_video_in(worker, as_media_source(moving_clip("closed.mp4"))).frames(np.arange(40))
    next(frames)
    os.kill(worker.pid, signal.SIGINT)
    assert len(list(frames)) == 39
    assert worker.starts == 1


def _in_a_fork(worker, frames, results):
    rest = [frame.pixels for frame in frames]
    results.put((np.stack(rest), decoded(worker), worker.starts))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_starts_its_own(worker):
    expected = decoded()
    frames = open_video_in(worker, as_media_source(moving_clip("closed.mp4"))).frames(np.arange(40))
    next(frames)
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    child = fork.Process(target=_in_a_fork, args=(worker, frames, results), daemon=True)
    child.start()
    rest, whole, starts = results.get()
    child.join(60)
    assert (child.exitcode, starts) == (0, 2)
    np.testing.assert_array_equal(rest, expected[1:])
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in frames]), expected[1:])
    assert worker.starts == 1


@needs_proc
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_keep_the_worker_of_a_dead_parent_alive():
    end = "import os; print(os.fork() or time.sleep(600), flush=True); os._exit(0)"
    script = _PARENT.format(end=end)
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(moving_clip("closed.mp4"))], stdout=subprocess.PIPE, text=True
    )
    with parent:
        pid, fork = int(parent.stdout.readline()), int(parent.stdout.readline())
        try:
            wait_until_gone(pid)
            assert state_of(fork) not in (None, "Z")
        finally:
            os.kill(fork, signal.SIGKILL)


def test_several_workers_in_several_threads():
    names = ["closed.mp4", "open.ts", "refresh.mp4", "vp9.webm"]
    expected = {name: decoded(name=name) for name in names}
    found = {}

    def run(name):
        with DecodeWorker() as worker:
            for _ in range(3):
                found[name] = decoded(worker, name)

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("copied", [lambda worker: pickle.loads(pickle.dumps(worker)), copy.deepcopy])
def test_a_copy_is_a_worker_of_its_own(worker, copied):
    worker.limits = WorkerLimits(row_seconds=7)
    worker.start()
    again = copied(worker)
    assert (again.limits, again.starts, again.pid) == (worker.limits, 0, None)


@needs_proc
def test_there_is_no_torch_in_a_worker(worker):
    decoded(worker)
    with open(f"/proc/{worker.pid}/maps") as maps:
        assert "torch" not in maps.read()
    script = "import sys, vqe_core.workers.server; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


_CHATTER = """
import os, sys
def speak(event, arguments):
    if event == "open" and "moving_" in str(arguments[0]):
        print("a library says something")
        os.write(1, b"and so does C\\n" * 5000)
        os.write(2, b"loudly\\n" * 5000)
print("hello")
sys.addaudithook(speak)
"""


def test_stray_prints_do_no_harm(worker, tmp_path, monkeypatch, capfd):
    (tmp_path / "sitecustomize.py").write_text(_CHATTER)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    for _ in range(3):
        np.testing.assert_array_equal(decoded(worker), decoded())
    assert worker.starts == 1
    assert capfd.readouterr() == ("", "")


def test_modules_beside_the_user_are_not_mistaken_for_libraries(worker, tmp_path, monkeypatch):
    (tmp_path / "av.py").write_text("raise RuntimeError('not the real one')")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(decoded(worker), decoded())
