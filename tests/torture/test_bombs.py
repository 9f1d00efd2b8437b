"""No bomb adds 150 MB at the settings that everybody has, in this process and its worker together."""

from __future__ import annotations

import os

import pytest

from tests.clips import coded_frames, write_clip
from tests.torture.bombs import BOMBS, measure, written

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="reads /proc")
SLOW = {"GIF, 2000 x 2000, 100,000 frames"}
STATUSES = {"too_large", "too_many_frames", "decode_error", "no_frames"}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return str(write_clip(tmp_path_factory.mktemp("healthy") / "clip.mp4", coded_frames(10)))


@pytest.mark.filterwarnings("ignore:no row was scored")
@pytest.mark.parametrize("name", sorted(set(BOMBS) - SLOW))
def test_a_bomb(name, healthy, tmp_path):
    found = measure(str(written(BOMBS[name](tmp_path), tmp_path)), healthy, {})
    assert found["parent"] + found["worker"] < 150
    harmless = name in ("GIF, 1920 x 1200, 100 frames", "JPEG in MOV, large after ten small")
    assert found["status"] in (STATUSES | {"ok"} if harmless else STATUSES)
