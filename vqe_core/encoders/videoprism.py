"""VideoPrism with a text tower (LvT): a factorised video encoder, contrastively trained with captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vqe_core.encoders.video_encoder import VideoEncoder
from vqe_core.runtime import own_precision


@dataclass(frozen=True)
class VideoPrismEncoder(VideoEncoder):
    """VideoPrism LvT (Zhao et al., 2024) checkpoints, such as google/videoprism-lvt-base-f16r288: 16 frames.

    The text tower appends a class token of its own, which has no id: idf and words end with the text.
    """

    whole_position: ClassVar[Literal["first", "last"]] = "last"

    @staticmethod
    def pooled(model: Any, pixel_values: Tensor) -> Tensor:
        """Embed normalised clips, (B, T, 3, h, w) -> (B, D)."""
        pooled: Tensor = model.get_video_features(pixel_values_videos=pixel_values).pooler_output
        return pooled.reshape(-1, pooled.shape[-1])  # the pooling head has an axis of its own

    @torch.inference_mode()
    @own_precision()
    def _embed_windows(self, windows: Sequence[tuple[int, ...]]) -> list[tuple[Tensor | None, Tensor]]:
        # Windows of a batch have one length. Without a mask the tower would look ahead, which it was not trained to.
        ids = torch.tensor(windows, dtype=torch.long, device=self.device)
        pooled = self.model.get_text_features(input_ids=ids, attention_mask=torch.ones_like(ids)).pooler_output
        return [(None, whole) for whole in normalize(pooled.float(), dim=-1).cpu()]
