"""AST, the audio spectrogram transformer: a tagger with labels of its own (Gong et al., Interspeech 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqe_core.encoders.audio_inputs import check_waveforms, embed_side_by_side
from vqe_core.encoders.audio_labels import PHOTO_PROMPT
from vqe_core.encoders.base import Waveform
from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.clap import check_labels
from vqe_core.encoders.weights import load_model, model_signature
from vqe_core.errors import InputError, ModelError
from vqe_core.runtime import own_precision

HOP = 160  # samples between two columns of the spectrogram, fixed in the feature extractor
FRAME = 400  # samples of one column


@dataclass(frozen=True)
class AstTagger:
    """An audio spectrogram transformer with a classification head, for example of the 527 AudioSet classes."""

    checkpoint: Checkpoint
    device: str
    dtype: torch.dtype
    model: Any = field(repr=False, compare=False)
    extractor: Any = field(repr=False, compare=False)

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> AstTagger:
        """Load weights and feature extractor of ``checkpoint``."""
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        if not any("Classification" in name for name in checkpoint.config.get("architectures") or ()):
            raise ModelError(
                f"checkpoint {checkpoint.name!r} has no classification head, so it cannot name sounds; use for "
                "example MIT/ast-finetuned-audioset-10-10-0.4593"
            )
        model = load_model(checkpoint, dtype, device, model_class=AutoModelForAudioClassification)
        extractor = AutoFeatureExtractor.from_pretrained(checkpoint.folder, local_files_only=True)
        return cls(checkpoint, device, dtype, model, extractor)

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's classes, in its order."""
        names = self.model.config.id2label
        return tuple(str(names[i]) for i in range(len(names)))

    @property
    def photo_prompt(self) -> str:
        """The prompt of a label for an image-text model."""
        return PHOTO_PROMPT

    @property
    def sampling_rate(self) -> int:
        """Hz."""
        return int(self.extractor.sampling_rate)

    @property
    def window(self) -> float:
        """Seconds heard at once; shorter audio is padded with silence, as in training."""
        return float(self.extractor.max_length * HOP / self.sampling_rate)

    @property
    def longest(self) -> float:
        """Seconds; the end of longer audio would not be heard."""
        return self.window

    def signature(self) -> dict[str, str]:
        """Return everything about the tagger that can change a tag."""
        return {
            **model_signature(self.checkpoint, self.device, self.dtype, prefix="audio_"),
            # the feature extractor uses torchaudio where it is installed
            "spectrogram": "torchaudio" if find_spec("torchaudio") else "numpy",
        }

    def tag(
        self, waveforms: Sequence[Waveform], labels: Sequence[str] | None = None, *, batch_size: int = 16
    ) -> Tensor:
        """Return the probability of each class in each waveform.

        Args:
            waveforms: mono float (T,) in [-1, 1] at ``sampling_rate``, at least 25 ms and at most ``window`` each.
            labels: some of ``self.labels``; default all. The model knows no others.
            batch_size: waveforms a forward pass of a GPU; changes speed, not tags.

        Returns:
            float32 (S, K) in [0, 1], a sigmoid a class: several may be present, or none.

        Raises:
            InputError: a label that the model does not know, or a waveform that cannot be used.
        """
        columns = self._columns(labels)
        checked = check_waveforms(
            waveforms, sampling_rate=self.sampling_rate, longest=self.longest, fewest_samples=FRAME
        )
        found = embed_side_by_side(checked, self._features, self._classify, batch_size, self.device)
        return found[:, columns]

    def _columns(self, labels: Sequence[str] | None) -> list[int]:
        if labels is None:
            return list(range(len(self.labels)))
        number = {label: i for i, label in enumerate(self.labels)}
        unknown = [label for label in check_labels(labels) if label not in number]
        if unknown:
            raise InputError(
                f"labels {unknown[:3]} are not among the {len(number)} of {self.checkpoint.name!r} "
                f"({', '.join(self.labels[:3])} ...); use those, or a CLAP tagger, which takes any words"
            )
        return [number[label] for label in check_labels(labels)]

    def _features(self, waveforms: list[np.ndarray]) -> Tensor:
        """Return log-mel spectrograms (S, time, mel)."""
        found = self.extractor(waveforms, sampling_rate=self.sampling_rate, return_tensors="pt")
        features: Tensor = found["input_values"]
        return features

    @torch.inference_mode()
    @own_precision()
    def _classify(self, features: Tensor) -> Tensor:
        return self.model(input_values=features.to(self.device, self.dtype)).logits.float().sigmoid()
