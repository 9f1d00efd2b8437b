"""How sources become embeddings: what a host decides once a call."""

from __future__ import annotations

from dataclasses import dataclass, field

from vqe_core.cache import EmbeddingCache
from vqe_core.choices import Decoder
from vqe_core.embed.views import FrameViews
from vqe_core.encoders.batch_size import USUAL
from vqe_core.media import MediaLimits


@dataclass(frozen=True)
class EmbedSettings:
    """Settings of one call.

    Attributes:
        max_frames: most distinct frames of one video; more are thinned evenly, which the notes say.
        batch_size: frames or texts a forward pass; None: what suits the encoder.
        limits: bounds on what is decoded.
        views: flipped copies to embed beside each frame, right after it.
        cache: where embeddings are looked up and stored; None: nowhere.
        isolate: decode in worker processes; None: where many videos are to be decoded.
        row_timeout: seconds that a worker process may take for one row.
        decoder: what decodes video files.
    """

    max_frames: int = 512
    batch_size: int | None = None
    limits: MediaLimits = field(default_factory=MediaLimits)
    views: FrameViews = field(default_factory=FrameViews)
    cache: EmbeddingCache | None = None
    isolate: bool | None = None
    row_timeout: float = 120.0
    decoder: Decoder = "auto"

    def picture_batch(self, encoder: object) -> int:
        """Pictures a forward pass of ``encoder``, which may know what suits it."""
        return self.batch_size or int(getattr(encoder, "picture_batch", USUAL))

    @property
    def text_batch(self) -> int:
        """Texts a forward pass."""
        return self.batch_size or USUAL
