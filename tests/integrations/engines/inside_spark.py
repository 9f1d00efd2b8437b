"""The lines of the page run in Spark: in an environment that has it, by ``test_engines.py``."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "engines.md"


def test_the_page_scores_a_data_frame(monkeypatch):
    monkeypatch.setitem(os.environ, "PYSPARK_PYTHON", sys.executable)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (lines,) = (text for text in blocks if "mapInArrow" in text)
    names: dict[str, object] = {}
    exec(lines, names)
    found = names["scored"].orderBy("id").toPandas()
    assert found["id"].tolist() == [0, 1, 2] and found["status"].tolist() == ["ok"] * 3
    assert (found["EMScore(X,X*)_cogr"] > 0.5).all()
