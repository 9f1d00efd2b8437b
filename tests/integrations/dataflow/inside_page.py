"""The snippets of docs/guides/dataflow.md that need open-dataflow. Run by ``test_in_dataflow.py``."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "dataflow.md"


def test_the_page_runs_from_top_to_bottom(tmp_path):
    snippets = re.findall(r"^```(?:python|py)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    script = tmp_path / "page.py"
    script.write_text("\n".join(snippets), encoding="utf-8")
    ran = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "no video file at 'lost.mp4'" in ran.stdout
    assert "not_found" in ran.stdout
