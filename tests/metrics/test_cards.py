"""The table of options in a metric card is that of the metric."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from vqe_core import registry

METRICS = Path(__file__).parents[2] / "metrics"
CARDS = runpy.run_path(str(METRICS / "cards.py"))


@pytest.mark.parametrize("name", registry.names("scorer"))
def test_the_card_is_current(name):
    """``make cards`` writes it again."""
    card = (METRICS / name / "README.md").read_text(encoding="utf-8")
    assert CARDS["with_table"](card, registry.load("scorer", name)) == card


def test_a_card_without_marks_is_refused():
    with pytest.raises(SystemExit, match="needs one pair of marks"):
        CARDS["with_table"]("# A card", registry.load("scorer", "clip_score"))
