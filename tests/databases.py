"""A real PostgreSQL of a temporary folder."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.required import required_program

PASSWORD = "s3cret-word"


@contextmanager
def serve_postgres() -> Iterator[str]:
    """Start a server; gives its SQLAlchemy address, with a password. Skips loudly where there is none."""
    os.environ["PATH"] += "".join(os.pathsep + folder for folder in sorted(glob.glob("/usr/lib/postgresql/*/bin")))
    programs = {name: required_program(name) for name in ("initdb", "pg_ctl")}
    # A path of a socket may have about 100 letters, and pytest's folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    data, words = folder / "data", folder / "word"
    words.write_text(PASSWORD)
    user = None
    if os.getuid() == 0:  # the server refuses to run as root
        user = "nobody"
        for path in (folder, words):
            shutil.chown(path, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        done = subprocess.run(
            command,
            user=user,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    started = False
    try:
        run(
            programs["initdb"],
            "-D",
            str(data),
            "-U",
            "judge",
            "-A",
            "scram-sha-256",
            f"--pwfile={words}",
            "-N",
            "-E",
            "UTF8",
        )
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run(programs["pg_ctl"], "-D", str(data), "-w", "-l", str(folder / "log"), "-o", settings, "start")
        started = True
        yield f"postgresql+psycopg://judge:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        if started:
            run(programs["pg_ctl"], "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
