"""Page of video-audio similarity: a video in; how well its audio fits, moment by moment, out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqe_core.app.charts import Series, TimeChart, render, time_chart
from vqe_core.app.inputs import check_clip, chosen_model, example_clips, frames_at, read_lines, write_audio
from vqe_core.app.page import SCORER_LIMITS, TOY, alert, allowed_models, scoring_page
from vqe_core.errors import InputError
from vqe_core.report.html import frame_strip, heat_scale
from vqe_core.report.word_alignment import frame_names
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity

if TYPE_CHECKING:
    from gradio import Blocks

DEFAULT_MODELS = ("openai/clip-vit-base-patch32", TOY)
METHODS = {
    "the first that fits": "auto",
    "description of the audio": "description",
    "tags of the audio": "tags",
    "joint space": "joint",
}
WINDOW = (0.5, 10.0, 1.0)  # seconds: shortest, longest, default
MOST_WINDOWS = 60  # of one clip; of longer clips they lie further apart
MOST_SHOWN = 12  # frames of the strip


def video_audio_page(card: Path) -> Blocks:
    """Build the page; ``card`` is the README.md of the Space, shown under the form."""
    models = allowed_models(DEFAULT_MODELS)
    return scoring_page(
        card,
        title="Video-audio similarity",
        question="Does the audio fit the video? Upload a clip, and see where it does and where not.",
        waits_for="clip",
        form=lambda gr: _form(gr, models),
        examples=lambda gr, inputs: _examples(gr, models, inputs),
        score=lambda *values: score_audio(models, *values),
    )


def warm_up() -> None:
    """Score a short example with the default model, so that the first visitor need not wait."""
    path, _ = example_clips()[0]
    model = next(iter(allowed_models(DEFAULT_MODELS).values()))
    VideoAudioSimilarity(hf_clip=model, method="tags", **SCORER_LIMITS).compute(videos=[path])


def score_audio(
    models: Mapping[str, str],
    video: str | None,
    audio: str | None,
    description: str | None,
    method: str | None,
    model: str | None,
    window: float,
) -> str:
    """Score one clip.

    Args:
        models: that may be chosen, by the name shown.
        video: path of the upload.
        audio: path of another audio file, or None for the video's own audio track.
        description: as typed.
        method: one of ``METHODS``.
        model: one of ``models``.
        window: seconds.

    Returns:
        HTML: the results, or what is missing.

    Raises:
        VqeError: the clip cannot be scored.
    """
    if not video:
        return alert("There is no video yet.", "Upload a clip on the left, or choose an example below the form.")
    if method not in METHODS.values():
        raise InputError(f"The method must be one of {', '.join(METHODS)}.")
    words = " ".join(read_lines(description, "Description", most=4)) or None
    if method == "description" and words is None:
        return alert("There is no description yet.", "Say in words what is to be heard, or choose another method.")
    seconds = check_clip(video)
    scorer = VideoAudioSimilarity(
        hf_clip=chosen_model(model, models),
        method=method,  # type: ignore[arg-type]  # checked above
        window=float(window),
        hop=max(float(window) / 2, seconds / MOST_WINDOWS),
        return_profile=True,
        batch_size=16,
        **SCORER_LIMITS,
    )
    report = scorer.score(
        videos=[video], audios=[audio] if audio else None, audio_descriptions=[words] if words else None
    )
    return render_audio(
        report.signature,
        {name: column[0] for name, column in {**report.rows, **report.details}.items()},
        report.messages[0],
        video,
    )


def render_audio(signature: Mapping[str, Any], row: Mapping[str, Any], notes: str, video: str) -> str:
    """Render the result of one clip as HTML.

    Args:
        signature: of the report.
        row: its scores and details by name, ``profile`` among them.
        notes: warnings of the row.
        video: path of the clip.
    """
    profile = row["profile"]
    times = np.array(profile["times"]).mean(axis=1)
    shown = times[np.unique(np.linspace(0, len(times) - 1, min(MOST_SHOWN, len(times))).round().astype(int))]
    frames, moments = frames_at(video, shown)
    matrix = np.array(profile["matrix"], float)
    known = matrix[np.isfinite(matrix)]
    return render(
        "video_audio",
        row=row,
        method=signature["method"],
        notes=notes,
        tags=row.get("tags") or (),
        frame_names=frame_names(moments, len(frames)),
        shape=frames.shape,
        strip=frame_strip(frames),
        profile=profile,
        chart=_chart(profile, times),
        matrix=profile["matrix"],
        heat=heat_scale([known] if known.size else []),
        signature=signature,
    )


def _chart(profile: Mapping[str, Any], times: np.ndarray) -> TimeChart:
    worst = profile["worst"]
    span = None if worst is None or len(times) == 1 else (worst["start"], worst["end"])
    first, last = profile["times"][0][0], profile["times"][-1][1]
    series = Series("similarity", times.tolist(), profile["similarity"], profile["mean"])
    return time_chart([series], span=span, start=first, end=last)


def _form(gr: Any, models: Mapping[str, str]) -> list[Any]:
    video = gr.Video(label="Video", sources=["upload"], include_audio=True, elem_id="video", height=260)
    audio = gr.File(
        label="Audio (optional; else the video's own)", type="filepath", elem_id="audio", height=140,
        file_types=["audio", "video"],
    )  # fmt: skip
    description = gr.Textbox(label="What is to be heard, in words (optional)", lines=1, elem_id="description")
    method = gr.Dropdown(list(METHODS.items()), value="auto", label="Compare by", elem_id="method")
    model = gr.Dropdown(list(models.items()), value=next(iter(models.values())), label="Model", elem_id="model")
    low, high, default = WINDOW
    window = gr.Slider(low, high, value=default, step=0.5, label="Window, seconds", elem_id="window")
    return [video, audio, description, method, model, window]


def _examples(gr: Any, models: Mapping[str, str], form: list[Any]) -> None:
    if TOY not in models.values():
        return
    clips = example_clips()
    names = [f"clip {i + 1}: {clip.sound_caption()}" for i, (_, clip) in enumerate(clips)]
    rows: list[list[Any]] = [[path, None, "", "tags", TOY, 1.0] for path, _ in clips]
    (path, _), (_, other) = clips[0], clips[1]
    rows.append([path, write_audio(other, path), "", "tags", TOY, 1.0])
    names.append("clip 1 with the audio of clip 2")
    gr.Examples(rows, form, label="Examples, for the toy model", example_labels=names, api_visibility="private")
