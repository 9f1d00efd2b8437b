"""Meaning of a similarity: against the mismatches of its call, or against a bank of other sounds."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.functional.calibration import ChanceLevels
from vqe_core.functional.reference_bank import ReferenceBank, bank_percentile
from vqe_core.scorers.calibration import against_others
from vqe_core.scorers.rows import is_missing
from vqe_core.scorers.video_audio.pairs import Comparison
from vqe_core.scorers.video_audio.report import SoundOutcome

# Fields of the signature that a bank's sounds depend on, beside the space.
BANK_MADE_BY = ("audio_model", "audio_revision", "labels", "window", "hop")
NUMBERS = ("mismatched_mean", "gap", "auc", "r1_v2a", "r1_a2v", "median_rank", "p_value")


def measure(
    outcomes: Sequence[SoundOutcome],
    columns: Mapping[str, Any],
    method: Comparison,
    *,
    bank: ReferenceBank | None,
    of_call: bool,
    seed: int,
) -> tuple[dict[str, Any], list[float]]:
    """Return the numbers of a call, and each row's percentile; NaN where there is nothing to compare with.

    Of a method without a space there are no numbers.

    Args:
        outcomes: of all rows; those that failed take no part.
        columns: of the call, for its groups.
        method: how rows were compared.
        bank: other sounds; None: percentiles are among the sounds of the call.
        of_call: whether the rows are a whole call; a batch of a data set has no numbers of its own.
        seed: of the shuffles.
    """
    percentiles = [math.nan] * len(outcomes)
    if method.space is None:
        return {}, percentiles
    good = [i for i, outcome in enumerate(outcomes) if outcome.error is None]
    if not good:
        sounds = {"num_sounds": 0, "percentile_sounds": 0 if bank is None else len(bank.embeddings)}
        chance = dict.fromkeys(ChanceLevels._fields, math.nan)
        unknown = {**dict.fromkeys(NUMBERS, math.nan), **sounds, "chance": chance}
        return unknown if of_call else {}, percentiles
    visual = torch.stack([outcomes[i].visual for i in good])
    sound = torch.stack([outcomes[i].sound for i in good])
    numbers: dict[str, Any] = {}
    of_rows = percentiles
    if bank is not None:
        numbers["percentile_sounds"] = len(bank.embeddings)
    if of_call:
        measured, of_rows = calibrate_call(visual, sound, _groups(columns.get("groups"), good, sound), method, seed)
        numbers = {**measured, **numbers}
    if bank is not None:
        of_rows = bank_percentiles(visual, sound, bank, bank_space(method))
    for i, value in zip(good, of_rows, strict=False):
        percentiles[i] = value
    return numbers, percentiles


def _groups(groups: Sequence[Any] | None, good: Sequence[int], sound: Tensor) -> Sequence[Hashable]:
    """Return the user's groups, a row without one being its own; or rows with one sound where none are given."""
    if groups is None or all(map(is_missing, groups)):
        return same_sounds(sound)
    return [("own", i) if is_missing(groups[i]) else ("given", groups[i]) for i in good]


def same_sounds(sound: Tensor) -> list[bytes]:
    """Return a key a row, equal where the embeddings of the sounds are: rows with one sound are no mismatches."""
    return [row.numpy().tobytes() for row in sound.round(decimals=5) + 0.0]


def calibrate_call(
    visual: Tensor, sound: Tensor, groups: Sequence[Hashable], method: Comparison, seed: int
) -> tuple[dict[str, Any], list[float]]:
    """Compare the true pairs of a call with its mismatches.

    Args:
        visual, sound: float (N, D), one a scored row.
        groups: equal for rows that share a sound.
        method: how they were compared; its ``logits`` rank.
        seed: of the shuffles.

    Returns:
        The numbers of ``NUMBERS`` and ``chance``, the levels without any relation; and each row's percentile among
        the other sounds. NaN where there is no mismatch.
    """
    found = against_others(lambda rows, columns: method.logits(visual[rows], sound[columns]), groups, seed)
    result = found.numbers
    summary: dict[str, Any] = {name: float(getattr(result, name)) for name in NUMBERS}
    # Ranks and percentiles move with how many sounds there are to be among.
    summary |= {"num_sounds": result.num_sounds, "percentile_sounds": result.num_sounds - 1}
    summary["chance"] = {name: float(value) for name, value in result.chance._asdict().items()}
    return summary, found.percentile


def bank_percentiles(visual: Tensor, sound: Tensor, bank: ReferenceBank, space: str) -> list[float]:
    """Return each row's percentile among the sounds of a bank, by cosine.

    Raises:
        InputError: the bank is of another space.
    """
    percentiles = []
    for row, its_sound in zip(visual[:, None], sound[:, None], strict=True):
        # One row at a time: in a product of many rows, rounding would depend on how many there are.
        own = torch.nn.functional.cosine_similarity(row, its_sound, dim=-1)
        percentiles.append(float(bank_percentile(own, bank.mismatched_scores(row, space)).percentile))
    return percentiles


def bank_space(method: Comparison) -> str:
    """Space of a bank: how the sounds were made counts too, tags and descriptions share a model but no scale."""
    return f"{method.name} of {method.space}"


def check_bank(bank: ReferenceBank, signature: Mapping[str, Any]) -> None:
    """Raise InputError unless the sounds of a bank were heard as a signature says."""
    differ = bank.differing(signature)
    if differ:
        told = ", ".join(f"{name} {bank.made_by[name]!r} (here {signature.get(name)!r})" for name in differ)
        raise InputError(f"reference_bank was built with {told}; build one with the options in use")


def save_bank(bank: ReferenceBank, path: str | os.PathLike[str]) -> None:
    """Write a bank as safetensors with its space and digest inside."""
    from safetensors.torch import save_file

    metadata = {"format": "vqe-bank-1", "space": bank.space, "digest": bank.digest()}
    if bank.made_by:
        metadata["made_by"] = json.dumps(dict(bank.made_by))
    save_file({"embeddings": bank.embeddings.contiguous()}, str(path), metadata)


def load_bank(value: Any) -> ReferenceBank | None:
    """Return the bank that the ``reference_bank`` option names.

    Raises:
        InputError: no file, no bank, or one that was altered.
    """
    if value is None or isinstance(value, ReferenceBank):
        return value
    from safetensors import SafetensorError, safe_open

    path = Path(value)
    try:
        with safe_open(path, framework="pt") as file:
            metadata, embeddings = file.metadata() or {}, file.get_tensor("embeddings")
        made_by = json.loads(metadata.get("made_by", "{}"))
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise InputError(
            f"reference_bank ({value!r}) is no bank of sounds that fit_bank or vqe bank build wrote: {error}"
        ) from error
    bank = ReferenceBank(embeddings, metadata.get("space", ""), made_by)
    if metadata.get("digest") != bank.digest():
        raise InputError(f"reference_bank ({value!r}) is damaged: its content does not match its digest; fit it again")
    return bank
