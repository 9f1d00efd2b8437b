"""A few kills break no promise of a run; the script beside this does hundreds."""

from __future__ import annotations

import os

import pytest

from tests.torture.kills import torture

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="reads /proc")


@pytest.mark.slow
@pytest.mark.timeout(900)  # each kill of a driver is a start that loads torch
def test_runs_that_are_killed_end_as_if_they_had_not_been(tmp_path):
    found = torture(6, tmp_path, rows=24)
    assert found.broken == []
    assert sum(found.kills.values()) == 6 and found.runs >= 1
