"""``map(num_proc=...)`` ends, whatever the parent did before. Each case is a process that a watchdog may kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 60  # seconds for one map; a process that also imports and loads has more, as machines may be busy

FORKED = """
import sys, time
import datasets, numpy as np, torch
from vqe_core import EMScore, VideoAudioSimilarity
from vqe_core.toy.clips import make_clip, write_clip

torch.set_num_threads(2)
parent, times = sys.argv[1], int(sys.argv[2])
matrix = torch.randn(600, 600)
if parent != "idle":
    matrix @ matrix
    torch.nn.functional.conv2d(torch.randn(8, 3, 64, 64), torch.randn(16, 3, 3, 3))
paths = [str(write_clip(make_clip(seed), f"{seed}.mp4")) for seed in range(4)]
captions = EMScore(clip_model_path="toy", on_error="skip")
sounds = VideoAudioSimilarity(hf_clip="toy", on_error="skip")
rows = datasets.Dataset.from_dict({"video_path": paths, "candidate": ["a red circle"] * 4})
alone = None
if parent == "scored":
    assert captions.compute(predictions=["a red circle"] * 4, videos=paths)["num_failed"] == 0
    assert sounds.compute(videos=paths)["num_failed"] == 0
    alone = rows.map(captions, batched=True)["EMScore(X,V)_full_F"][:]
for number in range(times):
    for scorer in (captions, sounds):
        start = time.monotonic()
        scored = rows.map(scorer, batched=True, batch_size=2, num_proc=2, with_rank=True, load_from_cache_file=False)
        print("seconds", time.monotonic() - start)
        assert scored["status"][:] == ["ok"] * 4
        if alone and scorer is captions:
            np.testing.assert_allclose(scored["EMScore(X,V)_full_F"][:], alone, atol=1e-5)
    print("done", number, flush=True)
matrix @ matrix  # the parent has its threads still
"""


def run_script(folder: Path, code: str, *arguments: str, limit: float = LIMIT) -> str:
    """Output of a script with two threads of torch; it and its workers are killed when the time is up."""
    script = folder / "script.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_DATASETS_CACHE": str(folder / "cache")}
    environment.pop("OMP_NUM_THREADS", None)
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        pytest.fail(f"it hangs: no end after {limit} s\n{output}\n{errors[-3000:]}")
    assert process.returncode == 0, errors[-3000:]
    return output


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_map_in_two_processes_after_the_parent_scored_ends_within_a_minute(tmp_path):
    output = run_script(tmp_path, FORKED, "scored", "1", limit=4 * LIMIT)
    assert "done 0" in output
    seconds = [float(words) for words in re.findall(r"^seconds (.*)$", output, re.MULTILINE)]
    assert len(seconds) == 2
    assert max(seconds) < LIMIT


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
# Where the parent has not scored, each worker imports and loads for itself, which takes its time.
@pytest.mark.parametrize(("parent", "times"), [("idle", 1), ("matmul", 1), ("scored", 20)])
def test_forks_end_again_and_again(tmp_path, parent, times):
    assert f"done {times - 1}" in run_script(tmp_path, FORKED, parent, str(times), limit=8 * LIMIT)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_recipe_for_spawn_in_the_documentation_ends(tmp_path):
    document = (ROOT / "docs" / "guides" / "datasets.md").read_text(encoding="utf-8")
    recipe = re.search(r"```py\n(# score.py.*?)```", document, re.DOTALL)
    assert recipe is not None
    # After the parent used torch, with two clips to score.
    used = (
        'if __name__ == "__main__":\n    import torch\n    torch.randn(600, 600) @ torch.randn(600, 600)\n'
        "    from vqe_core.toy.clips import make_clip, write_clip\n"
        '    videos = [str(write_clip(make_clip(seed), f"{seed}.mp4")) for seed in range(2)]\n'
        "    import datasets as of_rows\n"
        '    of_rows.Dataset.from_dict({"video": videos, "text": ["a cat"] * 2}).to_parquet("rows.parquet")\n'
    )
    assert run_script(tmp_path, used + recipe[1], limit=4 * LIMIT).strip().endswith("2")
