"""The only code that loads weights: images, texts and audio to embeddings."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vqe_core import registry
from vqe_core.encoders.base import ImageTextEncoder, text_signature
from vqe_core.errors import InputError, ModelError
from vqe_core.options import Backend, Computing, Quantize, Resize, check_choice
from vqe_core.runtime import ProcessLock, settle_in_process

if TYPE_CHECKING:
    from vqe_core.encoders.tokenization import TextSide

__all__ = ["ImageTextEncoder", "load_image_text_encoder", "load_text_side", "text_signature", "unload_encoders"]


def load_image_text_encoder(
    model: Any,
    device: str = "auto",
    dtype: str = "auto",
    backend: Backend = "auto",
    resize: Resize = "auto",
    quantize: Quantize | None = None,
) -> ImageTextEncoder:
    """Load the encoder a user named.

    Args:
        model: hub id (``id`` or ``id@revision``), local folder, OpenAI name, ``"toy"``, an encoder, which is
            returned as it is, or the spec of a registered one that needs no checkpoint.
        device: ``"auto"`` (cuda, mps or cpu) or a torch device.
        dtype: ``"auto"`` (float32), ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        backend: of the vision tower: ``"auto"`` and ``"torch"`` are torch, ``"compile"`` is torch with the tower
            compiled, ``"openvino"`` is OpenVINO on the CPU.
        resize: what shrinks images: ``"auto"`` (torchvision where it loads and has the filter), ``"torchvision"``, or
            ``"pil"``, bit by bit as published code does.
        quantize: ``"int8"``: the products of the vision tower by integers of 8 bits, on a CPU, in float32, by torch.

    Raises:
        MissingPackageError: OpenVINO is asked for and not installed.
        ModelNotFoundError: no weights within reach.
        ModelError: the checkpoint's family is not supported, or weights are missing in it.
        InputError: a name, device, dtype, backend or quantize that cannot be used.
    """
    settle_in_process()
    check_choice("backend", backend, Backend)
    if quantize is not None:
        check_choice("quantize", quantize, Quantize)
    check_choice("resize", resize, Resize)
    ready = _without_checkpoint(model)
    if ready is not None:
        if quantize is not None:
            raise InputError(
                f"quantize ({quantize!r}) is decided when weights are loaded, and an encoder of type "
                f"{type(ready).__name__} is ready; leave it out, or name a checkpoint"
            )
        return _resizing(ready, resize)
    from vqe_core.encoders.backends.int8 import check_int8
    from vqe_core.encoders.backends.linear import warn_of_slow_dtype
    from vqe_core.encoders.checkpoints import find_checkpoint
    from vqe_core.encoders.weights import resolve_device, resolve_dtype

    resolved_backend: Backend = "torch" if backend == "auto" else backend
    only_cpu = resolved_backend == "openvino" and device == "auto"
    resolved_device, resolved_dtype = resolve_device("cpu" if only_cpu else device), resolve_dtype(dtype)
    if resolved_backend == "openvino" and resolved_device != "cpu":
        raise InputError(
            f"backend 'openvino' runs on the CPU, but device ({device!r}) is {resolved_device!r} here; "
            "use device='cpu', or backend='torch'"
        )
    if quantize is not None:
        check_int8(resolved_device, resolved_dtype, resolved_backend)
    checkpoint = find_checkpoint(model)
    family = _family(checkpoint)
    if resolved_backend != "openvino":  # which refuses what this CPU cannot
        warn_of_slow_dtype(resolved_dtype, resolved_device)
    with _LOADING:  # two threads must not load one model twice
        encoder = _load(family, checkpoint, resolved_device, resolved_dtype, quantize or resolved_backend)
    return _resizing(encoder, resize)


def _resizing(encoder: ImageTextEncoder, resize: Resize) -> ImageTextEncoder:
    """Return an encoder of the same weights that shrinks images as asked for.

    Raises:
        InputError: it does so in a way of its own, or torchvision does not load.
    """
    if resize == "auto":
        return encoder
    if not hasattr(encoder, "with_resize"):
        raise InputError(
            f"resize ({resize!r}) says nothing about an encoder of type {type(encoder).__name__}, which prepares "
            "images in its own way; leave it out"
        )
    chosen: ImageTextEncoder = encoder.with_resize(resize)
    return chosen


def load_text_side(model: Any) -> ImageTextEncoder | TextSide:
    """Load what reads the texts of a model, without weights and without a GPU.

    Args:
        model: as for ``load_image_text_encoder``; an encoder is returned as it is.

    Raises:
        ModelNotFoundError, ModelError, InputError: as ``load_image_text_encoder``.
    """
    ready = _without_checkpoint(model)
    if ready is not None:
        return ready
    from vqe_core.encoders.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(model)
    family = _family(checkpoint)
    if not hasattr(family, "load_text_side"):  # of another package
        return load_image_text_encoder(model, device="cpu")
    side: TextSide = family.load_text_side(checkpoint)
    return side


def _without_checkpoint(model: Any) -> ImageTextEncoder | None:
    """Return the encoder itself, or the one that a spec names; None for what names a checkpoint."""
    if isinstance(model, ImageTextEncoder):
        return model
    name = model.partition(":")[0] if isinstance(model, str) else ""
    if name not in registry.names("encoder") or hasattr(registry.load("encoder", name), "load"):
        return None  # a family of checkpoints is chosen by the checkpoint
    encoder: ImageTextEncoder = registry.create("encoder", str(model))
    return encoder


def _family(checkpoint: Any) -> Any:
    try:
        return registry.load("encoder", checkpoint.model_type)
    except InputError as error:
        known = ", ".join(registry.names("encoder"))
        raise ModelError(
            f"checkpoint {checkpoint.name!r} is of type {checkpoint.model_type!r}; image-text families are {known}"
        ) from error


_LOADING = ProcessLock()


# Kept for the process, as a metric computes again and again; two, as two metrics may use different models.
@lru_cache(maxsize=2)
def _load(family: Any, checkpoint: Any, device: str, dtype: Any, backend: Computing) -> ImageTextEncoder:
    encoder: ImageTextEncoder = family.load(checkpoint, device, dtype, backend)
    return encoder


def unload_encoders() -> None:
    """Free the encoders kept for this process."""
    _load.cache_clear()
