"""One video and its sound: what is compared, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from vqe_core.errors import VqeError
from vqe_core.samplers import FrameSampler
from vqe_core.scorers.video_audio.bridges import Tags
from vqe_core.scorers.video_audio.rows import SoundSource
from vqe_core.types import MediaSource
from vqe_core.workers import RowClock


@dataclass(frozen=True)
class SoundPair:
    """One video of a row with the row's sound.

    Attributes:
        row: number of the row.
        video: the video.
        audio: its sound, None for the video's own track.
        description: the sound in words, None where there are none yet.
        clock: what decoding it has taken, video and sound together.
    """

    row: int
    video: MediaSource
    audio: SoundSource | None
    description: str | None = None
    clock: RowClock = field(default_factory=RowClock, repr=False, compare=False)

    @property
    def sources(self) -> list[MediaSource]:
        """Sources that there are to decode."""
        return [self.video, self.audio] if isinstance(self.audio, MediaSource) else [self.video]


@dataclass(frozen=True, eq=False)
class PairResult:
    """Result of one pair.

    Attributes:
        similarities: float (n,), cosine of each sampled frame, or of each window; or a judge's one number.
        visual: float (D,), mean of the frame or window embeddings, as the model gives them; empty of a judge.
        sound: float (D,), likewise of the sound; with ``visual`` it makes the N x N matrix of a call.
        reader: what decoded the images, with versions.
        logit: the joint model's own score, None by other methods.
        tags, description: the words that stood for the sound, by those methods.
        reason: what a judge said beside its number.
        profile: see ``profile_entry``, where asked for.
        notes: warnings for the row.
    """

    similarities: Tensor
    visual: Tensor = field(default_factory=lambda: torch.empty(0))
    sound: Tensor = field(default_factory=lambda: torch.empty(0))
    reader: str = ""
    logit: float | None = None
    tags: Tags | None = None
    description: str | None = None
    reason: str | None = None
    profile: dict[str, Any] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()


class Comparison(Protocol):
    """A way to compare; ``name`` goes into the signature."""

    name: ClassVar[str]

    def compare(self, pairs: Sequence[SoundPair]) -> list[PairResult | VqeError]:
        """Compare each pair; one that fails gives its error."""
        ...

    def logits(self, visual: Tensor, sound: Tensor) -> Tensor:
        """Return what ranks pairs: (N, D) means of images, (M, D) of audio -> (N, M)."""
        ...

    def signature(self) -> dict[str, Any]:
        """Return everything about the models that can change a similarity."""
        ...

    @property
    def space(self) -> str | None:
        """Name of the embedding space; None of a judge, who has none, so that there are no mismatches."""
        ...

    @property
    def sampler(self) -> FrameSampler:
        """Which frames of a video, or of each window, are compared."""
        ...
