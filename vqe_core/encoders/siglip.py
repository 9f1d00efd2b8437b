"""SigLIP and SigLIP 2: one embedding a text, none a token.

The text tower is read at the last of exactly 64 positions, padding included and unmasked, as it was trained;
other positions never met a picture in training, so fine-grained scores would be noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vqe_core.choices import Backend
from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.image_text import DualEncoder
from vqe_core.encoders.precision import own_precision
from vqe_core.errors import ModelError


@dataclass(frozen=True)
class SiglipEncoder(DualEncoder):
    """SigLIP (Zhai et al., 2023) and SigLIP 2 (Tschannen et al., 2025) checkpoints of fixed resolution."""

    has_token_embeddings: ClassVar[bool] = False

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype, backend: Backend = "torch") -> DualEncoder:
        """As every encoder; NaFlex checkpoints are refused, they take pictures of any shape as patches."""
        if checkpoint.model_type == "siglip2":
            raise ModelError(
                f"checkpoint {checkpoint.name!r} is a NaFlex SigLIP 2, which is not supported; "
                "use a fixed resolution one, for example google/siglip2-base-patch16-224"
            )
        return super().load(checkpoint, device, dtype, backend)

    @torch.inference_mode()
    @own_precision()
    def _embed_windows(self, windows: Sequence[tuple[int, ...]]) -> list[tuple[Tensor | None, Tensor]]:
        size = self.text_positions(self.model.config.text_config)
        padding: Any = self.tokenizer.inner.pad_token_id or 0
        fill = [[padding] * (size - len(w)) for w in windows]
        left = self.tokenizer.inner.padding_side == "left"
        rows = [[*f, *w] if left else [*w, *f] for w, f in zip(windows, fill, strict=True)]
        ids = torch.tensor(rows, device=self.device)
        # No attention mask: padding was attended in training.
        pooled = self.model.get_text_features(input_ids=ids).pooler_output
        return [(None, whole) for whole in normalize(pooled.float(), dim=-1).cpu()]
