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
    "int8": {"quantize": "int8"},
    "exact float32, worker processes": {"isolate": True},
    "OpenVINO": {"backend": "openvino"},
    "OpenVINO bfloat16": {"backend": "openvino", "dtype": "bfloat16"},
    "compiled": {"backend": "compile"},
    "compiled bfloat16": {"backend": "compile", "dtype": "bfloat16"},
    "bfloat16, NVDEC": {"dtype": "bfloat16", "decoder": "nvdec"},
}


def possible(options: dict[str, Any]) -> bool:
    """Tell whether a way is measured here.

    OpenVINO is a package of its own, and needs a CPU that has the dtype; compiling is for GPUs (on a CPU it gains
    nothing and takes minutes), and NVDEC is a part of them.
    """
    if "quantize" in options:
        return not torch_uses_a_gpu() and _multiplies_integers()
    if options.get("backend") == "compile" or "decoder" in options:
        return torch_uses_a_gpu() and ("decoder" not in options or _has_nvdec())
    if options.get("backend") != "openvino":
        return True
    if torch_uses_a_gpu() or find_spec("openvino") is None:
        return False
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return options.get("dtype") != "bfloat16" or "BF16" in able


def torch_uses_a_gpu() -> bool:
    """Tell whether images are encoded on a GPU unless told otherwise."""
    import torch

    return torch.cuda.is_available()


def _multiplies_integers() -> bool:
    from vqe_core.encoders.backends.int8 import multiplies_integers

    return multiplies_integers()


def _has_nvdec() -> bool:
    from vqe_core.errors import VqeError
    from vqe_core.media.video.nvdec_reader import check_nvdec

    try:
        check_nvdec()
    except VqeError:
        return False
    return True


def scorer(model: str, options: dict[str, Any]) -> EMScore:
    """Make a quiet scorer of frames every two seconds, with nothing else but ``options``."""
    return EMScore(**{"clip_model_path": model, "every_n_seconds": EVERY, "progress": False, **options})
