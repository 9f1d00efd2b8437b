"""Image preprocessing: resize, crop and normalise as the checkpoint's image processor says.

Resizing runs on uint8: by torchvision where it loads (fastest), else by PIL. In up to one of a hundred values they
differ by a grey level, 0.016 after normalisation (rarely by two, where the filter overshoots), so the signature names
the one that ran.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vqe_core.errors import InputError, MediaError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
BICUBIC = 3  # PIL's number, as image processors save it

# PIL's numbers of the filters that torchvision has for tensors: no box, hamming or lanczos.
TENSOR_FILTERS = (0, 2, 3)

# Pixels between resizing and cropping: at 224, of an image 600 times as long as it is wide.
MOST_RESIZED = 2**25


@lru_cache(maxsize=1)
def torchvision_works() -> bool:
    """Tell whether torchvision loads; beside a CPU-only torch it raises RuntimeError, not ImportError.

    One that is installed but does not load is hidden from this process: transformers looks only whether it is
    installed, and then fails to import any model.
    """
    try:
        import torchvision.transforms.v2.functional  # noqa: F401
    except ImportError:
        return False
    except (OSError, RuntimeError, AttributeError):
        _hide("torchvision")
        return False
    return True


def _hide(package: str) -> None:
    """Make ``import package`` and every look for it fail as if it were not installed."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    sys.modules[package] = None  # type: ignore[assignment]  # what importlib reads as "not there"
    if "transformers" in sys.modules:
        from transformers.utils import import_utils

        looks = ("is_torchvision_available", "is_torchvision_v2_available", "_is_package_available")
        for look in (getattr(import_utils, name, None) for name in looks):
            getattr(look, "cache_clear", lambda: None)()


@dataclass(frozen=True)
class Preprocessing:
    """Settings of one image processor.

    Attributes:
        resize: target of the shorter edge (int), exact (height, width), or None for no resizing.
        crop: (height, width) cut from the centre, or None.
        resample: PIL's number of the filter.
        scale, mean, std: normalised = (pixel * scale - mean) / std.
        backend: ``"torchvision"`` or ``"pil"``.
    """

    resize: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    resample: int = BICUBIC
    scale: float = 1 / 255
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD
    backend: str = "torchvision"

    def by(self, backend: str) -> Preprocessing:
        """Return the same settings by ``"torchvision"`` or ``"pil"``.

        Raises:
            InputError: torchvision does not load, or has no such filter.
        """
        if backend == "torchvision" and not (torchvision_works() and self.resample in TENSOR_FILTERS):
            why = "does not load" if self.resample in TENSOR_FILTERS else "has not the filter of this model"
            raise InputError(f"resize ('torchvision'): torchvision {why}; use 'pil', or leave it out")
        return replace(self, backend=backend)

    def prepare(self, pixels: np.ndarray) -> Tensor:
        """Resize and crop one image, uint8 (H, W, 3) RGB -> uint8 (3, h, w).

        Raises:
            MediaError: code ``too_large``, the image is so long and narrow that resizing would fill the memory.
        """
        size = self._target_size(pixels.shape[0], pixels.shape[1])
        if size[0] * size[1] > MOST_RESIZED:
            raise MediaError(
                f"an image of {pixels.shape[1]} x {pixels.shape[0]} pixels would become {size[1]} x {size[0]} for the "
                f"model, more than {MOST_RESIZED} pixels; cut it or pad it to a less extreme shape",
                code="too_large",
            )
        if size != pixels.shape[:2]:
            pixels_out = self._resized(pixels, size)
        else:
            pixels_out = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
        return _center_crop(pixels_out, self.crop).contiguous() if self.crop else pixels_out.contiguous()

    def normalise(self, batch: Tensor, dtype: torch.dtype) -> Tensor:
        """Normalise uint8 (B, 3, h, w) to ``dtype`` (B, 3, h, w), on the batch's device."""
        mean = torch.tensor(self.mean, device=batch.device)[:, None, None]
        std = torch.tensor(self.std, device=batch.device)[:, None, None]
        return ((batch.float() * self.scale - mean) / std).to(dtype)

    def _target_size(self, height: int, width: int) -> tuple[int, int]:
        if self.resize is None:
            return height, width
        if isinstance(self.resize, tuple):
            return self.resize
        short, long = min(height, width), max(height, width)
        longer = int(self.resize * long / short)
        return (self.resize, longer) if height <= width else (longer, self.resize)

    def _resized(self, pixels: np.ndarray, size: tuple[int, int]) -> Tensor:
        if self.backend == "pil":
            resample = Image.Resampling(self.resample)
            image = Image.fromarray(pixels).resize((size[1], size[0]), resample)
            return torch.from_numpy(np.array(image)).permute(2, 0, 1)
        from torchvision.transforms.v2 import InterpolationMode
        from torchvision.transforms.v2 import functional as transforms

        # channels-last in memory, torchvision's fast path
        view = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
        mode = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}[self.resample]
        return transforms.resize(view, list(size), interpolation=InterpolationMode(mode), antialias=True)[0]


def _center_crop(pixels: Tensor, crop: tuple[int, int]) -> Tensor:
    """Cut the centre, rounding as the published code's torchvision does; zeros where the image is smaller."""
    height, width = pixels.shape[-2:]
    if height < crop[0] or width < crop[1]:
        bottom, right = max(0, crop[0] - height), max(0, crop[1] - width)
        pad = (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2)
        pixels = torch.nn.functional.pad(pixels, pad)
        height, width = pixels.shape[-2:]
    top, left = round((height - crop[0]) / 2), round((width - crop[1]) / 2)
    return pixels[:, top : top + crop[0], left : left + crop[1]]


def load_preprocessing(folder: Path, image_size: int) -> Preprocessing:
    """Read the checkpoint's image processor; OpenAI's preprocessing at ``image_size`` where it has none."""
    backend = "torchvision" if torchvision_works() else "pil"
    if not any((folder / file).is_file() for file in ("preprocessor_config.json", "processor_config.json")):
        return Preprocessing(image_size, (image_size, image_size), backend=backend)
    # From its own module: the name in the package asks for torchvision in older releases.
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    return preprocessing_of(
        AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True, trust_remote_code=False)
    )


def preprocessing_of(saved: Any) -> Preprocessing:
    """Return the settings of a loaded processor of images, or of the frames of videos."""
    backend = "torchvision" if torchvision_works() else "pil"
    resample = int(getattr(saved, "resample", BICUBIC) or BICUBIC)
    normalise = getattr(saved, "do_normalize", True)
    return Preprocessing(
        resize=_resize_target(saved) if getattr(saved, "do_resize", True) else None,
        crop=_pair(saved.crop_size) if getattr(saved, "do_center_crop", False) else None,
        resample=resample,
        scale=float(saved.rescale_factor) if getattr(saved, "do_rescale", True) else 1.0,
        mean=tuple(saved.image_mean) if normalise else (0.0, 0.0, 0.0),
        std=tuple(saved.image_std) if normalise else (1.0, 1.0, 1.0),
        backend=backend if resample in TENSOR_FILTERS else "pil",
    )


def _resize_target(saved: Any) -> int | tuple[int, int]:
    size = saved.size
    edge = size.get("shortest_edge") if hasattr(size, "get") else getattr(size, "shortest_edge", None)
    return int(edge) if edge else _pair(size)


def _pair(size: Any) -> tuple[int, int]:
    return int(size["height"]), int(size["width"])
