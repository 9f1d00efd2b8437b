"""Shared inputs: tiny checkpoints are made once a session, media and tables by the tests that need them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before torch is imported: test processes side by side, and what they start, share the cores. Threads of all of them
# that wait for each other took a quarter of the time of all tests.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

import torch

# Before the hub client is imported: no test of this process may reach a hub.
os.environ["HF_HUB_OFFLINE"] = "1"

from transformers.utils import logging

from benchmarks.clips import usual_scheduling
from tests.tiny import tiny_clip, wide_clip

logging.disable_progress_bar()


UNTIL = "VQE_TESTS_UNTIL"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put benchmarks last: of what there may be no time for they are missed least."""
    items.sort(key=lambda item: "test_benchmarks" in item.nodeid)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no test after the time that ``VQE_TESTS_UNTIL`` names, in seconds of the clock of the system."""
    if time.time() > float(os.environ.get(UNTIL, "inf")):
        pytest.skip(f"not begun: the time for tests is up ({UNTIL})")


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CLIP checkpoint with fixed random weights; images of 32 x 32 need no resizing."""
    return str(tiny_clip(tmp_path_factory.mktemp("clip")))


@pytest.fixture(scope="session")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CLIP checkpoint of one layer with the widths of ViT-B/32: rounding differs by batch at real sizes only."""
    return str(wide_clip(tmp_path_factory.mktemp("wide")))


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The three real clips that lie beside the checkout; tests that want them are skipped where they are not."""
    folder = Path(__file__).parents[2] / "shared" / "media"
    if not (folder / "rows.jsonl").is_file():
        pytest.skip("no real clips beside the checkout (../shared/media)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory) -> Iterator[Path]:
    """The command caches by default; a test run neither reads nor fills the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("VQE_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def own_answers(own_cache: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of models behind an endpoint are kept by default: what one test asked is not answered to the next."""
    folder = str(own_cache / hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16])
    monkeypatch.setenv("VQE_CACHE_DIR", folder)


@pytest.fixture(autouse=True)
def own_scheduling() -> Iterator[None]:
    """An encoder of AV1 that made a clip leaves the process with real-time priority."""
    yield
    usual_scheduling()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Models this small gain nothing by more, and waiting threads cost a busy machine much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
