"""The ways of this package that are measured, as options of its scorer."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from vqe_core import EMScore

EVERY = 2.0  # seconds between sampled frames
BATCH = 32

# What is scored end to end and encoded, by the name in the tables.
WAYS: dict[str, dict[str, Any]] = {
    "exact float32": {},
    "bfloat16": {"dtype": "bfloat16"},
    "exact float32, worker processes": {"isolate": True},
    "OpenVINO": {"backend": "openvino"},
    "OpenVINO bfloat16": {"backend": "openvino", "dtype": "bfloat16"},
}


def possible(options: dict[str, Any]) -> bool:
    """Whether what the options need is here: OpenVINO is a package of its own, and needs a CPU that has the dtype."""
    if options.get("backend") != "openvino":
        return True
    if find_spec("openvino") is None:
        return False
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return options.get("dtype") != "bfloat16" or "BF16" in able


def scorer(model: str, options: dict[str, Any]) -> EMScore:
    """A scorer of frames every two seconds, quiet, with nothing else but ``options``."""
    return EMScore(**{"clip_model_path": model, "every_n_seconds": EVERY, "progress": False, **options})
