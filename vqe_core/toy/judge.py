"""A judge of toy captions: a model on disk, through the real classes and kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoProcessor, CLIPModel, CLIPProcessor

from vqe_core.errors import InputError
from vqe_core.functional.emscore import EmbeddedBatch, EMScores, emscore, mean_direction


@dataclass(frozen=True, eq=False)
class Judge:
    """A model and its processor; scores are EMScore(X,V) without IDF, start and end tokens kept."""

    model: CLIPModel
    processor: CLIPProcessor

    @classmethod
    def load(cls, folder: Path) -> Judge:
        """Load a model folder."""
        model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        return cls(model, AutoProcessor.from_pretrained(folder))

    def untrained(self, seed: int = 0) -> Judge:
        """Return a control of the same configuration with random weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Judge(CLIPModel(self.model.config).eval(), self.processor)

    @torch.no_grad()
    def embed_videos(self, videos: Sequence[np.ndarray]) -> EmbeddedBatch:
        """Embed B videos of equally many frames, uint8 (N, H, W, 3) each."""
        rows = []
        for frames in videos:
            pixel_values = self.processor(images=list(frames), return_tensors="pt")["pixel_values"]
            rows.append(self.model.get_image_features(pixel_values=pixel_values).pooler_output)
        parts = F.normalize(torch.stack(rows), dim=-1)  # (B, N, D)
        mask = torch.ones(parts.shape[:2], dtype=torch.bool)
        return EmbeddedBatch(parts, mask, mean_direction(parts, mask))

    @torch.no_grad()
    def embed_captions(self, texts: Sequence[str]) -> EmbeddedBatch:
        """Embed B captions, token by token and as a whole."""
        batch = self.processor(text=list(texts), return_tensors="pt", padding=True, truncation=True)
        states = self.model.text_model(**batch)
        parts = F.normalize(self.model.text_projection(states.last_hidden_state), dim=-1)  # (B, L, D)
        whole = F.normalize(self.model.text_projection(states.pooler_output), dim=-1)
        return EmbeddedBatch(parts, batch["attention_mask"].bool(), whole)

    def score(self, texts: Sequence[str], videos: EmbeddedBatch) -> EMScores:
        """Score caption i against video i: seven float (B,) tensors."""
        return emscore(self.embed_captions(texts), videos)

    def score_all(self, texts: Sequence[str], videos: EmbeddedBatch) -> Tensor:
        """Return full_F of every caption against every video, float (C, B)."""
        count = len(texts)
        captions = take(self.embed_captions(texts), torch.arange(count).repeat_interleave(len(videos.whole)))
        pairs = take(videos, torch.arange(len(videos.whole)).repeat(count))
        return emscore(captions, pairs).full_F.view(count, -1)


def take(batch: EmbeddedBatch, rows: Tensor) -> EmbeddedBatch:
    """Select rows int64 (R,)."""
    parts, mask = parts_of(batch)
    return EmbeddedBatch(parts[rows], mask[rows], batch.whole[rows])


def parts_of(batch: EmbeddedBatch) -> tuple[Tensor, Tensor]:
    """Return parts and mask of a batch, which ``Judge`` always gives both."""
    if batch.parts is None or batch.mask is None:
        raise InputError("batch must have parts and a mask, got None")
    return batch.parts, batch.mask
