"""CLAP: audio and texts in one space, and so a tagger with any labels (Wu et al., ICASSP 2023).

Two habits of its feature extractor would make a score depend on chance, and are kept out here: it cuts audio longer
than its window at random, and marks one short waveform of a batch of the "fused" checkpoints as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from vqe_core.encoders.audio_inputs import check_waveforms, embed_in_groups, embed_side_by_side
from vqe_core.encoders.audio_labels import PHOTO_PROMPT, SOUND_LABELS, SOUND_PROMPT
from vqe_core.encoders.backends.batch_size import suited_threads
from vqe_core.encoders.base import Waveform
from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.spectrogram import ClapSpectrogram
from vqe_core.encoders.tokenization import Tokenizer, load_tokenizer
from vqe_core.encoders.weights import load_model, model_signature
from vqe_core.errors import InputError
from vqe_core.runtime import own_precision


@dataclass(frozen=True)
class ClapEncoder:
    """A CLAP checkpoint: an ``AudioTextEncoder`` and a ``Tagger``.

    A checkpoint may say in its config.json what it was trained for: ``vqe_space``, the space of images that its
    audio shares; ``vqe_labels``, ``vqe_sound_prompt`` and ``vqe_photo_prompt``, its vocabulary.
    """

    checkpoint: Checkpoint
    device: str
    dtype: torch.dtype
    model: Any = field(repr=False, compare=False)
    tokenizer: Tokenizer = field(repr=False, compare=False)
    extractor: Any = field(repr=False, compare=False)
    # None: the extractor's own serve.
    spectrogram: ClapSpectrogram | None = field(default=None, repr=False, compare=False)
    # Embeddings of the last labels: a tagger is asked again and again with the same ones.
    _label_texts: dict[tuple[str, ...], Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> ClapEncoder:
        """Load weights, tokenizer and feature extractor of ``checkpoint``."""
        from transformers import AutoFeatureExtractor

        model = load_model(checkpoint, dtype, device)
        text = model.config.text_config
        # RoBERTa counts positions from the padding id on, so that many are never used.
        tokenizer = load_tokenizer(checkpoint.folder, text.max_position_embeddings - int(text.pad_token_id or 0) - 1)
        extractor = AutoFeatureExtractor.from_pretrained(checkpoint.folder, local_files_only=True)
        if model.config.audio_config.enable_fusion:
            # The extractor is called as an unfused one, see `_features`, but with the fused one's mel filters.
            extractor.mel_filters_slaney = extractor.mel_filters
        spectrogram = ClapSpectrogram.of(extractor, extractor.mel_filters_slaney)
        return cls(checkpoint, device, dtype, model, tokenizer, extractor, spectrogram)

    @property
    def space(self) -> str:
        """Name of the space of audio and texts."""
        return self.checkpoint.space

    @property
    def shared_space(self) -> str | None:
        """Name of the space of images that the audio was trained into, if the checkpoint declares one."""
        declared = self.checkpoint.config.get("vqe_space")
        return str(declared) if declared else None

    @property
    def sampling_rate(self) -> int:
        """Hz."""
        return int(self.extractor.sampling_rate)

    @property
    def window(self) -> float:
        """Seconds heard at once; shorter audio is repeated to fill them, as in training."""
        return float(self.extractor.nb_max_samples / self.extractor.sampling_rate)

    @property
    def longest(self) -> float:
        """Seconds; longer audio would be cut at random."""
        return self.window

    @property
    def logit_scale(self) -> float:
        """Factor before the softmax over texts."""
        return float(self.model.logit_scale_a.detach().exp())

    @property
    def labels(self) -> tuple[str, ...]:
        """The checkpoint's own labels, else ``SOUND_LABELS``."""
        return tuple(self.checkpoint.config.get("vqe_labels") or SOUND_LABELS)

    @property
    def sound_prompt(self) -> str:
        """The prompt of a label for this model."""
        return str(self.checkpoint.config.get("vqe_sound_prompt") or SOUND_PROMPT)

    @property
    def photo_prompt(self) -> str:
        """The prompt of a label for an image-text model."""
        return str(self.checkpoint.config.get("vqe_photo_prompt") or PHOTO_PROMPT)

    def signature(self) -> dict[str, str]:
        """Return everything about the encoder that can change an embedding or a tag."""
        shared = model_signature(self.checkpoint, self.device, self.dtype, prefix="audio_")
        return {**shared, "sound_prompt": self.sound_prompt}

    def embed_audio(self, waveforms: Sequence[Waveform], *, batch_size: int = 16) -> Tensor:
        """Embed audio.

        Args:
            waveforms: mono float (T,) in [-1, 1] at ``sampling_rate``, at most ``window`` seconds each.
            batch_size: waveforms a forward pass of a GPU; changes speed, not embeddings.

        Returns:
            float32 (S, D) unit rows on the CPU.

        Raises:
            InputError: see ``check_waveforms``.
        """
        checked = check_waveforms(waveforms, sampling_rate=self.sampling_rate, longest=self.longest)
        return embed_side_by_side(checked, self._features, self._embed_features, batch_size, self.device)

    @torch.inference_mode()
    @own_precision()
    def _embed_features(self, features: Tensor) -> Tensor:
        is_longer = torch.zeros(len(features), 1, dtype=torch.bool, device=self.device)
        inputs = features.to(self.device, self.dtype)
        output = self.model.get_audio_features(input_features=inputs, is_longer=is_longer)
        return normalize(output.pooler_output.float(), dim=-1)

    def _features(self, waveforms: list[np.ndarray]) -> Tensor:
        """Return log-mel spectrograms (S, 1 or 4, time, mel).

        For the "fusion" truncation the extractor draws a random number even where no waveform is long, so it is
        called as an unfused one; a fused model hears a short waveform as four equal spectrograms.
        """
        if self.spectrogram is not None:
            features = torch.stack([self.spectrogram(waveform)[None] for waveform in waveforms])
        else:
            features = self.extractor(
                waveforms, sampling_rate=self.sampling_rate, truncation="rand_trunc", return_tensors="pt"
            )["input_features"]
        return features.repeat(1, 4, 1, 1) if self.model.config.audio_config.enable_fusion else features

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor:
        """Embed texts.

        Args:
            texts: strings that fit the model's context.
            batch_size: texts a forward pass.

        Returns:
            float32 (K, D) unit rows on the CPU, in the space of the audio.

        Raises:
            InputError: no text, or one that is too long; code ``text_too_long``.
        """
        if isinstance(texts, str):
            raise InputError(f"texts must be a list of strings, got the string {texts!r}; give [text]")
        ids = [self.tokenizer.split(text, "error").windows[0] for text in texts]
        return embed_in_groups(ids, len, self._embed_ids, batch_size)

    @torch.inference_mode()
    @own_precision()
    def _embed_ids(self, ids: list[tuple[int, ...]]) -> Tensor:
        tokens = torch.tensor(ids, device=self.device)
        with suited_threads(self.model.config.text_config):
            output = self.model.get_text_features(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        return normalize(output.pooler_output.float(), dim=-1)

    def tag(
        self, waveforms: Sequence[Waveform], labels: Sequence[str] | None = None, *, batch_size: int = 16
    ) -> Tensor:
        """Return how well each label names each waveform.

        Args:
            waveforms: as for ``embed_audio``.
            labels: K plain words, "a barking dog"; default ``self.labels``.
            batch_size: waveforms a forward pass of a GPU.

        Returns:
            float32 (S, K), a softmax over the labels, so that each row sums to 1: labels compete, and some label
            wins even where none fits.

        Raises:
            InputError: no label, or a waveform that cannot be used.
        """
        chosen = check_labels(self.labels if labels is None else labels)
        texts = self._embed_labels(chosen)
        audio = self.embed_audio(waveforms, batch_size=batch_size)
        # One by one: a product of another number of rows may round otherwise.
        return torch.stack([(self.logit_scale * (texts @ row)).softmax(dim=-1) for row in audio])

    def _embed_labels(self, labels: tuple[str, ...]) -> Tensor:
        texts = self._label_texts.get(labels)
        if texts is None:
            texts = self.embed_texts([self.sound_prompt.replace("{label}", label) for label in labels])
            self._label_texts.clear()
            self._label_texts[labels] = texts
        return texts


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels as a tuple.

    Raises:
        InputError: none, an empty one, or one twice.
    """
    chosen = (labels,) if isinstance(labels, str) else tuple(labels)
    wrong = [label for label in chosen if not isinstance(label, str) or not label.strip()]
    twice = [label for i, label in enumerate(chosen) if label in chosen[:i]]
    if not chosen or wrong or twice:
        raise InputError(f"labels must be distinct, non-empty strings, got {list((wrong or twice or chosen)[:3])}")
    return chosen
