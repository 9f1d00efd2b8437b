"""A few hundred decodes, half of them bad, leave nothing behind; the script beside this does thousands."""

from __future__ import annotations

import os

import pytest

from tests.torture.many_decodes import run
from vqe_core.workers.pool import WAITING

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")


@pytest.mark.parametrize("isolated", [True, False])
def test_nothing_is_left_of_decodes(tmp_path, isolated):
    WAITING.end_idle()  # those of other tests would end meanwhile
    before, after, statuses = run(300, tmp_path, isolated=isolated)
    assert after.memory - before.memory < 20
    assert (after.descriptors, after.threads, after.workers) == (before.descriptors, before.threads, before.workers)
    assert after.workers_memory - before.workers_memory < 20
    assert {"ok", "decode_error", "too_many_frames", "too_large", "empty_file", "not_found"} <= set(statuses)
    assert statuses["ok"] >= 150
