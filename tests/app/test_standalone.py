"""A page of its own escapes its title and holds its results and styles."""

from __future__ import annotations

from vqe_core.app.standalone import standalone_page


def test_the_title_is_escaped_and_the_results_are_not():
    page = standalone_page("<b>clip</b>", "Why & how?", "<section>results</section>")
    assert "<title>&lt;b&gt;clip&lt;/b&gt;</title>" in page and "<b>clip" not in page
    assert "<section>results</section>" in page and "Why &amp; how?" in page
    assert ".vqe section {" in page and "https:" not in page
