"""The layout that the pages share: a form on the left, results on the right, the card below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_core.app.drawing import render
from vqe_core.app.launching import card_text, import_gradio, new_page
from vqe_core.app.messages import told_in_words

if TYPE_CHECKING:
    from gradio import Blocks


def scoring_page(
    card: Path,
    *,
    title: str,
    question: str,
    waits_for: str,
    form: Callable[[Any], list[Any]],
    examples: Callable[[Any, list[Any]], None],
    score: Callable[..., str],
) -> Blocks:
    """Build a page.

    Args:
        card: README.md of the Space, shown under the form.
        title: of the metric.
        question: under the title, what the metric answers and what to do.
        waits_for: what the empty result asks for, ``"captions"`` or ``"clip"``.
        form: gradio to the inputs, drawn where they are called.
        examples: gradio and the inputs; draws rows that fill them.
        score: values of the inputs to HTML; what it raises is told in words.
    """
    gr = import_gradio()
    with new_page(title) as page:
        gr.Markdown(f"# {title}\n{question}", elem_classes="vqe-head")
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=320):
                inputs = form(gr)
                button = gr.Button("Score", variant="primary", elem_id="go")
                examples(gr, inputs)
            with gr.Column(scale=7, min_width=320):
                results = gr.HTML(render("empty", what=waits_for), elem_id="results", apply_default_css=False)
        with gr.Accordion("About this metric", open=False):
            gr.Markdown(card_text(card), elem_classes="vqe-card-text")
        button.click(told_in_words(score), inputs, results, scroll_to_output=True, api_visibility="private")
    return page
