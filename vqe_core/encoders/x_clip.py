"""X-CLIP: a CLIP whose frames exchange messages, and whose video is embedded from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.clip import CONTEXT
from vqe_core.encoders.image_processing import Preprocessing, load_preprocessing
from vqe_core.encoders.video_encoder import VideoEncoder


@dataclass(frozen=True)
class XClipEncoder(VideoEncoder):
    """X-CLIP (Ni et al., 2022) checkpoints, such as microsoft/xclip-base-patch32: 8 to 32 frames.

    Texts are embedded for themselves. The model's own logits add, to each text, a prompt made from the video that it is
    compared with (``prompts_generator``); a caption has one embedding here, whatever it is compared with, so that
    cosines of captions and references mean something. Numbers differ from those logits.
    """

    length_step: ClassVar[int] = 4  # the text tower is causal
    stock_limit: ClassVar[int | None] = CONTEXT

    @classmethod
    def load_frame_processor(cls, checkpoint: Checkpoint, model: Any) -> Preprocessing:
        """Read the checkpoint's image processor."""
        return load_preprocessing(checkpoint.folder, int(model.config.vision_config.image_size))

    @staticmethod
    def pooled(model: Any, pixel_values: Tensor) -> Tensor:
        """Embed normalised clips, (B, T, 3, h, w) -> (B, D)."""
        pooled: Tensor = model.get_video_features(pixel_values=pixel_values).pooler_output
        return pooled

    def _embed_windows(self, windows: Sequence[tuple[int, ...]]) -> list[tuple[Tensor | None, Tensor]]:
        return [(None, whole) for _, whole in super()._embed_windows(windows)]
