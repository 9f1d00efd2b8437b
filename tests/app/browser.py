"""A page of metrics/ started as a Space starts it, and a real Chromium that keeps a log of all it asks for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.required import required_package, required_program

ROOT = Path(__file__).parents[2]
START_SECONDS = 180
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


@contextmanager
def serve_space(metric: str, folder: Path, **environment: str) -> Iterator[str]:
    """Run a copy of ``metrics/<metric>`` from a folder called ``app``; yield the URL of its page.

    Args:
        metric: folder in metrics/.
        folder: where to copy it, empty.
        environment: variables to set beside the toy model's.
    """
    space = shutil.copytree(ROOT / "metrics" / metric, folder / "app")
    # The package as it would be installed: nothing else of the repository is on the path.
    (folder / "site").mkdir()
    (folder / "site" / "vqe_core").symlink_to(ROOT / "vqe_core", target_is_directory=True)
    with serve("app.py", space, folder, **{"PYTHONPATH": str(folder / "site"), **environment}) as address:
        yield address


@contextmanager
def serve(script: str, start: Path, folder: Path, **environment: str) -> Iterator[str]:
    """Run ``python script`` in the folder ``start``; yield the URL of its page.

    Args:
        script: path from ``start``.
        start: working directory.
        folder: for uploads and the log.
        environment: variables to set beside the toy model's.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"VQE_APP_MODELS": "toy", "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "uploads")}
    settings |= {"HF_HUB_OFFLINE": "1", **environment}
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, script], cwd=start, env={**os.environ, **settings}, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait_for(address, process, folder / "log.txt")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(address, timeout=2).read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"the page did not start:\n{log.read_text()[-3000:]}")


@dataclass
class Visit:
    """An open page with what it asked for and complained about."""

    page: Any
    address: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def other_hosts(self) -> set[str]:
        """Return the hosts that were asked for anything, but the page's own."""
        hosts = {urlsplit(url).netloc for url in self.requests if not url.startswith(("data:", "blob:"))}
        return hosts - {urlsplit(self.address).netloc}

    def upload(self, path: Path | str) -> None:
        """Choose a video and wait until the page has it."""
        self.page.set_input_files("#video input[type=file]", str(path))
        self.page.wait_for_selector("#video video", timeout=60_000)

    def score(self, shown: str) -> str:
        """Press the button; return the text of the results once ``shown`` (a selector) is among them."""
        self.page.click("#go")
        self.page.wait_for_selector(f"#results {shown}", timeout=120_000)
        text: str = self.page.inner_text("#results")
        return text


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser that makes no request of its own."""
    playwright = required_package("playwright.sync_api")
    program = required_program("chromium", "chromium-browser", "google-chrome")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Any, address: str, *, width: int = 1280, dark: bool = False) -> Iterator[Visit]:
    """Open ``address`` in a fresh profile and wait for its button."""
    scheme = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    opened = Visit(page, address)
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("console", lambda message: opened.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    try:
        page.goto(address, wait_until="domcontentloaded", timeout=60_000)
        page.wait_for_selector("#go", timeout=60_000)
        yield opened
    finally:
        context.close()
