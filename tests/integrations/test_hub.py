"""``evaluate.load`` of the metric scripts from a hub of our own, and from the folder of a Space."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.hub import serve_hub

ROOT = Path(__file__).parents[2]
CALL = """
    import json, sys
    import evaluate
    from vqe_core.toy.clips import make_clip

    clips = [make_clip(seed, size=64, num_frames=4) for seed in range(2)]
    metric = evaluate.load(sys.argv[1], **json.loads(sys.argv[2]))
    result = metric.compute(
        predictions=[clip.captions(1)[0] for clip in clips], videos=[clip.frames for clip in clips],
        clip_model_path="toy",
    )
    print(json.dumps([metric.description[:20], result["EMScore(X,V)_full_F"]]))
"""


def load_in_a_fresh_process(folder: Path, what: str, endpoint: str = "", **arguments: Any) -> Any:
    """Return what ``CALL`` prints, or the last line of its error, with the caches of ``folder``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HOME": str(folder / "home"), "HF_UPDATE_DOWNLOAD_COUNTS": "0", "PYTHONPATH": str(ROOT)}
    if endpoint:
        environment |= {"HF_ENDPOINT": endpoint, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    command = [sys.executable, "-c", textwrap.dedent(CALL), what, json.dumps(arguments)]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250)
    return json.loads(ran.stdout.splitlines()[-1]) if ran.returncode == 0 else ran.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_the_script_loads_from_a_hub_by_revision(tmp_path):
    spaces = tmp_path / "spaces"
    for revision in ("main", "v1"):
        (spaces / revision).mkdir(parents=True)
        script = (ROOT / "metrics/emscore/emscore.py").read_text()
        (spaces / revision / "emscore.py").write_text(
            script.replace("EMScore compares", f"{revision}: EMScore compares")
        )
    with serve_hub({}, spaces={"acme/emscore": spaces}) as (endpoint, asked):
        (tmp_path / "a").mkdir()
        newest = load_in_a_fresh_process(tmp_path / "a", "acme/emscore", endpoint)
        assert newest[0].startswith("main: EMScore")
        assert 0 < newest[1] <= 1
        assert "/spaces/acme/emscore/resolve/main/emscore.py" in asked
        # Nothing but the script is fetched.
        assert {path.rsplit("/", 1)[-1] for path in asked if path.startswith("/spaces")} == {"emscore.py"}
        pinned = load_in_a_fresh_process(tmp_path / "a", "acme/emscore", endpoint, revision="v1")
        assert pinned == ["v1: EMScore compares", pytest.approx(newest[1], abs=1e-5)]
        (tmp_path / "b").mkdir()
        unknown = load_in_a_fresh_process(tmp_path / "b", "acme/emscore", endpoint, revision="none")
        assert unknown.startswith("FileNotFoundError: Couldn't find a module script at")
        # With something in the cache evaluate takes that instead, so a wrong revision passes: docs/guides/evaluate.md.
        silent = load_in_a_fresh_process(tmp_path / "a", "acme/emscore", endpoint, revision="none")
        assert silent[0] in (newest[0], pinned[0])


@pytest.mark.slow
def test_the_script_loads_from_a_space_checked_out_under_another_name(tmp_path):
    shutil.copytree(ROOT / "metrics/emscore", tmp_path / "app")
    description, score = load_in_a_fresh_process(tmp_path, str(tmp_path / "app" / "emscore.py"))
    assert description.startswith("EMScore compares")
    assert 0 < score <= 1
