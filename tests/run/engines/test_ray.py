"""What a run on Ray does to the program around it. Its scores: tests/run/test_job.py, kills: tests/torture."""

from __future__ import annotations

import os
import signal

import pytest

from tests.required import required_package
from vqe_core.run import score_run
from vqe_core.run.engines.reaper import MARK
from vqe_core.tables import read_table, write_table

TOY = {"clip_model_path": "toy"}


@pytest.mark.slow
@pytest.mark.parametrize("connected", [True, False])
def test_a_program_stays_connected_as_it_was(tmp_path, connected):
    ray = required_package("ray")
    rows = tmp_path / "rows.jsonl"
    write_table(rows, {"candidate": [f"a dog {n}" for n in range(6)], "reference": ["a dog runs"] * 6})
    before = signal.getsignal(signal.SIGTERM)
    if connected:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        for name in ("first", "second"):
            summary = score_run(rows, tmp_path / f"{name}.parquet", engine="ray", workers=2, rows_per_part=2, **TOY)
            assert summary.status == {"ok": 6}
            assert ray.is_initialized() == connected
            assert signal.getsignal(signal.SIGTERM) == handler
            assert MARK not in os.environ
        first, second = (read_table(tmp_path / f"{name}.parquet") for name in ("first", "second"))
        assert first == second
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)  # of Ray's own there is no end
