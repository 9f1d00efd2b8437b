"""PE-AV, Perception Encoder Audio-Video: audio and video trained into one space (facebook/pe-av-*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from vqe_core.encoders.audio_inputs import check_waveforms, check_windows, embed_in_groups, embed_side_by_side
from vqe_core.encoders.base import Waveform
from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.image_processing import torchvision_works
from vqe_core.encoders.weights import load_model, model_signature
from vqe_core.errors import MissingPackageError
from vqe_core.media.video.sizes import of_one_size
from vqe_core.runtime import own_precision
from vqe_core.types import Frames

# What the "-16-frame" checkpoints were trained with.
FRAMES = 16


@dataclass(frozen=True)
class PeAvEncoder:
    """A PE-AV checkpoint, a ``JointEncoder``.

    The checkpoints named ``-16-frame`` see 16 frames spread over a window of video, whatever its length. The others
    were trained on every frame at its native rate: give them as many as the time allows.
    """

    window: ClassVar[float] = 10.0  # seconds, a moment with its sound; trained on up to 30

    checkpoint: Checkpoint
    device: str
    dtype: torch.dtype
    model: Any = field(repr=False, compare=False)
    extractor: Any = field(repr=False, compare=False)
    video_processor: Any = field(repr=False, compare=False)

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> PeAvEncoder:
        """Load weights, feature extractor and video processor of ``checkpoint``.

        Raises:
            MissingPackageError: timm or torchvision is missing.
        """
        check_packages(checkpoint.name)
        from transformers import AutoFeatureExtractor, AutoVideoProcessor

        model = load_model(checkpoint, dtype, device, model_class=loadable_class())
        extractor = AutoFeatureExtractor.from_pretrained(checkpoint.folder, local_files_only=True)
        processor = AutoVideoProcessor.from_pretrained(checkpoint.folder, local_files_only=True)
        return cls(checkpoint, device, dtype, model, extractor, processor)

    @property
    def space(self) -> str:
        """Name of the space of audio and video."""
        return self.checkpoint.space

    @property
    def sampling_rate(self) -> int:
        """Hz."""
        return int(self.extractor.sampling_rate)

    @property
    def longest(self) -> float:
        """Seconds that the audio tower has positions for."""
        positions = self.model.config.audio_video_config.audio_config.max_position_embeddings - 1  # one is the summary
        return float(positions * self.extractor.hop_length / self.sampling_rate)

    @property
    def frames_per_window(self) -> int:
        """Frames of one window of video."""
        return int(self.fixed_frames or FRAMES)

    @property
    def fixed_frames(self) -> int | None:
        """Number of frames that the checkpoint takes, None where it takes any."""
        return getattr(self.video_processor, "num_frames", None) or None

    def signature(self) -> dict[str, str]:
        """Return everything about the encoder that can change an embedding."""
        return model_signature(self.checkpoint, self.device, self.dtype)

    def embed_audio(self, waveforms: Sequence[Waveform], *, batch_size: int = 16) -> Tensor:
        """Embed audio.

        Args:
            waveforms: mono float (T,) in [-1, 1] at ``sampling_rate``, at most ``longest`` seconds each.
            batch_size: waveforms of one length a forward pass of a GPU.

        Returns:
            float32 (S, D) on the CPU, not normalised: the model's own logit uses the lengths.

        Raises:
            InputError: see ``check_waveforms``.
        """
        # the waveform is mirrored to a whole number of steps, which takes two samples
        checked = check_waveforms(waveforms, sampling_rate=self.sampling_rate, longest=self.longest, fewest_samples=2)
        return embed_side_by_side(checked, self._inputs, self._embed_inputs, batch_size, self.device, alike=len)

    def _inputs(self, waveforms: list[np.ndarray]) -> Tensor:
        found = self.extractor(waveforms, sampling_rate=self.sampling_rate, return_tensors="pt")
        values: Tensor = found["input_values"]
        return values

    @torch.inference_mode()
    @own_precision()
    def _embed_inputs(self, values: Tensor) -> Tensor:
        tower = self.model.audio_model
        moved = values.to(self.device, self.dtype)
        return tower.audio_head(tower.audio_encoder(input_values=moved).pooler_output)

    def embed_video(self, windows: Sequence[Frames], *, batch_size: int = 4) -> Tensor:
        """Embed windows of video.

        Args:
            windows: uint8 (N, H, W, 3) RGB each, evenly spread over the window. A checkpoint with a fixed number
                of frames picks that many of them, or repeats some, by its own rule. Of a window whose images differ
                in size, a tuple, they are fitted into the first.
            batch_size: windows of one shape a forward pass.

        Returns:
            float32 (B, D) on the CPU, not normalised.

        Raises:
            InputError: see ``check_windows``.
        """
        chosen = [_spread(of_one_size(window), self.fixed_frames) for window in check_windows(windows)]
        return embed_in_groups(chosen, lambda window: window.shape, self._embed_frames, batch_size)

    @torch.inference_mode()
    @own_precision()
    def _embed_frames(self, windows: list[np.ndarray]) -> Tensor:
        found = self.video_processor(list(windows), do_sample_frames=False, return_tensors="pt")
        pixels = found["pixel_values_videos"].to(self.device, self.dtype)
        # The model's own getters for a single tower fail in transformers 5.23; these are their two steps.
        tower = self.model.video_model
        return tower.video_head(tower.video_encoder(pixel_values_videos=pixels).pooler_output)

    @torch.inference_mode()
    @own_precision()
    def logits(self, video: Tensor, audio: Tensor) -> Tensor:
        """Return the model's own score, scaled and shifted dot products, (B, D), (S, D) -> (B, S)."""
        scale, bias = self.model.audio_video_logit_scale, self.model.audio_video_logit_bias
        return video @ audio.T * scale.float().cpu() + bias.float().cpu()


def _spread(window: np.ndarray, count: int | None) -> np.ndarray:
    """Pick ``count`` frames from the first to the last, by the rule of the model's own processor."""
    if count is None or len(window) == count:
        return window
    steps = max(1, count - 1)
    return window[[i * (len(window) - 1) // steps for i in range(count)]]


OLDEST_TRANSFORMERS = (5, 20)  # older ones were seen to refuse the configuration


def check_packages(name: str) -> None:
    """Check that what PE models are made of is installed.

    Raises:
        MissingPackageError: timm, torchvision, or a transformers that knows them.
    """
    import transformers

    if tuple(map(int, transformers.__version__.split(".")[:2])) < OLDEST_TRANSFORMERS:
        raise MissingPackageError(
            f"model {name!r} needs transformers {'.'.join(map(str, OLDEST_TRANSFORMERS))} or newer, this is "
            f"{transformers.__version__}: pip install vqe-core[pe-av]"
        )
    if not torchvision_works():  # resizes the frames, and timm imports it
        raise MissingPackageError(f"model {name!r} needs a torchvision that loads: pip install torchvision")
    try:
        import timm  # noqa: F401  (the model class builds its vision tower with it)
    except ImportError as error:
        raise MissingPackageError(f"model {name!r} needs timm: pip install vqe-core[pe-av]") from error


def loadable_class() -> Any:
    """Return the model's class, able to load beside timm 1.0.31 and later.

    transformers ties the weights of its two video towers by patterns of names, and takes timm's new position
    buffer ``rope.bands`` for a weight. Each tower computes its own, so none needs tying.
    """
    from transformers import PeAudioVideoModel

    known, wider = r".*\.rope\.pos_embed", r".*\.rope\."
    tied = {a.replace(known, wider): b.replace(known, wider) for a, b in PeAudioVideoModel._tied_weights_keys.items()}
    own = {"_tied_weights_keys": tied, "__module__": PeAudioVideoModel.__module__}
    return type("PeAudioVideoModel", (PeAudioVideoModel,), own)
