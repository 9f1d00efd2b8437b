"""``vqe gallery`` writes a page that a browser shows on any screen without a request or an error."""

from __future__ import annotations

import pytest

from tests.app.browser import Visit, chromium
from vqe_core.cli import main
from vqe_core.cli.printing import file_size
from vqe_core.tables import write_table
from vqe_core.toy.clips import make_clip, write_clip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    write_clip(make_clip(3), folder / "clip.mp4")
    values = [i / 40 for i in range(40)]
    columns = {"caption": [f"caption {i}" * (1 + i % 9) for i in range(40)], "similarity": values}
    columns["video_path"] = ["gone.mp4" if i % 7 == 0 else "clip.mp4" for i in range(40)]
    write_table(folder / "scores.csv", columns)
    return folder / "scores.csv"


def test_the_command_writes_the_page_and_says_its_size(table, tmp_path, capsys):
    out = tmp_path / "gallery.html"
    assert main(["gallery", str(table), "--out", str(out), "--threshold", "0.5", "--threshold", "p90"]) == 0
    assert f"written to {out} ({file_size(out.stat().st_size)})" in capsys.readouterr().out
    assert "Around 0.5000" in out.read_text() and "(p90)" in out.read_text() and "(p50)" not in out.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--threshold", "much"], "threshold ('much') must be a number, or a percentile"),
        (["--score", "none"], "is no column"),
        (["--rows", "0"], "rows (0) must be a whole number of at least 1"),
        (["--frames", "99"], "frames (99) must be at most"),
    ],
)
def test_wrong_options_are_refused_in_a_line_and_nothing_is_written(table, tmp_path, capsys, words, said):
    assert main(["gallery", str(table), "--out", str(tmp_path / "g.html"), *words]) == 1
    assert said in capsys.readouterr().err and not (tmp_path / "g.html").exists()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_a_browser_shows_it_on_any_screen(table, tmp_path, width, scheme):
    out = tmp_path / "gallery.html"
    assert main(["gallery", str(table), "--out", str(out)]) == 0
    with chromium() as browser:
        page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
        at = Visit(page, out.as_uri())
        page.on("request", lambda request: at.requests.append(request.url))
        page.on("console", lambda message: at.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: at.errors.append(str(error)))
        page.goto(out.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(".shot").count() == 6 + 3 * 6 + 6 and page.locator(".film.nothing").count() >= 1
        page.click("a:text('p80')")
        assert page.evaluate("document.querySelector('#t1').getBoundingClientRect().top") < 900
        tops = page.evaluate("[...document.querySelectorAll('.shots')].map(e => e.getBoundingClientRect().top)")
        assert tops == sorted(tops)
        assert at.errors == [] and at.other_hosts() == set()
