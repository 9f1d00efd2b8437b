"""The moving picture of the README is made of commands that run."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from PIL import Image

from tests.required import required_package, required_program

ROOT = Path(__file__).parents[1]
RECORDING = runpy.run_path(str(ROOT / "docs" / "recording.py"))


def test_colours_become_spans_and_other_controls_are_left_out():
    written = "\x1b[2Ka <b> \x1b[1;31mred\x1b[0m and \x1b[32mgreen"
    red, green = "font-weight:700;color:#ff7b72", "color:#7ee787"
    shown = f'a &lt;b&gt; <span style="{red}">red</span> and <span style="{green}">green</span>'
    assert RECORDING["as_html"](written) == shown


def test_what_the_terminal_has_no_room_for_is_counted():
    shown = RECORDING["cut"]("\n".join(str(line) for line in range(100))).split("\n")
    assert (len(shown), shown[-1]) == (RECORDING["ROWS"] - 2, f"... {100 - RECORDING['ROWS'] + 3} more lines")


def test_a_line_that_is_written_over_is_what_it_was_last(tmp_path):
    assert RECORDING["run"]("printf '10 %%\\r20 %%\\ndone\\n'", tmp_path) == "20 %\ndone"
    with pytest.raises(SystemExit, match="false failed"):
        RECORDING["run"]("false", tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_script_records_every_command(tmp_path, monkeypatch):
    required_package("playwright.sync_api")
    required_program("chromium", "chromium-browser", "google-chrome")
    monkeypatch.setattr("sys.argv", ["recording.py", "--out", str(tmp_path / "recording.gif")])
    RECORDING["main"]()
    with Image.open(tmp_path / "recording.gif") as made, Image.open(RECORDING["OUT"]) as kept:
        assert made.size == kept.size == (RECORDING["WIDTH"], RECORDING["HEIGHT"])
        assert made.n_frames > 5 * len(RECORDING["COMMANDS"])
    assert (tmp_path / "recording.gif").stat().st_size < 1_000_000
