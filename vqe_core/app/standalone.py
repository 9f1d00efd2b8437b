"""Results of a page as a file of their own: one HTML file that needs nothing else."""

from __future__ import annotations

from markupsafe import Markup

from vqe_core.app.charts import render, stylesheet


def standalone_page(title: str, question: str, results: str) -> str:
    """Wrap rendered results into a page.

    Args:
        title: head of the page; may be any text.
        question: under the title.
        results: HTML of the results, from a ``render_...`` function of this folder.
    """
    return render("standalone", title=title, question=question, style=Markup(stylesheet()), results=Markup(results))
