"""What a killed process leaves behind, and who ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vqe_core.run.engines import reaper
from vqe_core.run.engines.reaper import MARK, Family, Reaper

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="the kernel tells nothing of processes in /proc")

# Starts a process with the mark, whose parent then ends, and one without; says their ids and waits to be killed.
STARTER = (
    "import subprocess, sys; no = subprocess.DEVNULL; print(subprocess.Popen(sys.argv[1:], stdout=no, stderr=no).pid)"
)
PARENT = """
import subprocess, sys
from vqe_core.run.engines.reaper import Reaper
reaper = Reaper()
sleeper = [sys.executable, "-c", "import time; time.sleep(100)"]
with reaper.marking():
    agent = subprocess.run(
        [sys.executable, "-c", {starter!r}, *sleeper],
        start_new_session=True, capture_output=True, text=True,
    ).stdout.strip()
other = subprocess.Popen(sleeper, start_new_session=True, stdout=subprocess.DEVNULL).pid
print(agent, other, flush=True)
{then}
"""


def lives(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ended_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while lives(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not lives(pid)


def started(then: str) -> tuple[subprocess.Popen[str], int, int]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(starter=STARTER, then=then)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        # A runner in the background ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout
    agent, other = map(int, process.stdout.readline().split())
    return process, agent, other


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_what_was_started_inside_ends_with_the_process_and_the_rest_lives(how):
    process, agent, other = started("import time; time.sleep(100)")
    try:
        assert lives(agent)
        os.kill(process.pid, how)
        process.wait()
        assert ended_within(agent, 5)
        assert lives(other)
    finally:
        for pid in (agent, other):
            if lives(pid):
                os.kill(pid, signal.SIGKILL)


def test_what_is_left_at_the_end_is_ended_while_the_process_goes_on():
    process, agent, other = started("reaper.end(); input()")
    try:
        assert ended_within(agent, 5)
        assert lives(process.pid)
        assert lives(other)
        process.communicate("\n")
        assert process.returncode == 0
    finally:
        process.kill()
        for pid in (agent, other):
            if lives(pid):
                os.kill(pid, signal.SIGKILL)


def test_the_mark_is_on_nothing_that_starts_later_and_no_reaper_is_left():
    watching = Reaper()
    with watching.marking():
        token = os.environ[MARK]
        inside = subprocess.Popen(["sleep", "100"])
    outside = subprocess.Popen(["sleep", "100"])
    try:
        assert MARK not in os.environ
        assert Family(token).living() == [inside.pid]
        own = watching._process
        watching.end()
        assert own is not None
        assert own.wait(20) == 0
        assert inside.wait() == -signal.SIGKILL
        assert outside.poll() is None
        watching.end()
    finally:
        inside.kill()
        outside.kill()
        inside.wait()
        outside.wait()


def test_what_has_lost_its_mark_and_its_parent_is_known_by_what_was_seen():
    family = Family("a token")
    sleeper = [sys.executable, "-c", "import time; time.sleep(100)"]
    starter = (
        f"import subprocess; print(subprocess.Popen({sleeper}, env={{}}, stdout=subprocess.DEVNULL).pid, flush=True); "
        "input()"
    )
    root = subprocess.Popen(
        [sys.executable, "-c", starter],
        env={**os.environ, MARK: "a token"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert root.stdout
    agent = int(root.stdout.readline())  # without the mark, as after its title was written over it
    try:
        assert sorted(family.living()) == sorted([root.pid, agent])
        root.kill()
        root.wait()
        assert family.living() == [agent]
        assert Family("a token").living() == []
    finally:
        root.kill()
        os.kill(agent, signal.SIGKILL)
    assert ended_within(agent, 5)
    assert family.living() == []


def test_where_there_is_no_proc_nothing_is_started(monkeypatch, tmp_path):
    monkeypatch.setattr(reaper, "_PROC", tmp_path / "none")
    watching = Reaper()
    assert watching._process is None
    with watching.marking():
        pass
    watching.end()
