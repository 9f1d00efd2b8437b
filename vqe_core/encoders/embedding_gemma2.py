"""EmbeddingGemma 2: text, images, video and audio in one space. Experimental here.

Its makers publish no score of audio against video: text is the pivot of its training, so check on own data that it
tells right from wrong audio before trusting it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from vqe_core.encoders.audio_inputs import check_waveforms, check_windows, embed_in_groups, embed_side_by_side
from vqe_core.encoders.base import Waveform
from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.image_processing import torchvision_works
from vqe_core.encoders.weights import load_model, model_signature
from vqe_core.errors import InputError, MissingPackageError, ModelError
from vqe_core.media.video.sizes import of_one_size
from vqe_core.runtime import own_precision
from vqe_core.types import Frames


@dataclass(frozen=True)
class EmbeddingGemma2Encoder:
    """An EmbeddingGemma 2 checkpoint (google/embeddinggemma-2), a ``JointEncoder``."""

    window: ClassVar[float] = 10.0  # seconds
    longest: ClassVar[float] = 30.0  # seconds; its feature extractor drops the rest without a word
    frames_per_window: ClassVar[int] = 10  # one a second, the rate of its own video processor

    checkpoint: Checkpoint
    device: str
    dtype: torch.dtype
    model: Any = field(repr=False, compare=False)
    processor: Any = field(repr=False, compare=False)

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> EmbeddingGemma2Encoder:
        """Load weights and processor of ``checkpoint``.

        Raises:
            InputError: ``dtype`` is float16, whose range the model leaves.
            ModelError: a checkpoint without audio or vision tower.
            MissingPackageError: torchvision is missing.
        """
        if dtype is torch.float16:
            raise InputError(f"dtype ('float16') gives NaN with {checkpoint.name!r}; use 'float32' or 'bfloat16'")
        lacking = [part for part in ("audio_config", "vision_config") if not checkpoint.config.get(part)]
        if lacking:
            raise ModelError(f"checkpoint {checkpoint.name!r} has no {' and no '.join(lacking)}; use the whole model")
        if not torchvision_works():  # the video processor is built on it
            raise MissingPackageError(
                f"model {checkpoint.name!r} needs a torchvision that loads: pip install torchvision"
            )
        from transformers import AutoProcessor

        model = load_model(checkpoint, dtype, device)
        processor = AutoProcessor.from_pretrained(checkpoint.folder, local_files_only=True, trust_remote_code=False)
        processor.feature_extractor.dither = 0.0  # random noise: the same audio must score the same
        return cls(checkpoint, device, dtype, model, processor)

    @property
    def space(self) -> str:
        """Name of the space of audio and video."""
        return self.checkpoint.space

    @property
    def sampling_rate(self) -> int:
        """Hz."""
        return int(self.processor.feature_extractor.sampling_rate)

    def signature(self) -> dict[str, str]:
        """Return everything about the encoder that can change an embedding."""
        return model_signature(self.checkpoint, self.device, self.dtype)

    def embed_audio(self, waveforms: Sequence[Waveform], *, batch_size: int = 16) -> Tensor:
        """Embed audio.

        Args:
            waveforms: mono float (T,) in [-1, 1] at ``sampling_rate``, 25 ms to 30 s each.
            batch_size: waveforms of one length a forward pass of a GPU.

        Returns:
            float32 (S, D) on the CPU: the mean over all tokens, not normalised.

        Raises:
            InputError: see ``check_waveforms``.
        """
        fewest = int(self.processor.feature_extractor.frame_length) + 1
        checked = check_waveforms(
            waveforms, sampling_rate=self.sampling_rate, longest=self.longest, fewest_samples=fewest
        )
        return embed_side_by_side(checked, self._inputs, self._pooled, batch_size, self.device, alike=len)

    def _inputs(self, waveforms: list[np.ndarray]) -> Any:
        return self.processor(audio=waveforms, sampling_rate=self.sampling_rate, return_tensors="pt")

    def embed_video(self, windows: Sequence[Frames], *, batch_size: int = 4) -> Tensor:
        """Embed windows of video.

        Args:
            windows: uint8 (N, H, W, 3) RGB each, evenly spread over the window; all are seen. Of a window whose
                images differ in size, a tuple, they are fitted into the first.
            batch_size: windows of one shape a forward pass.

        Returns:
            float32 (B, D) on the CPU: the mean over all tokens, not normalised.

        Raises:
            InputError: see ``check_windows``.
        """
        chosen = [of_one_size(window) for window in check_windows(windows)]
        return embed_in_groups(chosen, lambda w: w.shape, self._embed_frames, batch_size)

    def _embed_frames(self, windows: list[np.ndarray]) -> Tensor:
        # Audio must not enter the embedding of the frames it is compared with: load_audio_from_video stays off.
        return self._pooled(
            self.processor(videos=windows, do_sample_frames=False, load_audio_from_video=False, return_tensors="pt")
        )

    @torch.inference_mode()
    @own_precision()
    def _pooled(self, inputs: Any) -> Tensor:
        moved = {
            name: value.to(self.device, self.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
            if torch.is_tensor(value)
        }
        hidden = self.model(**moved).last_hidden_state.float()
        mask = moved["attention_mask"][..., None].float()
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1)

    def logits(self, video: Tensor, audio: Tensor) -> Tensor:
        """Return the cosine, (B, D), (S, D) -> (B, S): the model has no scale of its own."""
        return normalize(video, dim=-1) @ normalize(audio, dim=-1).T
