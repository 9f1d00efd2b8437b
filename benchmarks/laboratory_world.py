"""The toy world as a laboratory: clips and captions of known wrongness, embedded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqe_core.encoders import load_image_text_encoder
from vqe_core.functional.idf import IdfTable, fit_idf
from vqe_core.options import IdfEos
from vqe_core.samplers.base import choose_sampler
from vqe_core.scorers.emscore.clauses import clauses
from vqe_core.toy.captions import caption
from vqe_core.toy.claims import UNSAID, full_claims, swap, swap_events
from vqe_core.toy.drawing import draw_clip
from vqe_core.toy.foils import graded_foils
from vqe_core.toy.world import BACKGROUND, num_events, sample_attributes
from vqe_core.types import FrameTable, TextEmbedding

FRAMES, SECONDS, EDGE = 24, 3.0, 64
PROMPTS = ("", "A photo depicts ", "a video of ", "this is ")
# Seeds of clips that are drawn for nothing else: those measured on, a bank of others, and captions to count words in.
MEASURED, BANK, COUNTED = 1_000_000, 2_000_000, 3_000_000
MOMENT = ("count", "size", "colour", "shape", "motion")  # of one event, said without the background


class Case(NamedTuple):
    """A caption of a clip, and how many things are wrong in it."""

    clip: int
    severity: int
    text: str


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip, embedded: ``frames`` float32 (N, D), and the table by which samplers choose among them."""

    attributes: np.ndarray
    frames: Tensor
    table: FrameTable
    chosen: dict[Any, Tensor] = field(default_factory=dict)

    def sampled(self, sampler: str) -> Tensor:
        """Return the embeddings of the frames that a sampler takes."""
        if sampler not in self.chosen:
            self.chosen[sampler] = self.frames[torch.from_numpy(choose_sampler(sampler).select(self.table))]
        return self.chosen[sampler]


@dataclass(frozen=True, eq=False)
class Laboratory:
    """Embedded clips, a bank of others, and captions by task.

    Attributes:
        clips: those that captions are of.
        bank: other clips, without captions.
        tasks: ``whole`` (the clip said in full, 0 to 6 attributes wrong), ``moment`` (one event of two, 0 to 5 wrong)
            and ``order`` (two events in the right and in the wrong order).
        texts: embeddings of every text.
        bank_texts: true captions of the bank.
        encoder: the model.
    """

    clips: list[Clip]
    bank: list[Clip]
    tasks: dict[str, list[Case]]
    texts: dict[str, TextEmbedding]
    bank_texts: list[str]
    encoder: Any

    def idf(self, rule: IdfEos) -> IdfTable:
        """Return token weights from captions of clips that are nowhere else."""
        return self._idf[rule]

    @cached_property
    def _idf(self) -> dict[IdfEos, IdfTable]:
        texts = [caption(full_claims(a), rng) for a, rng in _drawn(COUNTED, 500)]
        documents = [self.encoder.tokenizer.split(text, "error").windows[0] for text in texts]
        return {rule: fit_idf(documents, self.encoder.end_id, end_weight=rule) for rule in ("mean", "own")}

    @cached_property
    def means(self) -> tuple[Tensor, Tensor]:
        """Mean frame and mean token of the bank."""
        tokens = torch.cat([self.tokens(text) for text in self.bank_texts])
        return torch.cat([clip.frames for clip in self.bank]).mean(dim=0), tokens.mean(dim=0)

    def tokens(self, text: str) -> Tensor:
        """Return token embeddings, float32 (L, D)."""
        tokens = self.texts[text].tokens
        assert tokens is not None  # the toy model has them
        return tokens


def build(clips: int, bank: int = 32, model: str = "toy", seed: int = 0) -> Laboratory:
    """Draw clips and captions, and embed them.

    Args:
        clips: that captions are of.
        bank: other clips.
        model: as ``clip_model_path``.
        seed: another gives other clips.
    """
    encoder = load_image_text_encoder(model)
    drawn = list(_drawn(MEASURED + seed * 10_000, clips))
    others = list(_drawn(BANK + seed * 10_000, bank))
    tasks = tasks_of([attributes for attributes, _ in drawn])
    bank_texts = [caption(full_claims(attributes)) for attributes, _ in others]
    texts = {case.text for cases in tasks.values() for case in cases}
    said = {part for text in texts for part in (*clauses(text), *(prompt + text for prompt in PROMPTS))}
    ordered = sorted(said.union(bank_texts))
    embedded = dict(zip(ordered, encoder.embed_texts(ordered, long_text="error", batch_size=64), strict=True))
    made = [[_clip(attributes, rng, encoder) for attributes, rng in some] for some in (drawn, others)]
    return Laboratory(made[0], made[1], tasks, embedded, bank_texts, encoder)


def _drawn(first: int, count: int) -> Iterable[tuple[np.ndarray, np.random.Generator]]:
    for number in range(count):
        rng = np.random.default_rng(first + number)
        yield sample_attributes(rng, events=1 + number % 2), rng


def _clip(attributes: np.ndarray, rng: np.random.Generator, encoder: Any) -> Clip:
    images, _ = draw_clip(attributes, rng, size=EDGE, num_frames=FRAMES)
    grey = images.astype(np.float64).mean(axis=-1)
    differences = np.concatenate([[0.0], np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2))])
    every = np.arange(FRAMES)
    table = FrameTable(every * SECONDS / FRAMES, every == 0, every, 0.0, SECONDS, differences=differences)
    prepared = torch.stack([encoder.prepare_image(image) for image in images])
    return Clip(attributes, encoder.embed_images(prepared), table)


def tasks_of(clips: Sequence[np.ndarray]) -> dict[str, list[Case]]:
    """Return the captions of each task, the true one of a clip before its foils."""
    tasks: dict[str, list[Case]] = {"whole": [], "moment": [], "order": []}
    for number, attributes in enumerate(clips):
        rng = np.random.default_rng([7, number])
        true = full_claims(attributes)
        foils = graded_foils(attributes, rng)
        tasks["whole"] += [Case(number, 0, caption(true)), *[Case(number, f.severity, f.text) for f in foils]]
        if num_events(attributes) == 1:
            continue
        tasks["moment"] += _moment(number, attributes, rng)
        turned = swap_events(true)
        if turned is not None:
            tasks["order"] += [Case(number, 0, caption(true)), Case(number, 1, caption(turned))]
    return tasks


def _moment(number: int, attributes: np.ndarray, rng: np.random.Generator) -> list[Case]:
    """Say one of two events alone, and make more and more of it wrong."""
    claims, event = full_claims(attributes), int(rng.integers(2))
    claims[1 - event], claims[event, BACKGROUND], claims[0, BACKGROUND] = UNSAID, UNSAID, UNSAID
    claims = np.stack([claims[event], np.full_like(claims[event], UNSAID)])
    cases, severity = [Case(number, 0, caption(claims))], 0
    for name in rng.permutation(MOMENT):
        foil = swap(claims, str(name), rng, attributes=attributes)
        if foil is not None:
            claims, severity = foil, severity + 1
            cases.append(Case(number, severity, caption(claims)))
    return cases
