"""Chinese-CLIP and AltCLIP: bidirectional text towers, the first token stands for the whole text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from vqe_core.encoders.image_text import DualEncoder


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
        """RoBERTa counts positions from the padding id on, so that many are never used."""
        return int(text_config.max_position_embeddings) - int(text_config.pad_token_id or 0) - 1
