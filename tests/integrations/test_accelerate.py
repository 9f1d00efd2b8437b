"""The accelerate example of the documentation gives in two processes what it gives in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.required import required_package

required_package("accelerate")

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_example_scores_every_row_once_in_one_process_and_in_two(tmp_path):
    page = (ROOT / "docs/guides/training.md").read_text(encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(page[page.index("## accelerate") :].split("```python\n")[1].split("```")[0], encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    # accelerate launch starts several processes for GPUs only; on a CPU it is torch's launcher that does.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    answers = []
    for processes in ("1", "2"):
        command = [*launch, f"--nproc_per_node={processes}", str(script)]
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=140)
        assert ran.returncode == 0, ran.stderr
        answers.append(ran.stdout.split())
    (one, rows, score), (two, rows_of_two, score_of_two) = answers
    assert (one, two, rows, rows_of_two) == ("1", "2", "7", "7")
    assert float(score_of_two) == pytest.approx(float(score), abs=1e-6)
