"""Page of a metric of captions: one form and one check of what was typed, whichever metric scores it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_core.app.inputs import (
    check_clip,
    chosen_model,
    example_clips,
    example_number,
    linked_example,
    linked_number,
    read_lines,
)
from vqe_core.app.page import MAX_CAPTIONS, MAX_REFERENCES, SCORER_LIMITS, TOY, alert, allowed_models, scoring_page
from vqe_core.app.results import Result
from vqe_core.app.stages import LOOK, READ, SCORE
from vqe_core.scorers.caption_scorer import CaptionScorer

if TYPE_CHECKING:
    from gradio import Blocks

DEFAULT_MODELS = ("openai/clip-vit-base-patch32", TOY)
MOST_FRAMES = 32  # that still can be looked at one by one
DEFAULT_FRAMES = CaptionScorer.default_frame_num
STAGES = (READ, LOOK, SCORE)


@dataclass(frozen=True)
class CaptionRequest:
    """One press of the button, checked.

    Attributes:
        video: path of the clip.
        captions: at least one, as typed.
        references: of every caption, None for none.
        options: of the scorer.
    """

    video: str
    captions: list[str]
    references: list[str] | None
    options: dict[str, Any]

    @property
    def example(self) -> int | None:
        """Number of the example that the clip is, None for any other."""
        return example_number(self.video)

    @property
    def link(self) -> dict[str, str]:
        """Query parameters that fill the form in again."""
        texts = {"captions": "\n".join(self.captions), "references": "\n".join(self.references or [])}
        options = {"model": str(self.options["clip_model_path"]), "frames": str(self.options["frame_num"])}
        return {"example": str(self.example or ""), **texts, **options}


def caption_page(card: Path, *, title: str, question: str, score: Callable[[CaptionRequest], Result | str]) -> Blocks:
    """Build a page.

    Args:
        card: README.md of the Space, shown under the form.
        title: of the metric.
        question: under the title, what the metric answers and what to do.
        score: the checked inputs to a result; what it raises is told in words.
    """
    return scoring_page(card, title=title, question=question, **caption_parts(score))


def caption_parts(score: Callable[[CaptionRequest], Result | str]) -> dict[str, Any]:
    """Return the parts of a page of captions, for ``scoring_page`` or a tab of a page of several metrics."""
    models = allowed_models(DEFAULT_MODELS)

    def read_and_score(*values: Any) -> Result | str:
        request = read_request(models, *values)
        return request if isinstance(request, str) else score(request)

    return {
        "waits_for": "captions",
        "form": lambda gr: _form(gr, models),
        "examples": lambda gr, inputs: _examples(gr, models, inputs),
        "score": read_and_score,
        "stages": STAGES,
        "restore": lambda query: restored(models, query),
    }


def restored(models: Mapping[str, str], query: Mapping[str, str]) -> list[Any]:
    """Return the values of the form that a link names, None for each that it does not.

    Example:
        >>> restored({"Toy": "toy"}, {"captions": "a star", "model": "toy", "frames": "4"})
        [None, 'a star', None, 'toy', 4]
        >>> restored({"Toy": "toy"}, {"model": "/etc/passwd"})
        [None, None, None, None, None]
    """
    model, frames = query.get("model"), linked_number(query, "frames", 1, MOST_FRAMES)
    return [
        linked_example(query),
        query.get("captions"),
        query.get("references"),
        model if model in models.values() else None,
        None if frames is None else int(frames),
    ]


def warm_up() -> None:
    """Load the default model, so that the first visitor need not wait."""
    from vqe_core.encoders import load_image_text_encoder

    load_image_text_encoder(next(iter(allowed_models(DEFAULT_MODELS).values())))


def read_captions(
    video: str | None, captions: str | None, references: str | None, *, most: int
) -> tuple[str, list[str], list[str]] | str:
    """Return the video, at most so many captions, and the references of a form, or HTML that says what is missing.

    Raises:
        VqeError: a text cannot be used.
    """
    if not video:
        return alert("There is no video yet.", "Upload a clip on the left, or choose an example below the form.")
    texts = read_lines(captions, "Captions", most=most)
    if not texts:
        return alert("There is no caption yet.", "Type what the clip shows, one caption a line.")
    return video, texts, read_lines(references, "References", most=MAX_REFERENCES)


def read_request(
    models: Mapping[str, str],
    video: str | None,
    captions: str | None,
    references: str | None,
    model: str | None,
    frames: float,
) -> CaptionRequest | str:
    """Check the values of the form.

    Args:
        models: that may be chosen, by the name shown.
        video: path of the upload.
        captions, references: as typed, one a line.
        model: one of ``models``.
        frames: number of sampled frames.

    Returns:
        The request, or HTML that says what is missing.

    Raises:
        VqeError: the clip, a text or the model cannot be used.
    """
    read = read_captions(video, captions, references, most=MAX_CAPTIONS)
    if isinstance(read, str):
        return read
    video, texts, given = read
    check_clip(video)
    options = {"clip_model_path": chosen_model(model, models), "frame_num": int(frames), "batch_size": 16}
    return CaptionRequest(video, texts, given or None, {**options, **SCORER_LIMITS})


def _form(gr: Any, models: Mapping[str, str]) -> list[Any]:
    video = gr.Video(label="Video", sources=["upload"], include_audio=True, elem_id="video", height=260)
    captions = gr.Textbox(label="Captions, one a line", lines=3, max_lines=8, elem_id="captions")
    references = gr.Textbox(
        label="Reference captions, one a line (optional)", lines=2, max_lines=6, elem_id="references"
    )
    model = gr.Dropdown(list(models.items()), value=next(iter(models.values())), label="Model", elem_id="model")
    frames = gr.Slider(1, MOST_FRAMES, value=DEFAULT_FRAMES, step=1, label="Frames", elem_id="frames")
    return [video, captions, references, model, frames]


def _examples(gr: Any, models: Mapping[str, str], form: list[Any]) -> None:
    if TOY not in models.values():
        return
    rows, names = [], []
    for path, clip in example_clips():
        right, foils = clip.captions(2), clip.foils()
        rows.append([path, "\n".join([right[0], foils[0].text, foils[-1].text]), right[1], TOY, DEFAULT_FRAMES])
        names.append(right[0])
    gr.Examples(rows, form, label="Examples, for the toy model", example_labels=names, api_visibility="private")
