"""Sound to words to images: sounds as directions in the space of a CLIP-type model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqe_core.encoders import ImageTextEncoder
from vqe_core.encoders.base import Tagger, embeds_clips
from vqe_core.functional.similarity import cosine_matrix, top_tags, weighted_direction
from vqe_core.samplers.clips import clip_positions
from vqe_core.types import Frames

TOP_TAGS = 5  # more add noise: the weights of a softmax fall off steeply
FRAMES = 3  # of a window in a profile

Tags = tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class TagBridge:
    """A tagger and an image-text model, in the form of a joint encoder.

    A sound becomes weighted labels; their texts, embedded by the image-text model and summed, point to where
    images of such things lie.
    """

    tagger: Tagger
    encoder: ImageTextEncoder
    labels: tuple[str, ...]
    label_embeddings: Tensor = field(repr=False)
    batch_size: int

    @classmethod
    def build(
        cls, tagger: Tagger, encoder: ImageTextEncoder, labels: Sequence[str] | None, batch_size: int
    ) -> TagBridge:
        """Embed the labels once: the given ones, or the tagger's own."""
        chosen = tuple(labels) if labels is not None else tagger.labels
        prompts = [tagger.photo_prompt.format(label=label) for label in chosen]
        texts = encoder.embed_texts(prompts, long_text="windows", batch_size=batch_size)
        return cls(tagger, encoder, chosen, torch.stack([text.pooled for text in texts]), batch_size)

    @property
    def space(self) -> str:
        """The image-text model's."""
        return self.encoder.space

    @property
    def sampling_rate(self) -> int:
        """Hz, the tagger's."""
        return self.tagger.sampling_rate

    @property
    def window(self) -> float:
        """Seconds, the tagger's."""
        return self.tagger.window

    @property
    def longest(self) -> float:
        """Seconds, the tagger's."""
        return self.tagger.longest

    @property
    def frames_per_window(self) -> int:
        """Frames that stand for a window."""
        return FRAMES

    def signature(self) -> dict[str, str]:
        """Return the signatures of both models."""
        return {**self.encoder.signature(), **self.tagger.signature()}

    def probabilities(self, waveforms: Sequence[np.ndarray]) -> Tensor:
        """Return how well each label names each window of sound, float32 (S, K)."""
        return self.tagger.tag(list(waveforms), self.labels, batch_size=self.batch_size)

    def top(self, probabilities: Tensor, loud: Tensor) -> Tags:
        """Return the labels of a sound, heaviest first, their weights summing to 1; silent windows do not count.

        Args:
            probabilities: float32 (S, K), of its windows.
            loud: bool (S,).
        """
        top = top_tags(probabilities, TOP_TAGS, loud.to(probabilities.dtype))
        return tuple((self.labels[i], float(w)) for i, w in zip(top.indices.tolist(), top.weights, strict=True))

    def direction(self, tags: Tags) -> Tensor:
        """Unit float32 (D,): where images of the tagged things lie."""
        rows = [self.labels.index(label) for label, _ in tags]
        return weighted_direction(self.label_embeddings[rows], torch.tensor([weight for _, weight in tags]))

    def embed_audio(self, waveforms: Sequence[Any], *, batch_size: int = 16) -> Tensor:
        """Direction of each window by itself, float32 (S, D)."""
        one = torch.ones(1)
        return torch.stack([self.direction(self.top(row[None], one)) for row in self.probabilities(waveforms)])

    def embed_video(self, windows: Sequence[Frames], *, batch_size: int = 4) -> Tensor:
        """Return mean of each window's unit frame embeddings, float32 (B, D)."""
        return embed_windows_of_frames(self.encoder, windows)

    def logits(self, video: Tensor, audio: Tensor) -> Tensor:
        """Cosines: the bridge was not trained, so it has no scale of its own."""
        return cosine_matrix(video, audio)


@dataclass(frozen=True, eq=False)
class DescriptionBridge:
    """A described sound in the form of a joint encoder: every window has the direction of the one text."""

    encoder: ImageTextEncoder
    direction: Tensor = field(repr=False)
    window: float
    sampling_rate: int
    longest: float = 3600.0  # a text has no longest window; an hour is the most that is decoded
    frames_per_window: int = FRAMES

    @property
    def space(self) -> str:
        """The image-text model's."""
        return self.encoder.space

    def signature(self) -> dict[str, str]:
        """Return the signature of the image-text model."""
        return self.encoder.signature()

    def embed_audio(self, waveforms: Sequence[Any], *, batch_size: int = 16) -> Tensor:
        """Return the text's direction for every window, float32 (S, D)."""
        return self.direction.expand(len(waveforms), -1)

    def embed_video(self, windows: Sequence[Frames], *, batch_size: int = 4) -> Tensor:
        """Return mean of each window's unit frame embeddings, float32 (B, D)."""
        return embed_windows_of_frames(self.encoder, windows)

    def logits(self, video: Tensor, audio: Tensor) -> Tensor:
        """Cosines."""
        return cosine_matrix(video, audio)


def embed_windows_of_frames(encoder: ImageTextEncoder, windows: Sequence[Frames]) -> Tensor:
    """Return mean unit frame embedding of each window, uint8 (N, H, W, 3) or N images of any sizes, float32 (B, D)."""
    return torch.stack([_embed_window(encoder, window).mean(dim=0) for window in windows])


def _embed_window(encoder: ImageTextEncoder, window: Frames) -> Tensor:
    """Return unit embeddings of a window's frames, or of its clips where the encoder embeds clips."""
    images = torch.stack([encoder.prepare_image(frame) for frame in window])
    if not embeds_clips(encoder):
        return encoder.embed_images(images)
    clips = clip_positions(len(images), encoder.clip_frames, any_length=encoder.any_length)
    return encoder.embed_videos(images[torch.from_numpy(clips)])
