"""Scores that the laboratory compares: those that exist, and those that were tried. Each is a function of cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from benchmarks.laboratory_world import PROMPTS, Case, Laboratory
from vqe_core.functional.emscore import EmbeddedBatch, EMScores, emscore, mean_direction
from vqe_core.options import IdfEos
from vqe_core.scorers.emscore.clauses import clauses

Score = Callable[[Laboratory, Sequence[Case]], Tensor]  # cases (C) to scores (C,)
PLAIN = "uniform:frame_num=10"
FRAME_COUNTS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 24)
SAMPLERS = (
    "middle",
    "every_n_seconds:every_n_seconds=1",
    "every_n_seconds:every_n_seconds=0.5",
    "scene:threshold=10",
    "all",
)
STOP_WORDS = {"a", "an", "the", "on", "of", "in", "and", "then", "to", "is"}


def match(
    lab: Laboratory,
    texts: Sequence[str],
    frames: Sequence[Tensor],
    *,
    idf: IdfEos | None = None,
    cogr_weight: float = 0.5,
) -> EMScores:
    """EMScore of C texts, each with the frames of its clip: seven tensors (C,)."""
    embedded = [lab.texts[text] for text in texts]
    tokens, real = _side_by_side([lab.tokens(text) for text in texts])
    weights = None
    if idf is not None:
        weights = pad_sequence([lab.idf(idf).lookup(text.token_ids) for text in embedded], batch_first=True)
    captions = EmbeddedBatch(tokens, real, torch.stack([text.pooled for text in embedded]), weights)
    return emscore(captions, video_of(frames), cogr_weight)


def video_of(frames: Sequence[Tensor]) -> EmbeddedBatch:
    """Frames of each clip, float (N, D), as one side of a comparison."""
    parts, mask = _side_by_side(frames)
    return EmbeddedBatch(parts, mask, mean_direction(parts, mask))


def _side_by_side(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    parts = pad_sequence(list(rows), batch_first=True)
    return parts, torch.arange(parts.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]


def _of(lab: Laboratory, cases: Sequence[Case], sampler: str) -> tuple[list[str], list[Tensor]]:
    return [case.text for case in cases], [lab.clips[case.clip].sampled(sampler) for case in cases]


def plain(
    metric: str = "full_F",
    sampler: str = PLAIN,
    *,
    idf: IdfEos | None = None,
    cogr_weight: float = 0.5,
    prompt: str = "",
) -> Score:
    """EMScore(X,V) by options."""

    def score(lab: Laboratory, cases: Sequence[Case]) -> Tensor:
        texts, frames = _of(lab, cases, sampler)
        scores = match(lab, [prompt + text for text in texts], frames, idf=idf, cogr_weight=cogr_weight)
        return getattr(scores, metric)  # type: ignore[no-any-return]

    return score


def mean_of_frames(lab: Laboratory, cases: Sequence[Case]) -> Tensor:
    """Each frame as a video of its own, averaged."""
    texts, frames = _of(lab, cases, PLAIN)
    each = [match(lab, texts, [some[i : i + 1] for some in frames]).full_F for i in range(len(frames[0]))]
    return torch.stack(each).mean(dim=0)


def several_prompts(lab: Laboratory, cases: Sequence[Case]) -> Tensor:
    """Mean over prompts."""
    return torch.stack([plain(prompt=prompt)(lab, cases) for prompt in PROMPTS]).mean(dim=0)


def best_window(parts: int, *, keep: float = 0.0) -> Score:
    """Highest full_F of the clip's equal windows, mixed with that of the whole by the share ``keep``."""

    def score(lab: Laboratory, cases: Sequence[Case]) -> Tensor:
        texts, frames = _of(lab, cases, "all")
        windows = [[some.tensor_split(parts)[i] for some in frames] for i in range(parts)]
        best = torch.stack([match(lab, texts, window).full_F for window in windows]).amax(dim=0)
        return best if keep == 0 else (1 - keep) * best + keep * plain()(lab, cases)

    return score


def in_order(metric: str = "full_F", sampler: str = PLAIN, *, keep: float = 0.0) -> Score:
    """Clauses that tell one event after the other, each against its own part of the clip, as long as the others."""

    def score(lab: Laboratory, cases: Sequence[Case]) -> Tensor:
        texts, frames = _of(lab, cases, sampler)
        told = [clauses(text) for text in texts]
        parts = [part for some, said in zip(frames, told, strict=True) for part in some.tensor_split(len(said))]
        each = getattr(match(lab, [clause for said in told for clause in said], parts), metric)
        ordered = torch.stack([some.mean() for some in each.split([len(said) for said in told])])
        return ordered if keep == 0 else (1 - keep) * ordered + keep * plain()(lab, cases)

    return score


def words(kind: str) -> Score:
    """Precision over words with another rule than the mean of all, with the usual coarse score."""

    def score(lab: Laboratory, cases: Sequence[Case]) -> Tensor:
        texts, frames = _of(lab, cases, PLAIN)
        fine = [_words(lab, kind, text, some) for text, some in zip(texts, frames, strict=True)]
        return (torch.stack(fine) + match(lab, texts, frames).cogr) / 2

    return score


def _words(lab: Laboratory, kind: str, text: str, frames: Tensor) -> Tensor:
    similarity = lab.tokens(text) @ frames.T
    best = similarity.max(dim=1).values
    if kind == "without the start token":
        return best[1:].mean()
    if kind == "without start and end":
        return best[1:-1].mean()
    if kind == "content words":
        return best[content(lab, text)].mean()
    if kind == "lowest three":
        return best[1:-1].sort().values[:3].mean()
    if kind == "mean of the best three frames":
        return similarity.topk(min(3, len(frames)), dim=1).values.mean()
    return (torch.softmax(similarity / 0.05, dim=1) * similarity).sum(dim=1).mean()


def content(lab: Laboratory, text: str) -> Tensor:
    """Which tokens are no stop words, bool (L,)."""
    ids = lab.texts[text].token_ids
    said = [lab.encoder.tokenizer.inner.decode([i]).strip() for i in ids]
    return torch.tensor([0 < i < len(ids) - 1 and word not in STOP_WORDS for i, word in enumerate(said)])


def against_bank(kind: str) -> Score:
    """full_F less what other videos score with the caption, other captions with the video, or both."""

    def score(lab: Laboratory, cases: Sequence[Case]) -> Tensor:
        own, texts = plain()(lab, cases), [case.text for case in cases]
        others = torch.stack([match(lab, texts, [clip.sampled(PLAIN)] * len(texts)).full_F for clip in lab.bank])
        if kind == "z among other videos":
            return (own - others.mean(dim=0)) / others.std(dim=0)
        if kind == "less the mean of other videos":
            return own - others.mean(dim=0)
        if kind == "less the best of other videos":
            return own - others.amax(dim=0)
        captions = {
            number: match(lab, lab.bank_texts, [lab.clips[number].sampled(PLAIN)] * len(lab.bank_texts)).full_F.mean()
            for number in {case.clip for case in cases}
        }
        said = torch.stack([captions[case.clip] for case in cases])
        return own - said if kind == "less the mean of other captions" else 2 * own - others.mean(dim=0) - said

    return score


def contrast(kind: str) -> Score:
    """Per-word maxima set against the same word's maxima in other videos."""

    def score(lab: Laboratory, cases: Sequence[Case]) -> Tensor:
        texts, frames = _of(lab, cases, PLAIN)
        bank = torch.stack([clip.sampled(PLAIN) for clip in lab.bank])
        fine = match(lab, texts, frames)
        per_word = [_contrast(kind, lab.tokens(text), some, bank) for text, some in zip(texts, frames, strict=True)]
        found = torch.stack(per_word)
        if kind == "visual weights":
            return (2 * found * fine.figr_R / (found + fine.figr_R) + fine.cogr) / 2
        if kind == "difference, with the coarse difference":
            wholes = normalize(bank.mean(dim=1), dim=-1)
            coarse = torch.stack([lab.texts[text].pooled for text in texts]) @ wholes.T
            return (found + fine.cogr - coarse.mean(dim=1)) / 2
        return found

    return score


def _contrast(kind: str, tokens: Tensor, frames: Tensor, bank: Tensor) -> Tensor:
    own, others = (tokens @ frames.T).amax(dim=1), (tokens @ bank.transpose(1, 2)).amax(dim=2)
    gap, spread = own - others.mean(dim=0), others.std(dim=0)
    if kind == "z":
        return (gap / spread).mean()
    if kind == "lowest third of differences":
        return gap[1:].sort().values[: max(1, len(gap) // 3)].mean()
    if kind == "visual weights":  # words that tell videos apart weigh more
        return (own * spread).sum() / spread.sum()
    return gap.mean()


def centred(lab: Laboratory, cases: Sequence[Case]) -> Tensor:
    """EMScore after the mean frame and the mean token of the bank are taken away, so that the two clouds overlap."""
    mean_frame, mean_token = lab.means
    texts, frames = _of(lab, cases, PLAIN)
    tokens, real = _side_by_side([normalize(lab.tokens(text) - mean_token, dim=-1) for text in texts])
    wholes = normalize(torch.stack([lab.texts[text].pooled for text in texts]) - mean_token, dim=-1)
    video = video_of([normalize(some - mean_frame, dim=-1) for some in frames])
    return emscore(EmbeddedBatch(tokens, real, wholes), video).full_F


GROUPS: dict[str, dict[str, Score]] = {
    "presets": {
        "emscore (idf)": plain(idf="mean"),
        "factvc (1 frame/s, idf)": plain("full_P", SAMPLERS[1], idf="own", cogr_weight=0.25),
        "clipscore": plain("cogr", prompt="A photo depicts "),
    },
    "metrics": {name: plain(name) for name in EMScores._fields if name != "full_F"},
    "weight of cogr": {f"{weight:.2f}": plain(cogr_weight=weight) for weight in (0.0, 0.25, 0.75, 1.0)},
    "uniform frames": {str(count): plain(sampler=f"uniform:frame_num={count}") for count in FRAME_COUNTS},
    "samplers": {sampler: plain(sampler=sampler) for sampler in SAMPLERS},
    "idf": {"full_F, mean at the end": plain(idf="mean"), "full_F, own at the end": plain(idf="own"),
            "full_P, none": plain("full_P"), "full_P, mean at the end": plain("full_P", idf="mean"),
            "full_P, own at the end": plain("full_P", idf="own")},
    "aggregation": {
        "mean of frames": mean_of_frames,
        "best half": best_window(2),
        "best third": best_window(3),
        "best sixth": best_window(6),
        "mean of best third and whole": best_window(3, keep=0.5),
    },
    "order": {
        "clauses in order": in_order(),
        "clauses in order, all 24 frames": in_order(sampler="all"),
        "clauses in order, figr_P": in_order("figr_P"),
        "mean of clauses in order and whole": in_order(keep=0.5),
    },
    "prompts": {**{repr(prompt): plain(prompt=prompt) for prompt in PROMPTS[1:]}, "mean of four": several_prompts},
    "words": {
        kind: words(kind)
        for kind in ("without the start token", "without start and end", "content words", "lowest three",
                     "mean of the best three frames", "softmax over frames")
    },
    "per-word contrast": {
        kind: contrast(kind)
        for kind in ("difference", "z", "lowest third of differences", "difference, with the coarse difference",
                     "visual weights")
    },
    "against a bank of other clips": {
        **{
            kind: against_bank(kind)
            for kind in ("z among other videos", "less the mean of other videos", "less the best of other videos",
                         "less the mean of other captions", "less both means")
        },
        "centred embeddings": centred,
    },
}  # fmt: skip
