"""Build a bank of other sounds or captions from a table on disk. What ``vqe bank build`` does, callable."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.run.baseline import check_fitted_out, inputs_of_table

MOST_CAPTIONS = 200  # a share of so many has an interval of at most 14 of 100
MOST_ALIKE = 5  # captions of one clip whose scores are compared for a margin


class BuiltBank(NamedTuple):
    """Result of ``build_bank``.

    Attributes:
        bank: a ``ReferenceBank`` or a ``CaptionBank``, as ``reference_bank`` takes it.
        size: sounds or captions in it.
        num_rows: rows of the table.
        kind: "sounds" or "captions".
    """

    bank: Any
    size: int
    num_rows: int
    kind: str


def build_bank(
    metric: str, rows: str | os.PathLike[str], out: str | os.PathLike[str], options: Mapping[str, Any]
) -> BuiltBank:
    """Keep the sounds, or the captions, of a table for others to be compared with.

    Args:
        metric: that the bank is for: ``"video_audio_similarity"`` (sounds), ``"emscore"`` or ``"clip_score"``
            (captions).
        rows: table to read (jsonl, json, csv, parquet) of clips that are not to be scored with the bank; relative
            media paths are relative to its folder. Reference captions and several rows of one video also measure how
            far the scores of equally true captions lie apart.
        out: file to write, for ``reference_bank=out``.
        options: of the metric, by name; those of the scores to come.

    Raises:
        InputError: a table that cannot be read or lacks a column, or too little in it.
        VqeError: as the scorer.
    """
    check_fitted_out(rows, out)
    scorer = registry.load("scorer", metric)(**{"on_error": "skip", **options})
    if not hasattr(scorer, "reference_bank"):
        raise InputError(f"metric ({metric!r}) compares with no bank; choose emscore, clip_score or another that does")
    inputs, num_rows = inputs_of_table(scorer, rows)
    if hasattr(scorer, "fit_bank"):
        inputs.pop("groups", None)
        bank = scorer.fit_bank(**_each_once(inputs), path=out).reference_bank
        return BuiltBank(bank, len(bank), num_rows, "sounds")
    from vqe_core.scorers.caption_bank import save_captions

    bank = caption_bank(scorer, **inputs)
    save_captions(bank, out)
    return BuiltBank(bank, len(bank), num_rows, "captions")


def caption_bank(scorer: Any, *, predictions: Sequence[Any], videos: Any = None, references: Any = None) -> Any:
    """Make a bank of captions, one a clip, and measure how far those of one clip lie apart where there are several.

    Args:
        scorer: a metric of captions.
        predictions, videos, references: captions that fit, as for ``compute``.

    Returns:
        A ``CaptionBank``.

    Raises:
        InputError: too few captions.
        ModelNotFoundError, ModelError: the model cannot be had.
    """
    from vqe_core.scorers.calibration import evenly
    from vqe_core.scorers.caption_bank import MADE_FOR, CaptionBank, margin_of

    clips = _by_clip(predictions, videos, references)
    chosen = [clips[i] for i in evenly(len(clips), MOST_CAPTIONS).tolist()] if clips else []
    texts = tuple(dict.fromkeys(captions[0] for _, captions in chosen))
    signature = scorer.load_encoder().signature()
    bank = CaptionBank(texts, {name: signature[name] for name in MADE_FOR if name in signature})
    alike = [(video, captions[:MOST_ALIKE]) for video, captions in chosen if video is not None and len(captions) > 1]
    if not alike:
        return bank
    name, _ = scorer.bank_names
    rows = [(i, caption, video) for i, (video, captions) in enumerate(alike) for caption in captions]
    plain = replace(scorer, reference_bank=None)
    scored = plain.score(predictions=[caption for _, caption, _ in rows], videos=[video for _, _, video in rows])
    by_clip: list[list[float]] = [[] for _ in alike]
    for (i, _, _), value in zip(rows, scored.rows[name], strict=True):
        if value == value:
            by_clip[i].append(value)
    margin = margin_of(by_clip)
    return bank if margin is None else replace(bank, margins={name: margin})


def _each_once(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows that differ in their inputs: a sound of several rows is one sound."""
    given = {name: column for name, column in inputs.items() if column is not None}
    first: dict[str, int] = {}
    for i, row in enumerate(zip(*given.values(), strict=True)):
        first.setdefault(repr(row), i)
    return {name: [column[i] for i in first.values()] for name, column in given.items()}


def _by_clip(predictions: Sequence[Any], videos: Any, references: Any) -> list[tuple[Any, list[str]]]:
    """Return each clip with its distinct captions; a row without a video is a clip of its own."""
    clips: dict[Any, tuple[Any, list[str]]] = {}
    for i, caption in enumerate(predictions):
        video = videos[i] if videos is not None else None
        given = references[i] if references is not None else None
        texts = [caption, *([given] if isinstance(given, str) else given or [])]
        known = [text for text in texts if isinstance(text, str) and text.strip()]
        key = ("row", i) if video is None else repr(video)
        _, captions = clips.setdefault(key, (video, []))
        captions += [text for text in known if text not in captions]
    return [clip for clip in clips.values() if clip[1]]
