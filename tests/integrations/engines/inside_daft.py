"""Daft scores a data frame: run in an environment that has it, by ``test_engines.py``."""

from __future__ import annotations

import daft
import pyarrow as pa
import pytest

from vqe_core.integrations.arrow import ScoreArrow
from vqe_core.integrations.daft import score_daft

TOY = {"clip_model_path": "toy", "metrics": "cogr"}


def test_columns_stay_and_scores_are_those_of_arrow():
    rows = {"id": list(range(10)), "candidate": [f"a dog {i}" for i in range(10)], "reference": ["a dog"] * 10}
    rows["candidate"][3] = " "
    scored = score_daft(daft.from_pydict(rows), rows_per_batch=4, **TOY).sort("id").to_pydict()
    expected = ScoreArrow(**TOY)(pa.table(rows)).to_pydict()
    assert list(scored) == list(expected) and scored["id"] == rows["id"]
    assert scored["status"] == expected["status"] and scored["status"][3] == "empty_caption"
    name = "EMScore(X,X*)_cogr"
    assert scored[name] == [None if v is None else pytest.approx(v, abs=1e-6) for v in expected[name]]
