"""A CLIP and a CLAP whose audio was trained into that CLIP's space: a joint encoder of two halves.

Only checkpoints that declare the space are joined. The audio of any other CLAP lives in a space of its own, often of
the same size, where a cosine with an image is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vqe_core.encoders import ImageTextEncoder, load_image_text_encoder
from vqe_core.encoders.audio_inputs import check_windows
from vqe_core.encoders.audio_loading import AUDIO_MODEL_FIELD, load_audio_encoder
from vqe_core.encoders.base import AudioTextEncoder, Waveform, check_same_space
from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.weights import DTYPES
from vqe_core.errors import ModelError
from vqe_core.toy.known_world import KnownWorld
from vqe_core.types import Frames

FRAMES = 8


@dataclass(frozen=True)
class ClipClapJoint:
    """A ``JointEncoder`` of an image-text encoder and an audio encoder of one space.

    Attributes:
        image_encoder: embeds frames; a window of video is their mean.
        audio_encoder: embeds audio.
        space: name of the space of both, as their checkpoints declare it.
    """

    image_encoder: ImageTextEncoder = field(repr=False)
    audio_encoder: AudioTextEncoder = field(repr=False)
    space: str

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> ClipClapJoint:
        """Load a CLIP checkpoint and the CLAP that it brings along.

        Raises:
            ModelError: it brings none, or one of another space.
        """
        if AUDIO_MODEL_FIELD not in checkpoint.config:
            raise ModelError(
                f"model {checkpoint.name!r} knows images and text but no audio, so comparison 'joint' cannot use "
                "it; use comparison 'tags' or 'description', or a model with one space for both, for example "
                "facebook/pe-av-small-16-frame"
            )
        name = {value: key for key, value in DTYPES.items()}[dtype]
        image_encoder = load_image_text_encoder(checkpoint.name, device, name)
        audio_encoder = load_audio_encoder(checkpoint.name, device, name)
        return cls.pair(image_encoder, audio_encoder, image_space=checkpoint.config.get("vqe_space"))

    @classmethod
    def pair(
        cls, image_encoder: ImageTextEncoder, audio_encoder: AudioTextEncoder, *, image_space: str | None
    ) -> ClipClapJoint:
        """Join two encoders.

        Args:
            image_encoder: CLIP-type.
            audio_encoder: its ``shared_space`` names the space of images that it was trained into.
            image_space: ``vqe_space`` of the image encoder's checkpoint, None where it declares none.

        Raises:
            ModelError: the spaces differ, or the audio encoder declares none; code ``different_spaces``.
        """
        check_same_space(image_space or image_encoder.space, audio_encoder.shared_space or audio_encoder.space)
        return cls(image_encoder, audio_encoder, image_space or image_encoder.space)

    @property
    def sampling_rate(self) -> int:
        """Hz."""
        return self.audio_encoder.sampling_rate

    @property
    def window(self) -> float:
        """Seconds."""
        return self.audio_encoder.window

    @property
    def longest(self) -> float:
        """Seconds."""
        return self.audio_encoder.longest

    @property
    def frames_per_window(self) -> int:
        """Frames of one window of video."""
        return FRAMES

    def strange_frames(self, window: Frames) -> list[bool]:
        """Tell of each frame of a window whether it is of a world that the model does not know; none where all may be.

        Args:
            window: uint8 (N, H, W, 3) RGB, or N images of any sizes.
        """
        known = self.known_world
        return [] if known is None else [known.is_strange(self.image_encoder.prepare_image(each)) for each in window]

    @property
    def known_world(self) -> KnownWorld | None:
        """Limits of what the image encoder says it can judge, None for any but a teaching model."""
        return getattr(self.image_encoder, "known_world", None)

    def signature(self) -> dict[str, str]:
        """Return everything about both halves that can change an embedding."""
        return {**self.image_encoder.signature(), **self.audio_encoder.signature()}

    def embed_audio(self, waveforms: Sequence[Waveform], *, batch_size: int = 16) -> Tensor:
        """Embed audio, as the audio encoder does: float32 (S, D)."""
        return self.audio_encoder.embed_audio(waveforms, batch_size=batch_size)

    def embed_video(self, windows: Sequence[Frames], *, batch_size: int = 4) -> Tensor:
        """Embed windows of video, each as the mean of its frames' unit embeddings.

        Args:
            windows: uint8 (N, H, W, 3) RGB each, or N images of any sizes.
            batch_size: windows whose frames are embedded at once.

        Returns:
            float32 (B, D), not normalised: a length below 1 says that the frames differ.

        Raises:
            InputError: see ``check_windows``.
        """
        rows = []
        for window in check_windows(windows):
            images = torch.stack([self.image_encoder.prepare_image(frame) for frame in window])
            parts = [self.image_encoder.embed_images(part) for part in images.split(max(1, batch_size) * FRAMES)]
            rows.append(torch.cat(parts).mean(dim=0))
        return torch.stack(rows)

    def logits(self, video: Tensor, audio: Tensor) -> Tensor:
        """Return the cosine times the audio encoder's scale, (B, D), (S, D) -> (B, S): the logit of its training."""
        return self.audio_encoder.logit_scale * normalize(video, dim=-1) @ normalize(audio, dim=-1).T
