"""The protocols of encoders: image-text, audio-text, joint, and taggers. Imports nothing heavy.

Waveforms are mono float32 (T,) in [-1, 1] at the model's ``sampling_rate``, at most ``longest`` seconds long;
``AudioSamples`` pass too, and are checked for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard, runtime_checkable

from vqe_core.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from vqe_core.types import AudioSamples, Frames, TextEmbedding


Waveform: TypeAlias = "np.ndarray | AudioSamples"


@runtime_checkable
class ImageTextEncoder(Protocol):
    """Images and texts to unit embeddings of one space. ``encoders/clip.py`` is the shortest example.

    An encoder whose texts depend on less than its ``signature()`` may say so by a ``text_signature()``.
    """

    has_token_embeddings: bool
    space: str
    end_id: int
    tokenizer: Any

    def signature(self) -> dict[str, str]: ...
    def prepare_image(self, pixels: np.ndarray) -> Tensor: ...
    def embed_images(self, images: Tensor) -> Tensor: ...
    def embed_texts(self, texts: Sequence[str], *, long_text: Any, batch_size: int) -> list[TextEmbedding]: ...


@runtime_checkable
class VideoTextEncoder(ImageTextEncoder, Protocol):
    """Clips, frames that are embedded together, and texts to unit embeddings of one space.

    Frames are prepared one by one (``prepare_image``) and stacked. ``encoders/x_clip.py`` is the shortest example.

    Attributes:
        clip_frames: frames of a clip; a video is sampled at that many where the options do not say.
        any_length: whether a clip may have any number of frames, as many as are sampled.
    """

    @property
    def clip_frames(self) -> int: ...
    @property
    def any_length(self) -> bool: ...
    def embed_videos(self, clips: Tensor) -> Tensor: ...


@runtime_checkable
class AudioTextEncoder(Protocol):
    """Audio and texts to unit embeddings of one space.

    Attributes:
        space: name of the embedding space of audio and texts.
        shared_space: name of the space of *images* that the audio was trained into, None for most models.
        sampling_rate: Hz.
        window: seconds that the model hears at once, the default length of a window.
        longest: seconds, more is refused.
        logit_scale: factor of the cosine of an audio and a text before a softmax.
    """

    @property
    def space(self) -> str: ...
    @property
    def shared_space(self) -> str | None: ...
    @property
    def sampling_rate(self) -> int: ...
    @property
    def window(self) -> float: ...
    @property
    def longest(self) -> float: ...
    @property
    def logit_scale(self) -> float: ...

    def signature(self) -> dict[str, str]: ...
    def embed_audio(self, waveforms: Sequence[Waveform], *, batch_size: int = 16) -> Tensor: ...
    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor: ...


@runtime_checkable
class Tagger(Protocol):
    """Audio to weighted labels.

    Attributes:
        labels: the labels used where the user names none.
        photo_prompt: how a label, as ``{label}``, is put to an image-text model.
        sampling_rate, window, longest: as of ``AudioTextEncoder``.
    """

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def photo_prompt(self) -> str: ...
    @property
    def sampling_rate(self) -> int: ...
    @property
    def window(self) -> float: ...
    @property
    def longest(self) -> float: ...

    def signature(self) -> dict[str, str]: ...
    def tag(
        self, waveforms: Sequence[Waveform], labels: Sequence[str] | None = None, *, batch_size: int = 16
    ) -> Tensor: ...


@runtime_checkable
class JointEncoder(Protocol):
    """Windows of video and of audio to embeddings of one space, as the model gives them: not normalised.

    A window of video is uint8 (N, H, W, 3) RGB, or a tuple of N images whose sizes differ.

    Attributes:
        space: name of the space of both.
        frames_per_window: frames that a window of video is best given with.
        sampling_rate, window, longest: as of ``AudioTextEncoder``.
    """

    @property
    def space(self) -> str: ...
    @property
    def sampling_rate(self) -> int: ...
    @property
    def window(self) -> float: ...
    @property
    def longest(self) -> float: ...
    @property
    def frames_per_window(self) -> int: ...

    def signature(self) -> dict[str, str]: ...
    def embed_video(self, windows: Sequence[Frames], *, batch_size: int = 4) -> Tensor: ...
    def embed_audio(self, waveforms: Sequence[Waveform], *, batch_size: int = 16) -> Tensor: ...
    def logits(self, video: Tensor, audio: Tensor) -> Tensor: ...


def embeds_clips(encoder: object) -> TypeGuard[VideoTextEncoder]:
    """Tell whether an encoder embeds clips of several frames, not single images."""
    return hasattr(encoder, "embed_videos")


def text_signature(encoder: ImageTextEncoder) -> dict[str, str]:
    """Return everything about an encoder that can change the embedding of a text, as far as it tells."""
    signature: dict[str, str] = getattr(encoder, "text_signature", encoder.signature)()
    return signature


def check_same_space(visual: str, audio: str) -> None:
    """Refuse to compare embeddings of two spaces.

    Args:
        visual: space of the images, an encoder's ``space``.
        audio: space of the audio.

    Raises:
        ModelError: the names differ; code ``different_spaces``.
    """
    if visual != audio:
        raise ModelError(
            f"images are in the space {visual!r} and audio in {audio!r}; a cosine between them means nothing, even "
            "where the sizes agree. Compare through words (comparison 'tags' or 'description'), or use a model "
            "with one space for both, for example facebook/pe-av-small-16-frame",
            code="different_spaces",
        )
