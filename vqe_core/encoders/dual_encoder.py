"""Image-text encoders of two towers: batches of images and texts to unit embeddings on the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from vqe_core.encoders.backends.batch_size import (
    ON_CPU,
    STEP,
    TOKENS,
    WIDTH,
    BackOff,
    best_batch_size,
    steady_rows,
    suited_threads,
    width_of,
)
from vqe_core.encoders.backends.towers import build_towers
from vqe_core.encoders.checkpoints import Checkpoint
from vqe_core.encoders.image_processing import Preprocessing, load_preprocessing
from vqe_core.encoders.tokenization import TextSide, Tokenizer, TokenWindows, load_tokenizer
from vqe_core.encoders.weights import load_model, model_signature
from vqe_core.options import Computing, LongText
from vqe_core.runtime import float32_products, own_precision
from vqe_core.toy.known_world import KnownWorld, known_world_of
from vqe_core.types import TextEmbedding


@dataclass(frozen=True)
class DualEncoder:
    """A vision tower and a text tower with one space, as Hugging Face checkpoints hold them.

    A family is a subclass that says where its text embeddings are; see ``clip.py`` for the shortest one.
    """

    # Position of the token whose embedding stands for the whole text.
    whole_position: ClassVar[Literal["first", "last"]] = "last"
    # Whether the tokens' embeddings share the space of the images.
    has_token_embeddings: ClassVar[bool] = True
    # Texts are padded to a multiple of so many tokens; more than 1 only where no token sees those after it.
    length_step: ClassVar[int] = 1
    # A limit of ids that the family's tokenizers are saved with whatever the model.
    stock_limit: ClassVar[int | None] = None

    checkpoint: Checkpoint
    device: str
    dtype: torch.dtype
    model: Any = field(repr=False, compare=False)
    tokenizer: Tokenizer = field(repr=False, compare=False)
    preprocessing: Preprocessing = field(repr=False, compare=False)
    # Prepared images on the device to pooled embeddings.
    vision_tower: Callable[[Tensor], Tensor] = field(repr=False, compare=False)
    computing: dict[str, str] = field(default_factory=dict, compare=False)
    image_batches: BackOff = field(default_factory=BackOff, repr=False, compare=False)
    text_batches: BackOff = field(default_factory=BackOff, repr=False, compare=False)
    measured_batch: list[int] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: str, dtype: torch.dtype, backend: Computing = "torch") -> DualEncoder:
        """Load weights, tokenizer and image processor of ``checkpoint``."""

        def load() -> Any:  # in float32: what is folded into weights is rounded once
            return load_model(checkpoint, torch.float32, "cpu")

        model = load()
        tokenizer = cls.load_tokenizer(checkpoint, model.config.text_config)
        preprocessing = load_preprocessing(checkpoint.folder, int(model.config.vision_config.image_size))
        towers = build_towers(model, load, preprocessing, device, dtype, backend)
        return cls(
            checkpoint, device, dtype, towers.model, tokenizer, preprocessing, towers.vision_tower, towers.signature
        )

    @classmethod
    def load_text_side(cls, checkpoint: Checkpoint) -> TextSide:
        """Load what reads texts, without weights and without a device."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(checkpoint.folder, local_files_only=True, trust_remote_code=False)
        tokenizer = cls.load_tokenizer(checkpoint, config.text_config)
        return TextSide(tokenizer, cls._end_id(tokenizer), cls.has_token_embeddings)

    @classmethod
    def load_tokenizer(cls, checkpoint: Checkpoint, text_config: Any) -> Tokenizer:
        """Load the tokenizer with the context that the text tower has."""
        return load_tokenizer(checkpoint.folder, cls.text_positions(text_config), stock_limit=cls.stock_limit)

    @classmethod
    def text_positions(cls, text_config: Any) -> int:
        """Return how many ids the text tower has positions for."""
        return int(text_config.max_position_embeddings)

    @property
    def space(self) -> str:
        """Name of the embedding space: embeddings of two spaces are never compared."""
        return self.checkpoint.space

    @property
    def known_world(self) -> KnownWorld | None:
        """Limits of what the checkpoint says it can judge, None for any but a teaching model."""
        return known_world_of(self.checkpoint.folder, self.checkpoint.revision)

    @property
    def end_id(self) -> int:
        """Id of the token whose embedding stands for the whole text."""
        return self._end_id(self.tokenizer)

    @classmethod
    def _end_id(cls, tokenizer: Tokenizer) -> int:
        ends = tokenizer.suffix[-1:] if cls.whole_position == "last" else tokenizer.prefix[:1]
        return ends[0] if ends else -1

    def signature(self) -> dict[str, str]:
        """Return everything about the encoder that can change an embedding."""
        return {
            **model_signature(self.checkpoint, self.device, self.dtype),
            "resize": self.preprocessing.backend,
            **float32_products(self.device),
            **self.computing,
        }

    @property
    def vision_config(self) -> Any:
        """Configuration of the tower that sees."""
        return self.model.config.vision_config

    @property
    def image_batch(self) -> int:
        """Images a batch: on a GPU as many as pay there, measured once, as scores move by rounding."""
        if torch.device(self.device).type != "cuda":
            return ON_CPU
        if not self.measured_batch:
            self.measured_batch.append(self._measure_batch())
        return self.measured_batch[0]

    def _measure_batch(self) -> int:
        edge = int(self.vision_config.image_size)

        def seconds(count: int) -> float:
            images = torch.zeros(count, 3, edge, edge, dtype=torch.uint8)
            self._embed_images(images)  # the first of its size chooses kernels
            start = time.perf_counter()
            self._embed_images(images)
            return time.perf_counter() - start

        return best_batch_size(seconds)

    def with_resize(self, backend: Literal["torchvision", "pil"]) -> DualEncoder:
        """Return an encoder of the same weights that shrinks images by torchvision or by Pillow."""
        return replace(self, preprocessing=self.preprocessing.by(backend))

    def text_signature(self) -> dict[str, str]:
        """Return what of the signature can change the embedding of a text."""
        of_images = ("resize", "backend", "quantize")
        told = {name: value for name, value in self.signature().items() if name not in of_images}
        return told if self.known_world is None else {**told, "notes": "unknown words"}

    def prepare_image(self, pixels: np.ndarray) -> Tensor:
        """Resize and crop one image, uint8 (H, W, 3) RGB -> uint8 (3, h, w)."""
        return self.preprocessing.prepare(pixels)

    def embed_images(self, images: Tensor) -> Tensor:
        """Embed prepared images, uint8 (B, 3, h, w) -> float32 (B, D) unit rows on the CPU.

        A batch that does not fit into memory is halved, and so are all after it.
        """
        return torch.cat(self.image_batches.run(self._embed_images, images))

    @torch.inference_mode()
    @own_precision()
    def _embed_images(self, images: Tensor) -> Tensor:
        if torch.device(self.device).type == "cuda":  # from pinned memory the copy does not hold up the CPU
            images = images.pin_memory()
        with suited_threads(self.vision_config):
            pooled = self.vision_tower(images.to(self.device, non_blocking=True))
            return normalize(pooled.float(), dim=-1).cpu()

    def embed_texts(
        self, texts: Sequence[str], *, long_text: LongText = "windows", batch_size: int = 64
    ) -> list[TextEmbedding]:
        """Embed texts, in order.

        A text in several windows has the tokens of all of them, and the direction of the mean of their wholes.
        An embedding depends on nothing but its text: windows are batched by length, and a batch has the same number
        of them whatever there is to embed; what is lacking is filled up and thrown away.

        Args:
            texts: any strings.
            long_text: what to do with a text longer than the context.
            batch_size: most windows a forward pass.

        Raises:
            InputError: a text is too long and ``long_text`` is ``"error"``.
        """
        split = [self.tokenizer.split(text, long_text) for text in texts]
        windows = [ids for entry in split for ids in entry.windows]
        embedded: dict[int, tuple[Tensor | None, Tensor]] = {}
        for chosen, rows in self._text_batches(windows, batch_size):
            filled = [windows[i] for i in chosen] + [windows[chosen[-1]]] * (rows - len(chosen))
            parts = self.text_batches.run(self._embed_windows, filled)
            embedded.update(zip(chosen, [window for part in parts for window in part], strict=False))
        results, first = [], 0
        for text, entry in zip(texts, split, strict=True):
            joined = _join([embedded[first + i] for i in range(len(entry.windows))], entry)
            notes = () if self.known_world is None else self.known_world.text_notes(text)
            results.append(replace(joined, notes=(*joined.notes, *notes)) if notes else joined)
            first += len(entry.windows)
        return results

    def _text_batches(self, windows: Sequence[tuple[int, ...]], most: int) -> Iterator[tuple[list[int], int]]:
        """Yield numbers of windows that are padded to one length, and how many of them make a batch."""

        def padded(i: int) -> int:
            return self._padded_length(len(windows[i]))

        for length, group in groupby(sorted(range(len(windows)), key=padded), padded):
            numbers, rows = list(group), self._text_rows(length, most)
            yield from ((numbers[start : start + rows], rows) for start in range(0, len(numbers), rows))

    def _padded_length(self, length: int) -> int:
        """Return the length that a window is padded to; in half precision its own, as padding rounds there."""
        step = self.length_step if self.dtype == torch.float32 else 1
        return max(length, min(-(-length // step) * step, self.tokenizer.context))

    def _text_rows(self, length: int, most: int) -> int:
        fast = most if torch.device(self.device).type == "cuda" else max(STEP, self._tokens // length)
        return steady_rows(min(most, fast))

    @property
    def _tokens(self) -> int:
        """Tokens of a batch of texts on a CPU: a thin tower takes more in the time that a call of it takes anyway."""
        return TOKENS * max(1, WIDTH // width_of(getattr(self.model.config, "text_config", None)))

    @torch.inference_mode()
    @own_precision()
    def _embed_windows(self, windows: Sequence[tuple[int, ...]]) -> list[tuple[Tensor | None, Tensor]]:
        """Return unit token embeddings (L, D) and the unit whole (D,) of each window; all are padded to one length."""
        length = self._padded_length(len(windows[0]))
        padding = self.tokenizer.inner.pad_token_id or 0  # any id serves: no token sees those after it
        ids = torch.tensor([[*w, *[padding] * (length - len(w))] for w in windows], device=self.device)
        # Without a hole in the mask: where there is one, another kernel may compute the batch.
        with suited_threads(getattr(self.model.config, "text_config", None)):
            tokens = normalize(self.project_tokens(ids, torch.ones_like(ids)).float(), dim=-1).cpu()
        at = [0 if self.whole_position == "first" else len(w) - 1 for w in windows]
        # clone: a view would keep the padded batch alive
        return [(tokens[i, : len(w)].clone(), tokens[i, at[i]].clone()) for i, w in enumerate(windows)]

    def project_tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed tokens in the space of the images, (B, L) ids and mask -> (B, L, D)."""
        hidden = self.model.text_model(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.model.text_projection(hidden)


def _join(parts: list[tuple[Tensor | None, Tensor]], entry: TokenWindows) -> TextEmbedding:
    tokens = [part for part, _ in parts if part is not None]
    wholes = torch.stack([whole for _, whole in parts])
    return TextEmbedding(
        tokens=torch.cat(tokens) if tokens else None,
        token_ids=tuple(i for ids in entry.windows for i in ids),
        pooled=wholes[0] if len(parts) == 1 else normalize(wholes.mean(dim=0), dim=-1),
        notes=(entry.note,) if entry.note else (),
    )
