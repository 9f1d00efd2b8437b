"""Encoders that see motion: clips of frames and texts to unit embeddings of one space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from vqe_core.encoders.backends.batch_size import ON_CPU
from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.dual_encoder import DualEncoder
from vqe_core.encoders.image_processing import Preprocessing, preprocessing_of, torchvision_works
from vqe_core.encoders.weights import load_model
from vqe_core.errors import InputError, MissingPackageError
from vqe_core.options import Computing

ON_GPU = 64  # frames a batch


@dataclass(frozen=True)
class VideoEncoder(DualEncoder):
    """A video tower and a text tower with one space: a ``VideoTextEncoder``.

    A clip is ``clip_frames`` frames, each resized and cropped by itself, embedded together. There are no token
    embeddings, as there are no frame embeddings to match them with: of EMScore only the global score exists.
    A family is a subclass that says where its weights, its number of frames and its embeddings are.
    """

    has_token_embeddings: ClassVar[bool] = False

    @classmethod
    def load(
        cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype, backend: Computing = "torch"
    ) -> VideoEncoder:
        """Load weights, tokenizer and frame processor of ``checkpoint``.

        Raises:
            InputError: a backend that only runs image towers.
        """
        if backend != "torch":
            name, way_out = ("quantize", "leave it out") if backend == "int8" else ("backend", "use backend='torch'")
            raise InputError(
                f"{name} ({backend!r}) runs towers of single images, and checkpoint {checkpoint.name!r} is of type "
                f"{checkpoint.model_type!r}, which embeds whole clips; {way_out}"
            )
        model = cls.load_weights(checkpoint, device, dtype)
        tokenizer = cls.load_tokenizer(checkpoint, model.config.text_config)
        preprocessing = cls.load_frame_processor(checkpoint, model)
        tower: Callable[[Tensor], Tensor] = partial(_embedded, cls.pooled, model, preprocessing)
        return cls(checkpoint, device, dtype, model, tokenizer, preprocessing, tower)

    @classmethod
    def load_weights(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> Any:
        """Load the model."""
        return load_model(checkpoint, dtype, device)

    @classmethod
    def load_frame_processor(cls, checkpoint: Checkpoint, model: Any) -> Preprocessing:
        """Read how a frame is resized and cropped. Default: as the checkpoint's video processor says."""
        return load_video_preprocessing(checkpoint.folder)

    @staticmethod
    def pooled(model: Any, pixel_values: Tensor) -> Tensor:
        """Embed normalised clips, (B, T, 3, h, w) -> (B, D)."""
        raise NotImplementedError

    @property
    def clip_frames(self) -> int:
        """Frames of a clip."""
        return int(self.vision_config.num_frames)

    @property
    def any_length(self) -> bool:
        """True where a clip may have any number of frames; ``clip_frames`` is then what it is best given with."""
        return False

    def signature(self) -> dict[str, str]:
        """Return everything about the encoder that can change an embedding."""
        return {**super().signature(), "clip_frames": "any" if self.any_length else str(self.clip_frames)}

    def text_signature(self) -> dict[str, str]:
        """Return what of the signature can change the embedding of a text."""
        return {name: value for name, value in super().text_signature().items() if name != "clip_frames"}

    @property
    def image_batch(self) -> int:
        """Frames a batch, as whole clips."""
        clips = (ON_CPU if torch.device(self.device).type != "cuda" else ON_GPU) // self.clip_frames
        return max(1, clips) * self.clip_frames

    def embed_videos(self, clips: Tensor) -> Tensor:
        """Embed clips of prepared frames.

        Args:
            clips: uint8 (B, T, 3, h, w), T the encoder's ``clip_frames``, or any where it takes ``any_length``.

        Returns:
            float32 (B, D) unit rows on the CPU.

        Raises:
            InputError: another number of frames.
        """
        if clips.ndim != 5 or (clips.shape[1] != self.clip_frames and not self.any_length):
            raise InputError(
                f"clips must be (B, {self.clip_frames}, 3, h, w) for checkpoint {self.checkpoint.name!r}, got "
                f"{tuple(clips.shape)}"
            )
        return torch.cat(self.image_batches.run(self._embed_images, clips))

    def embed_images(self, images: Tensor) -> Tensor:
        """Embed still images as clips in which nothing moves, uint8 (B, 3, h, w) -> float32 (B, D) unit rows."""
        return self.embed_videos(images[:, None].expand(-1, self.clip_frames, -1, -1, -1).contiguous())


def _embedded(
    pooled: Callable[[Any, Tensor], Tensor], model: Any, preprocessing: Preprocessing, clips: Tensor
) -> Tensor:
    return pooled(model, preprocessing.normalise(clips, model.dtype))


def load_video_preprocessing(folder: Path) -> Preprocessing:
    """Read the checkpoint's video processor: of a frame it does what an image processor does of an image.

    Raises:
        MissingPackageError: torchvision, which video processors of transformers are made of, does not load.
    """
    if not torchvision_works():
        raise MissingPackageError(f"model {folder.name!r} needs a torchvision that loads: pip install torchvision")
    return preprocessing_of(_video_processor(folder))


def load_fixed_frames(folder: Path) -> int | None:
    """Read how many frames the checkpoint's video processor picks of a clip, None where it takes them all."""
    return getattr(_video_processor(folder), "num_frames", None) or None


def _video_processor(folder: Path) -> Any:
    from transformers import AutoVideoProcessor

    return AutoVideoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
