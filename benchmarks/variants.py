"""The ways of this package that are measured, as options of its scorer."""

from __future__ import annotations

import dataclasses
from typing import Any

from vqe_core import EMScore

EVERY = 2.0  # seconds between sampled frames
BATCH = 32

# What is scored end to end and encoded, by the name in the tables.
WAYS: dict[str, dict[str, Any]] = {
    "exact float32": {},
    "bfloat16": {"dtype": "bfloat16"},
    "exact float32, one process": {"isolate": False},
    "OpenVINO": {"backend": "openvino"},
    "OpenVINO bfloat16": {"backend": "openvino", "dtype": "bfloat16"},
}


def supported(options: dict[str, Any]) -> bool:
    """Whether this version of the scorer has all these options."""
    return set(options) <= {field.name for field in dataclasses.fields(EMScore)}


def scorer(model: str, options: dict[str, Any]) -> EMScore:
    """A scorer of frames every two seconds, quiet, with nothing else but ``options``."""
    return EMScore(
        **{"clip_model_path": model, "every_n_seconds": EVERY, "batch_size": BATCH, "progress": False, **options}
    )
