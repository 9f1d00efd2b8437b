"""``vqe report`` writes a page that a browser opens, filters and prints without a request or an error."""

from __future__ import annotations

import numpy as np
import pytest

from tests.app.browser import Visit, chromium
from vqe_core.cli import main
from vqe_core.cli.printing import file_size
from vqe_core.tables import write_table


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "scores.jsonl"
    values = np.linspace(0.0, 1.0, 120).round(3).tolist()
    rows = {"caption": [f"caption number {i}" for i in range(120)], "similarity": values, "video": ["x.mp4"] * 120}
    rows["status"] = ["not_found" if i % 10 == 3 else "ok" for i in range(120)]
    rows["similarity"] = [None if word != "ok" else value for word, value in zip(rows["status"], values, strict=True)]
    write_table(path, rows)
    return path


def test_the_command_writes_the_page_and_says_its_size(table, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", str(table), "--out", str(out), "--title", "My run", "--no-evidence", "--rows", "2"]) == 0
    assert f"written to {out} ({file_size(out.stat().st_size)})" in capsys.readouterr().out
    assert "<title>My run</title>" in out.read_text(encoding="utf-8")


def test_a_table_that_is_none_is_refused_in_a_line(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none.parquet"), "--out", str(tmp_path / "x.html")]) == 1
    assert "no table at" in capsys.readouterr().err and not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("width", [390, 1280])
def test_rows_are_filtered_in_a_browser(table, tmp_path, width):
    out = tmp_path / "report.html"
    assert main(["report", str(table), "--out", str(out), "--no-evidence"]) == 0
    with chromium() as browser:
        page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
        at = Visit(page, out.as_uri())
        page.on("request", lambda request: at.requests.append(request.url))
        page.on("console", lambda message: at.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: at.errors.append(str(error)))
        page.goto(out.as_uri())
        assert page.inner_text("#found") == "120 rows of 120" and page.locator("#rows .row").count() == 50
        page.click("#more")
        assert page.locator("#rows .row").count() == 100
        page.select_option("[name=status]", label="not_found (12)")
        assert page.inner_text("#found") == "12 rows of 120"
        page.click("#clear")
        page.fill("[name=low]", "0.95")
        page.select_option("[name=order]", "high")
        assert page.inner_text("#rows .row >> nth=0").startswith("caption number 119")
        page.click("#rows .row >> nth=0")
        page.locator("#rows .row >> nth=0").get_by_text("similarity").first.wait_for()  # filled in once it is open
        page.fill("[name=text]", "number 117")
        assert page.inner_text("#found") == "1 row of 120"
        page.click("[data-status=not_found]")
        assert page.inner_text("#found") == "12 rows of 120"
        assert page.evaluate("document.documentElement.scrollWidth") == width
        # the first fold comes within three screens
        assert page.evaluate("document.querySelector('.row').getBoundingClientRect().top + scrollY") < 3 * 900
        assert at.errors == [] and at.other_hosts() == set()
