"""The CLIP families: where each has its text embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vqe_core.encoders.backends.batch_size import suited_threads
from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.dual_encoder import DualEncoder
from vqe_core.errors import ModelError
from vqe_core.options import Computing
from vqe_core.runtime import own_precision

CONTEXT = 77  # ids, of the original CLIP; its tokenizer is saved with this limit beside longer tables too


@dataclass(frozen=True)
class ClipEncoder(DualEncoder):
    """CLIP (Radford et al., 2021) and MetaCLIP 2 checkpoints, those with long position tables (Long-CLIP) among them.

    Token embeddings are the text projection of the last hidden state, as in the published EMScore; the whole text is
    the embedding of the end token, found by its place, as old checkpoints misname its id.
    """

    length_step: ClassVar[int] = 4  # the text tower is causal
    stock_limit: ClassVar[int | None] = CONTEXT

    def signature(self) -> dict[str, str]:
        """Return everything about the encoder that can change an embedding; a context that is not CLIP's is named."""
        context = self.tokenizer.context
        return {**super().signature(), **({"context": str(context)} if context > CONTEXT else {})}


@dataclass(frozen=True)
class ChineseClipEncoder(DualEncoder):
    """Chinese-CLIP (Yang et al., 2022): BERT, projected like its class token."""

    whole_position: ClassVar[Literal["first", "last"]] = "first"


@dataclass(frozen=True)
class AltClipEncoder(DualEncoder):
    """AltCLIP (Chen et al., 2022): XLM-RoBERTa, multilingual."""

    whole_position: ClassVar[Literal["first", "last"]] = "first"

    @classmethod
    def text_positions(cls, text_config: Any) -> int:
        """Return the usable positions: RoBERTa counts from the padding id on, so that many are never used."""
        return int(text_config.max_position_embeddings) - int(text_config.pad_token_id or 0) - 1


@dataclass(frozen=True)
class SiglipEncoder(DualEncoder):
    """SigLIP (Zhai et al., 2023) and SigLIP 2 (Tschannen et al., 2025) checkpoints of fixed resolution."""

    has_token_embeddings: ClassVar[bool] = False

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype, backend: Computing = "torch") -> DualEncoder:
        """Load a checkpoint; NaFlex ones, which take images of any shape as patches, are refused."""
        if checkpoint.model_type == "siglip2":
            raise ModelError(
                f"checkpoint {checkpoint.name!r} is a NaFlex SigLIP 2, which is not supported; "
                "use a fixed resolution one, for example google/siglip2-base-patch16-224"
            )
        return super().load(checkpoint, device, dtype, backend)

    def _padded_length(self, length: int) -> int:
        return self.text_positions(self.model.config.text_config)

    @torch.inference_mode()
    @own_precision()
    def _embed_windows(self, windows: Sequence[tuple[int, ...]]) -> list[tuple[Tensor | None, Tensor]]:
        size = self._padded_length(0)
        padding: Any = self.tokenizer.inner.pad_token_id or 0
        fill = [[padding] * (size - len(w)) for w in windows]
        left = self.tokenizer.inner.padding_side == "left"
        rows = [[*f, *w] if left else [*w, *f] for w, f in zip(windows, fill, strict=True)]
        ids = torch.tensor(rows, device=self.device)
        # No attention mask: padding was attended in training.
        with suited_threads(self.model.config.text_config):
            pooled = self.model.get_text_features(input_ids=ids).pooler_output
            return [(None, whole) for whole in normalize(pooled.float(), dim=-1).cpu()]
