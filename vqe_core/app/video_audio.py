"""Page of video-audio similarity: a video in; whether its audio fits, how sure that is, and where, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from vqe_core.app.banks import sound_bank_for
from vqe_core.app.charts import Series, TimeChart, render, time_chart
from vqe_core.app.inputs import (
    check_clip,
    chosen_model,
    example_clips,
    example_number,
    frames_at,
    linked_example,
    linked_number,
    read_lines,
    write_audio,
)
from vqe_core.app.page import SCORER_LIMITS, TOY, alert, allowed_models, scoring_page
from vqe_core.app.results import Result
from vqe_core.app.stages import LISTEN, LOOK, READ, SCORE
from vqe_core.deadline import deadline_stopped
from vqe_core.errors import InputError
from vqe_core.functional.reference_bank import ReferenceBank
from vqe_core.report.html import frame_strip, heat_scale
from vqe_core.report.plots import plot_profile
from vqe_core.report.verdict import RULE, Verdict, verdict_of
from vqe_core.report.word_alignment import frame_names
from vqe_core.scorers.report import ScoreReport
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity
from vqe_core.timings import timed
from vqe_core.toy.known_world import OUT_OF_WORLD, UNKNOWN_WORDS

if TYPE_CHECKING:
    from gradio import Blocks

DEFAULT_MODELS = ("openai/clip-vit-base-patch32", TOY)
METHODS = {
    "the first that fits": "auto",
    "description of the audio": "description",
    "tags of the audio": "tags",
    "joint space": "joint",
}
METHOD_NAMES = {"tags": "tags", "description": "description", "joint": "joint space"}
WINDOW = (0.5, 10.0, 1.0)  # seconds: shortest, longest, default
MOST_WINDOWS = 60  # of one clip; of longer clips they lie further apart
MOST_SHOWN = 12  # frames of the strip
STAGES = (READ, LOOK, LISTEN, SCORE)


def video_audio_page(card: Path) -> Blocks:
    """Build the page; ``card`` is the README.md of the Space, shown under the form."""
    return scoring_page(
        card,
        title="Video-audio similarity",
        question="Does the audio fit the video? Upload a clip, and see where it does and where not.",
        **video_audio_parts(),
    )


def video_audio_parts() -> dict[str, Any]:
    """Return the parts of the page, for ``scoring_page`` or a tab of a page of several metrics."""
    models = allowed_models(DEFAULT_MODELS)
    return {
        "waits_for": "clip",
        "form": lambda gr: _form(gr, models),
        "examples": lambda gr, inputs: _examples(gr, models, inputs),
        "score": lambda *values: score_audio(models, *values),
        "stages": STAGES,
        "restore": lambda query: restored(models, query),
    }


def warm_up() -> None:
    """Score a short example with the default model, so that the first visitor need not wait."""
    path, _ = example_clips()[0]
    model = next(iter(allowed_models(DEFAULT_MODELS).values()))
    VideoAudioSimilarity(hf_clip=model, method="tags", **SCORER_LIMITS).compute(videos=[path])


def restored(models: Mapping[str, str], query: Mapping[str, str]) -> list[Any]:
    """Return the values of the form that a link names, None for each that it does not; audio is never restored.

    Example:
        >>> restored({"Toy": "toy"}, {"description": "a bell tolls", "method": "joint", "window": "99"})
        [None, None, 'a bell tolls', 'joint', None, 10.0]
    """
    method, model = query.get("method"), query.get("model")
    low, high, _ = WINDOW
    return [
        linked_example(query),
        None,
        query.get("description"),
        method if method in METHODS.values() else None,
        model if model in models.values() else None,
        linked_number(query, "window", low, high),
    ]


def score_audio(
    models: Mapping[str, str],
    video: str | None,
    audio: str | None,
    description: str | None,
    method: str | None,
    model: str | None,
    window: float,
) -> Result | str:
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
        The result, or HTML that says what is missing.

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
    given = {"audios": [audio] if audio else None, "audio_descriptions": [words] if words else None}
    with TemporaryDirectory(prefix="vqe-video-audio-") as folder:  # the second look finds the embeddings there
        scorer = VideoAudioSimilarity(
            hf_clip=chosen_model(model, models),
            method=method,  # type: ignore[arg-type]  # checked above
            batch_size=16,
            cache_dir=folder,
            **SCORER_LIMITS,
        )
        with deadline_stopped():  # models are loaded for all requests to come
            bank = sound_bank_for(scorer, {name for name, column in given.items() if column})
        # With the method's own windows, as the command scores it; the chart has those of the form.
        whole = replace(scorer, reference_bank=bank).score(videos=[video], **given)
        hop = max(float(window) / 2, seconds / MOST_WINDOWS)
        parts = replace(scorer, return_profile=True, window=float(window), hop=hop).score(videos=[video], **given)
    example = None if audio else example_number(video)
    link = {
        "example": str(example or ""),
        "description": words or "",
        "method": str(method),
        "model": str(model),
        "window": f"{window:g}",
    }
    with timed("score"):
        heard = Heard.of(whole, parts, bank)
        picture = partial(plot_profile, heard.profile, heard.headline, heard.row["similarity"])
        return Result(heard.html(video), "video_audio_similarity", heard.content(), picture, link, example is not None)


class Heard:
    """Result of one clip, and what it is worth.

    Attributes:
        row: scores and details of the whole clip, by name.
        profile: of its windows.
        verdict: on its sound among those of a bank; None where there is none, or the model cannot judge.
        warnings: why the model cannot judge.
        notes: other warnings of the row.
        signature: of the scores.
        has_bank: whether there are other sounds at all.
    """

    def __init__(
        self, report: ScoreReport, profile: Mapping[str, Any], verdict: Verdict | None, has_bank: bool
    ) -> None:
        self.row = {name: column[0] for name, column in {**report.rows, **report.details}.items()}
        self.profile, self.verdict, self.has_bank = profile, verdict, has_bank
        told = report.warnings[0]
        self.warnings = [str(warning) for warning in told if warning.code in (OUT_OF_WORLD, UNKNOWN_WORDS)]
        self.notes = "; ".join(str(warning) for warning in told if str(warning) not in self.warnings)
        self.signature = report.signature
        if self.warnings:
            self.verdict = None

    @classmethod
    def of(cls, whole: ScoreReport, parts: ScoreReport, bank: ReferenceBank | None) -> Heard:
        """Put a clip's sound among those of a bank.

        Args:
            whole: of the clip, with its percentile in the bank.
            parts: the same with a profile.
            bank: None for none.
        """
        verdict = None if bank is None else verdict_of(whole.rows["percentile"][0], len(bank))
        return cls(whole, parts.details["profile"][0], verdict, bank is not None)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        if self.warnings:
            return "This model cannot judge this clip."
        if self.verdict is None:
            return f"Similarity {self.row['similarity']:.3f}, without a verdict."
        return self.verdict.headline("sounds")

    def html(self, video: str) -> str:
        """Render the result; ``video`` is the path of the clip, for its frames."""
        profile = self.profile
        times = np.array(profile["times"]).mean(axis=1)
        shown = times[np.unique(np.linspace(0, len(times) - 1, min(MOST_SHOWN, len(times))).round().astype(int))]
        frames, moments = frames_at(video, shown)
        matrix = np.array(profile["matrix"], float)
        known = matrix[np.isfinite(matrix)]
        return render(
            "video_audio",
            row=self.row,
            headline=self.headline,
            verdict=self.verdict,
            warnings=self.warnings,
            owner=not self.has_bank,
            rule=RULE,
            method=METHOD_NAMES[self.signature["method"]],
            notes=self.notes,
            tags=self.row.get("tags") or (),
            frame_names=frame_names(moments, len(frames)),
            shape=frames.shape,
            strip=frame_strip(frames),
            profile=profile,
            extremes=extremes(profile, times),
            chart=_chart(profile, times, self.row["similarity"]),
            matrix=profile["matrix"],
            heat=heat_scale([known] if known.size else []),
            signature=self.signature,
        )

    def content(self) -> dict[str, Any]:
        """Return the result as plain values, for JSON."""
        about = {"verdict": self.headline, **self.row, "warnings": self.warnings, "notes": self.notes}
        return {**about, "profile": self.profile, "signature": self.signature}


def extremes(profile: Mapping[str, Any], times: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return value and time of the window that fits best and of the one that fits least; None with fewer than two.

    Args:
        profile: of a clip.
        times: float (S,), the middle of each window, seconds.
    """
    known = [
        (value, time) for value, time in zip(profile["similarity"], times.tolist(), strict=True) if value is not None
    ]
    return (max(known), min(known)) if len(known) > 1 else None


def _chart(profile: Mapping[str, Any], times: np.ndarray, whole: float) -> TimeChart:
    worst = profile["worst"]
    span = None if worst is None or len(times) == 1 else (worst["start"], worst["end"])
    first, last = profile["times"][0][0], profile["times"][-1][1]
    series = Series("similarity", times.tolist(), profile["similarity"], whole)
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
