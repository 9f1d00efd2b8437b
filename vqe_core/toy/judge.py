"""Judges of toy captions: a model on disk, through the real classes and kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoProcessor, CLIPModel, CLIPProcessor

from vqe_core.encoders import ImageTextEncoder, load_image_text_encoder
from vqe_core.errors import InputError
from vqe_core.functional.emscore import EmbeddedBatch, EMScores, emscore, mean_direction
from vqe_core.llm.judge_prompt import JudgedCaption, Judgement


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


@dataclass(frozen=True)
class ToyCaptionJudge:
    """Judge of captions that is the shipped teaching model: a stand-in for a model behind an endpoint.

    Its number is EMScore's F of tokens and frames, 0 where it would be negative; its reason names the word that the
    frames support least.

    Example:
        >>> from vqe_core.toy.clips import make_clip
        >>> clip = make_clip(seed=7)
        >>> shown = JudgedCaption(clip.frames[::8], None, clip.captions(1)[0])
        >>> ToyCaptionJudge().judge([shown])[0].reason.startswith("least seen: ")
        True
    """

    name: ClassVar[str] = "toy"

    def signature(self) -> dict[str, str]:
        """Return what can change a judgement: the model."""
        return {"judge": self.name, **self._encoder.signature()}

    @property
    def _encoder(self) -> ImageTextEncoder:
        return load_image_text_encoder("toy")

    def judge(self, captions: Sequence[JudgedCaption]) -> list[Judgement]:
        """Return a judgement of each caption, in order; references are not looked at."""
        return [self._judge_one(caption) for caption in captions]

    def _judge_one(self, shown: JudgedCaption) -> Judgement:
        encoder = self._encoder
        images = torch.stack([encoder.prepare_image(image) for image in shown.frames])
        known = getattr(encoder, "known_world", None)
        strange = [] if known is None else [known.is_strange(image) for image in images]
        frames = encoder.embed_images(images)
        (text,) = encoder.embed_texts([shown.caption], long_text="windows", batch_size=1)
        assert text.tokens is not None  # a CLIP
        similarities = text.tokens @ frames.T  # (L, N)
        precision, recall = similarities.amax(dim=1).mean(), similarities.amax(dim=0).mean()
        total = float(precision + recall)
        score = 2 * float(precision * recall) / total if min(precision, recall) > 0 else 0.0
        word = encoder.tokenizer.inner.decode([text.token_ids[int(similarities[1:-1].amax(dim=1).argmin()) + 1]])
        notes = () if known is None else (*known.clip_notes(strange), *known.text_notes(shown.caption))
        reason = f"; {'; '.join(notes)}" if notes else ""
        return Judgement(min(1.0, max(0.0, score)), f"least seen: {word.strip()}{reason}")
