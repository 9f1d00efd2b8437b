"""A tiny checkpoint whose captions and images are not all apart, and real labels where they lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.meta_eval.releases import positive_checkpoint
from tests.required import required_package

required_package("scipy")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """See ``positive_checkpoint``."""
    return positive_checkpoint(tmp_path_factory.mktemp("positive"))


@pytest.fixture
def ratings() -> Path:
    """Real labels that lie beside the checkout; they have no licence, so they are never part of it."""
    folder = Path(__file__).parents[3] / "shared" / "ratings"
    if not folder.is_dir():
        pytest.skip("no real ratings beside the checkout (../shared/ratings)")
    return folder
