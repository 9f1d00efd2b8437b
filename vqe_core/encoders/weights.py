"""Loading of weights to a device, without running any code of the checkpoint."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError

from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.image_processing import torchvision_works
from vqe_core.errors import InputError, MissingPackageError, ModelError
from vqe_core.runtime import in_forked_process

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_device(device: str) -> str:
    """Resolve ``"auto"`` to cuda, mps or cpu, the first there is; any torch device string passes.

    Raises:
        InputError: the device is not on this machine.
    """
    if not isinstance(device, str | torch.device):
        raise InputError(f"device ({device!r}) must be 'auto' or the name of a torch device, for example 'cpu'")
    device = str(device)
    if device == "auto":
        if torch.cuda.is_available():
            if in_forked_process() and torch.cuda._is_in_bad_fork():
                raise InputError(
                    "device ('auto'): the process that this one was forked from has used the GPU, so this "
                    "one cannot; call multiprocess.set_start_method('spawn') under `if __name__ == '__main__':` first, "
                    "or use device='cpu'"
                )
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # which of them, depends on the backend
        raise InputError(f"device ({device!r}) cannot be used here ({error}); use 'auto' or 'cpu'") from error
    return device


def resolve_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Resolve ``"auto"`` to float32 on every device, whatever the checkpoint's own: the same numbers everywhere.

    Raises:
        InputError: unknown name.
    """
    name = "float32" if dtype == "auto" else str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise InputError(f"dtype ({dtype!r}) must be one of auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def model_signature(checkpoint: Checkpoint, device: str, dtype: torch.dtype, *, prefix: str = "") -> dict[str, str]:
    """Return what of a loaded model goes into every signature; ``prefix`` of the names is ``"audio_"`` or none."""
    return {
        f"{prefix}model": checkpoint.title,
        f"{prefix}revision": checkpoint.revision,
        f"{prefix}dtype": str(dtype).removeprefix("torch."),
        f"{prefix}device": torch.device(device).type,
    }


@contextmanager
def _no_bars() -> Iterator[None]:
    """Hide the bars of transformers, which appear in pipes too; the setting is the user's again afterwards."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def load_model(checkpoint: Checkpoint, dtype: torch.dtype, device: str, *, model_class: Any = None) -> Any:
    """Load the checkpoint's model in evaluation mode.

    Args:
        checkpoint: its files.
        dtype, device: where and how to hold it.
        model_class: class of transformers; default ``AutoModel``, which picks by the checkpoint's type.

    Raises:
        ModelError: weights are missing in the checkpoint, so that parts of the model would be random.
        MissingPackageError: the installed transformers is older than this kind of model.
    """
    torchvision_works()  # hides a broken one before transformers looks for it
    from transformers import CONFIG_MAPPING, AutoModel, __version__

    if checkpoint.model_type not in CONFIG_MAPPING:
        raise MissingPackageError(
            f"checkpoint {checkpoint.name!r} is of type {checkpoint.model_type!r}, which transformers {__version__} "
            "does not know; pip install --upgrade transformers"
        )
    try:
        with _no_bars():
            model, info = (model_class or AutoModel).from_pretrained(
                checkpoint.folder,
                dtype=dtype,
                use_safetensors=checkpoint.safe,
                weights_only=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"checkpoint {checkpoint.name!r} holds more than weights in its .bin, which may be code, and is not "
            "loaded; save the model as safetensors"
        ) from error
    except (SafetensorError, EOFError, OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"checkpoint {checkpoint.name!r} in {str(checkpoint.folder)!r} cannot be loaded ({error}); its files are "
            "damaged or do not belong together: fetch or save it again"
        ) from error
    missing = sorted(key for key in info["missing_keys"] if "position_ids" not in key)
    mismatched = sorted(str(key) for key in info.get("mismatched_keys", ()))
    if missing or mismatched:
        raise ModelError(
            f"checkpoint {checkpoint.name!r} lacks {len(missing) + len(mismatched)} weights of its model "
            f"({', '.join((missing + mismatched)[:4])} ...); scores would be random. Save the whole model again"
        )
    return model.to(device).eval()
