"""The audio half of the evaluation: which clips are measured, and against which wrong sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from torch.nn.functional import cosine_similarity

from training.audio_measures import Listener, directions, listen, measure_sound, read_back
from vqe_core.toy.clips import ToyClip, make_clip
from vqe_core.toy.world import (
    ABSENT,
    BACKGROUND,
    COUNT,
    COUNTS,
    DOWN,
    MOTION,
    OPPOSITE,
    SIZE,
    SIZES,
    SOUND,
    SOUNDS,
    SPECKLED,
    UP,
    WAVY,
)

# Kinds of ``wrong_sound``: one thing wrong in the sound.
SOUND_FOILS = ("voice", "count", "size", "direction", "ambience")
FOIL_SEED = 50_000_000
NUM_ROBUST = 64  # clips a row of the robustness table
# Changes of a waveform that training never had, but for the volume.
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as synthesised, not coded": lambda waveform: waveform,
    "20 dB quieter": lambda waveform: 0.1 * waveform,
    "0.5 s late": lambda waveform: np.roll(waveform, 8000),
    "white noise 40 dB below full scale": lambda waveform: _with_noise(waveform, 0.01),
    "white noise 20 dB below full scale": lambda waveform: _with_noise(waveform, 0.1),
}


def evaluate_audio(listener: Listener, heldout: Sequence[ToyClip], seen: Sequence[ToyClip]) -> dict[str, object]:
    """Take all measures.

    Args:
        listener: the models.
        heldout: clips of 3 seconds whose first event has a held-out (colour, shape) pair.
        seen: clips of the pairs of training.
    """
    coded = [read_back(clip) for clip in heldout]
    control = listener.untrained()
    return {
        "clips": len(heldout),
        "held_out": measure_sound(listener, coded),
        "seen": measure_sound(listener, [read_back(clip) for clip in seen]),
        "untrained": measure_sound(control, coded),
        "foils": {kind: _foil_accuracy(listener, heldout, kind) for kind in SOUND_FOILS},
        "robustness": {name: _robustness(listener, heldout[:NUM_ROBUST], change) for name, change in CHANGES.items()},
    }


def wrong_sound(attributes: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray | None:
    """Make the sound of the first event wrong in one respect.

    Args:
        attributes: int64 (2, 7).
        kind: a name of ``SOUND_FOILS``.
        rng: picks the wrong value.

    Returns:
        int64 (2, 7) to play, or None where the clip has nothing of the kind.
    """
    wrong = attributes.copy()
    if kind == "direction":
        if wrong[0, MOTION] not in (UP, DOWN):
            return None
        wrong[0, MOTION] = OPPOSITE[int(wrong[0, MOTION])]
    elif kind == "ambience":
        if wrong[0, BACKGROUND] not in (SPECKLED, WAVY):
            return None
        other = SPECKLED if wrong[0, BACKGROUND] == WAVY else WAVY
        wrong[:, BACKGROUND] = np.where(wrong[:, BACKGROUND] == ABSENT, ABSENT, other)
    else:
        columns = {"voice": (SOUND, len(SOUNDS)), "count": (COUNT, len(COUNTS)), "size": (SIZE, len(SIZES))}
        column, values = columns[kind]
        wrong[0, column] = (wrong[0, column] + rng.integers(1, values)) % values
    return wrong


def _foil_accuracy(listener: Listener, clips: Sequence[ToyClip], kind: str) -> dict[str, float]:
    """Measure how often a clip's own sound beats one with one thing wrong, by ``joint`` and by ``tags``."""
    rng = np.random.default_rng(11)
    kept: list[ToyClip] = []
    foils: list[np.ndarray] = []
    for index, clip in enumerate(clips):
        wrong = wrong_sound(clip.attributes, kind, rng)
        if wrong is not None:
            kept.append(clip)
            frames = len(clip.frames)
            foils.append(make_clip(FOIL_SEED + index, attributes=wrong, size=16, num_frames=frames).waveform)
    heard = listen(listener, kept)
    tags = directions(listener.tagger.tag(foils), listener.label_texts())
    pairs = {
        "joint": (heard.sounds, listener.joint.embed_audio(foils)),
        "tags": (heard.directions, tags),
    }
    figures: dict[str, float] = {"pairs": len(kept)}
    for way, (own, foil) in pairs.items():
        better = cosine_similarity(heard.videos, own) - cosine_similarity(heard.videos, foil)
        figures[way] = round(((better > 0).double() + 0.5 * (better == 0)).mean().item(), 4)
    return figures


def _robustness(
    listener: Listener, clips: Sequence[ToyClip], change: Callable[[np.ndarray], np.ndarray]
) -> dict[str, float]:
    changed = [replace(clip, waveform=change(clip.waveform).astype(np.float32)) for clip in clips]
    found = measure_sound(listener, changed)
    return {"joint": found["joint"]["auc"], "tags": found["tags"]["auc"], "top_1": found["tagging"]["top_1"]}


def _with_noise(waveform: np.ndarray, level: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(len(waveform))
    return np.clip(waveform + level * noise, -1, 1)
