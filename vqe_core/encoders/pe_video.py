"""PE-Video, and the video and text towers of PE-AV: Perception Encoder for clips (facebook/pe-av-*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.pe_av import FRAMES, check_packages, loadable_class
from vqe_core.encoders.video_encoder import VideoEncoder, load_fixed_frames
from vqe_core.encoders.weights import load_model
from vqe_core.options import Computing
from vqe_core.runtime import own_precision


@dataclass(frozen=True)
class PeVideoEncoder(VideoEncoder):
    """PE-Video checkpoints.

    Those with a fixed number of frames see that many, spread over the clip. The others take any number, and were
    trained on every frame: all sampled frames are one clip, 16 where the options do not say. Embeddings are compared by
    their cosine; the model's own logit uses their lengths too.
    """

    whole_position: ClassVar[Literal["first", "last"]] = "first"

    fixed_frames: int | None = field(default=None, kw_only=True)

    @classmethod
    def load(
        cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype, backend: Computing = "torch"
    ) -> PeVideoEncoder:
        """Load weights, tokenizer and video processor of ``checkpoint``.

        Raises:
            InputError: a backend that only runs image towers.
            MissingPackageError: timm or torchvision is missing.
        """
        check_packages(checkpoint.name)
        loaded: Any = super().load(checkpoint, device, dtype, backend)
        return replace(loaded, fixed_frames=load_fixed_frames(checkpoint.folder))

    @property
    def vision_config(self) -> Any:
        """Configuration of the tower that sees."""
        return self.model.config.video_config

    @property
    def clip_frames(self) -> int:
        """Frames of a clip, or those it is best given with."""
        return self.fixed_frames or FRAMES

    @property
    def any_length(self) -> bool:
        """True where a clip may have any number of frames."""
        return self.fixed_frames is None

    @staticmethod
    def pooled(model: Any, pixel_values: Tensor) -> Tensor:
        """Embed normalised clips, (B, T, 3, h, w) -> (B, D)."""
        # The model's own getters fail in transformers 5.23; these are their steps.
        pooled: Tensor = model.video_head(model.video_encoder(pixel_values_videos=pixel_values).pooler_output)
        return pooled

    @torch.inference_mode()
    @own_precision()
    def _embed_windows(self, windows: Sequence[tuple[int, ...]]) -> list[tuple[Tensor | None, Tensor]]:
        ids = torch.tensor(windows, device=self.device)  # of one length
        read = self.model.text_model(
            input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, return_dict=True
        )
        pooled = self.model.text_video_head(read.hidden_states[-1][:, 0])
        return [(None, whole) for whole in normalize(pooled.float(), dim=-1).cpu()]


@dataclass(frozen=True)
class PeAvVideoEncoder(PeVideoEncoder):
    """The video and text towers of a PE-AV checkpoint; ``pe_av.py`` has those of audio and video."""

    @classmethod
    def load_weights(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> Any:
        """Load the model, and keep what sees and reads."""
        return load_model(checkpoint, dtype, device, model_class=loadable_class()).video_model
