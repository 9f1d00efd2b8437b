"""Synthesis: attributes to a waveform. Every shape has a voice, see ``world`` for the rules."""

from collections.abc import Callable
from functools import reduce

import numpy as np

from vqe_core.toy.world import COUNT, DOWN, MOTION, SIZE, SOUND, SOUNDS, SPECKLED, SPIN, UP, WAVY

CYCLE = 1.5  # seconds from the first note of a cycle to the first note of the next
PITCHES = (430.0, 240.0)  # Hz, of a small and of a big shape
GLIDE = 1.6  # octaves per cycle, of a rising or falling pitch
HISS, RUMBLE, HUSH = 0.06, 0.125, 0.002  # ambience of a speckled, a wavy and any other ground


def play_event(event: np.ndarray, num_samples: int, sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Play one event int (7,): as many notes per cycle as there are objects.

    Returns:
        float32 (num_samples,), about in [-1, 1].
    """
    seconds = np.arange(num_samples, dtype=np.float32) / sampling_rate
    cycle = min(CYCLE, num_samples / sampling_rate)  # a short event keeps all of its notes
    slot = cycle / 5
    in_cycle = seconds % cycle
    note = np.floor(in_cycle / slot)
    since = in_cycle - note * slot  # seconds since the note began
    slope = {UP: 1.0, DOWN: -1.0}.get(int(event[MOTION]), 0.0)
    octaves = slope * (GLIDE * in_cycle / cycle - 0.6)
    pitch = PITCHES[event[SIZE]] * rng.uniform(0.95, 1.05) * 2**octaves
    if event[MOTION] == SPIN:
        pitch = pitch * (1 + 0.06 * np.sin(2 * np.pi * 9 * seconds))
    phase = 2 * np.pi * np.cumsum(pitch, dtype=np.float64) / sampling_rate
    noise = rng.standard_normal(num_samples, np.float32)
    voice = VOICES[SOUNDS[event[SOUND]][0]]
    return (voice(phase, since, noise) * (note <= event[COUNT])).astype(np.float32)


def play_ground(background: int, num_samples: int, sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Play the ambience of a ground, float32 (num_samples,): hiss, rumble or next to nothing."""
    noise = rng.standard_normal(num_samples, np.float32)
    if background == SPECKLED:
        return HISS * noise
    if background == WAVY:
        drift = np.cumsum(noise - noise.mean())
        drift = drift - np.convolve(drift, np.ones(200) / 200, "same")  # no inaudibly slow part
        swell = 1 + np.sin(2 * np.pi * 1.3 * np.arange(num_samples) / sampling_rate)
        return (RUMBLE * swell * drift / (abs(drift).max() + 1e-9)).astype(np.float32)
    return HUSH * noise


def _held(since: np.ndarray) -> np.ndarray:
    """Return the envelope of a blown note: 20 ms attack, quiet again after 260 ms."""
    return np.clip(since / 0.02, 0, 1) * np.clip((0.26 - since) / 0.03, 0, 1)


def _bell(phase: np.ndarray, since: np.ndarray, noise: np.ndarray) -> np.ndarray:
    partials = ((2, 0.6, 7), (5.5, 0.4, 10), (10.8, 0.25, 15))  # multiple of the pitch, level, decay per second
    return reduce(
        np.add, (level * np.sin(multiple * phase) * np.exp(-since * decay) for multiple, level, decay in partials)
    )


def _drum(phase: np.ndarray, since: np.ndarray, noise: np.ndarray) -> np.ndarray:
    skin = np.sin(0.4 * phase + 6 * np.exp(-since * 30)) * np.exp(-since * 14)
    return skin + 0.5 * noise * np.exp(-since * 45)


def _chime(phase: np.ndarray, since: np.ndarray, noise: np.ndarray) -> np.ndarray:
    multiple = np.array([6, 7.5, 9])[np.floor(since / 0.05).astype(int) % 3]
    return 0.6 * np.sin(multiple * phase) * np.exp(-(since % 0.05) * 30)


def _harp(phase: np.ndarray, since: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return 0.6 * reduce(np.add, (np.sin(k * phase) / k * np.exp(-since * (3 + 2.5 * k)) for k in range(1, 7)))


# (phase of the pitch in radians, seconds since the note began, white noise) -> samples
VOICES: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "bell": _bell,
    "drum": _drum,
    "whistle": lambda phase, since, noise: (0.6 * np.sin(4 * phase) + 0.08 * noise) * _held(since),
    "chime": _chime,
    "buzzer": lambda phase, since, noise: 0.35 * np.sign(np.sin(0.5 * phase)) * _held(since),
    "siren": lambda phase, since, noise: 0.6 * np.sin(3 * phase + 18 * np.sin(2 * np.pi * 7 * since)) * _held(since),
    "clock": lambda phase, since, noise: noise * np.exp(-since * 120) + 0.5 * np.sin(8 * phase) * np.exp(-since * 60),
    "harp": _harp,
}
