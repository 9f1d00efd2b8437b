"""CLIP and MetaCLIP 2: causal text towers, the end token stands for the whole text."""

from __future__ import annotations

from dataclasses import dataclass

from vqe_core.encoders.image_text import DualEncoder


@dataclass(frozen=True)
class ClipEncoder(DualEncoder):
    """CLIP (Radford et al., 2021) and MetaCLIP 2 checkpoints.

    Token embeddings are the text projection of the last hidden state, as in the published EMScore; the whole
    text is the embedding of the end token, found by its place, as old checkpoints misname its id.
    """
