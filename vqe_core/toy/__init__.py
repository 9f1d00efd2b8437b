"""A toy world of coloured shapes and a tiny CLIP model trained on it: teaching material.

It lets the demo, the notebooks and the tests run the real loading code and see real semantics
without a download. Scores of this model say nothing about real videos, and its numbers are not
on the scale of a real CLIP: never quote them as thresholds.
"""

from pathlib import Path


def model_folder() -> Path:
    """Return the folder of the shipped teaching model, as ``CLIPModel.from_pretrained`` takes it."""
    return Path(__file__).parent / "model"
