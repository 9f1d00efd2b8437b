"""The page of EMScore: a video and captions in; scores, frames, words and moments out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_core.app.charts import NUM_COLOURS, Series, TimeChart, render, time_chart
from vqe_core.app.inputs import check_clip, chosen_model, example_clips, read_lines
from vqe_core.app.page import MAX_CAPTIONS, MAX_REFERENCES, SCORER_LIMITS, TOY, alert, allowed_models, scoring_page
from vqe_core.functional.emscore import METRICS
from vqe_core.report.explain import Explanation, explain_captions
from vqe_core.report.html import bar_scale, frame_strip, heat_scale
from vqe_core.scorers.emscore.scorer import EMScore

if TYPE_CHECKING:
    from gradio import Blocks

DEFAULT_MODELS = ("openai/clip-vit-base-patch32", TOY)
MOST_FRAMES = 32  # that still can be looked at one by one
SCORE_TYPES = ("EMScore(X,V)", "EMScore(X,X*)", "EMScore(X,V,X*)")
DETAIL = ("figr_P", "figr_R", "figr_F", "cogr")


def emscore_page(card: Path) -> Blocks:
    """Build the page.

    Args:
        card: README.md of the Space, shown under the form.
    """
    models = allowed_models(DEFAULT_MODELS)
    return scoring_page(
        card,
        title="EMScore",
        question="Does a caption fit a video? Upload a clip, type captions, and see which words find which frames.",
        waits_for="captions",
        form=lambda gr: _form(gr, models),
        examples=lambda gr, inputs: _examples(gr, models, inputs),
        score=lambda *values: score_clip(models, *values),
    )


def warm_up() -> None:
    """Load the default model, so that the first visitor need not wait."""
    from vqe_core.encoders import load_image_text_encoder

    load_image_text_encoder(next(iter(allowed_models(DEFAULT_MODELS).values())))


def score_clip(
    models: Mapping[str, str],
    video: str | None,
    captions: str | None,
    references: str | None,
    model: str | None,
    frames: float,
) -> str:
    """What the button does.

    Returns:
        HTML: the results, or what is missing.

    Raises:
        VqeError: the clip or a text cannot be scored.
    """
    if not video:
        return alert("There is no video yet.", "Upload a clip on the left, or choose an example below the form.")
    texts = read_lines(captions, "Captions", most=MAX_CAPTIONS)
    if not texts:
        return alert("There is no caption yet.", "Type what the clip shows, one caption a line.")
    given = read_lines(references, "References", most=MAX_REFERENCES)
    check_clip(video)
    scorer = EMScore(clip_model_path=chosen_model(model, models), frame_num=int(frames), batch_size=16, **SCORER_LIMITS)
    return render_explanations(explain_captions(scorer, texts, video, references=given or None))


def render_explanations(explanations: list[Explanation]) -> str:
    """The results of one video as HTML.

    Args:
        explanations: at least one, in the order typed.
    """
    first = explanations[0]
    score_types = [name for name in SCORE_TYPES if f"{name}_full_F" in first.scores]
    values = [value for e in explanations for name, value in e.scores.items() if name.endswith(("full_F", *DETAIL))]
    best = max(explanations, key=lambda e: e.scores[f"{score_types[-1]}_full_F"])
    return render(
        "emscore",
        explanations=explanations,
        frame_names=first.frame_names,
        shape=first.frames.shape,
        strip=frame_strip(first.frames),
        score_types=score_types,
        detail=DETAIL,
        metrics=METRICS,
        bars=bar_scale(values),
        best=best if len(explanations) > 1 else None,
        heat=heat_scale([e.evidence.similarity for e in explanations]),
        chart=_chart(explanations),
        colours=NUM_COLOURS,
        signature=first.signature,
    )


def _chart(explanations: list[Explanation]) -> TimeChart:
    series = []
    for explanation in explanations:
        times, values = explanation.over_time()
        whole = explanation.scores["EMScore(X,V)_full_F"]
        # frames that were sampled twice are one moment
        moments = dict(zip(times.tolist(), values.tolist(), strict=True))
        series.append(Series(explanation.caption, list(moments), list(moments.values()), whole))
    return time_chart(series, unit="frame" if explanations[0].timestamps is None else "s")


def _form(gr: Any, models: Mapping[str, str]) -> list[Any]:
    video = gr.Video(label="Video", sources=["upload"], include_audio=True, elem_id="video", height=260)
    captions = gr.Textbox(label="Captions, one a line", lines=3, max_lines=8, elem_id="captions")
    references = gr.Textbox(
        label="Reference captions, one a line (optional)", lines=2, max_lines=6, elem_id="references"
    )
    model = gr.Dropdown(list(models.items()), value=next(iter(models.values())), label="Model", elem_id="model")
    frames = gr.Slider(1, MOST_FRAMES, value=EMScore.default_frame_num, step=1, label="Frames", elem_id="frames")
    return [video, captions, references, model, frames]


def _examples(gr: Any, models: Mapping[str, str], form: list[Any]) -> None:
    if TOY not in models.values():
        return
    rows, names = [], []
    for path, clip in example_clips():
        right, foils = clip.captions(2), clip.foils()
        rows.append(
            [path, "\n".join([right[0], foils[0].text, foils[-1].text]), right[1], TOY, EMScore.default_frame_num]
        )
        names.append(right[0])
    gr.Examples(rows, form, label="Examples, for the toy model", example_labels=names, api_visibility="private")
