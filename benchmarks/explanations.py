"""How often does an explanation find the wrong word? ``python -m benchmarks.explanations`` prints the figures.

One attribute is wrong in a caption of a clip of the toy world. A way of scoring words hits where a word that says the
attribute is among the two it likes least. By chance it would hit in about two of ten captions. The figures are those of
docs/explain.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqe_core.functional.emscore import EmbeddedBatch, EMScores, emscore, mean_direction
from vqe_core.report.word_alignment import Word, changed_words, read_words
from vqe_core.report.word_support import UNRANKED, WordSupport, least_supported, speaks_against, without, word_spans
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.toy.captions import caption
from vqe_core.toy.claims import VISIBLE, full_claims, swap
from vqe_core.toy.clips import make_clip
from vqe_core.toy.world import BACKGROUNDS, COLOURS, MOTION, MOTIONS, SHAPES, SIZES, sample_attributes
from vqe_core.types import TextEmbedding

FOUR = ("colour", "size", "count", "shape")
COUNT_WORDS = ("a", "an", "two", "three", "four")
PLURALS = tuple(shape + ("es" if shape == "cross" else "s") for shape in SHAPES)
# Words of one attribute, each of which could stand in the place of another.
ALTERNATIVES = (tuple(COLOURS), SHAPES, PLURALS, SIZES, ("a", "two", "three", "four"), BACKGROUNDS)
NULL_WORD = "something"
MOST = 2
SHIPPED = "one word left out, global score (cogr)"


@dataclass(frozen=True, eq=False)
class Case:
    """A caption of a clip with the numbers of its ``wrong`` words (none in a right caption), and what the foil is."""

    clip: int
    text: str
    wrong: frozenset[int]
    attribute: str
    kind: str


@dataclass(eq=False)
class Bench:
    """Clips, embedded once, and what is measured of their captions."""

    num_clips: int
    seed: int = 0
    scorer: EMScore = field(default_factory=lambda: EMScore(clip_model_path="toy"))

    def __post_init__(self) -> None:
        self.encoder = self.scorer.load_encoder()
        self.attributes = [
            sample_attributes(
                np.random.default_rng([self.seed, 7, i]),
                events=1 if i % 3 else 2,
                heldout="only" if i % 2 else "exclude",
            )
            for i in range(self.num_clips)
        ]
        self.frames = [self._frames(i, attributes) for i, attributes in enumerate(self.attributes)]
        everything = torch.cat(self.frames)
        self.mean_frame = torch.nn.functional.normalize(everything.mean(dim=0), dim=0)

    def _frames(self, i: int, attributes: np.ndarray) -> Tensor:
        pixels = make_clip(5000 + i, attributes=attributes).frames
        chosen = np.linspace(0, len(pixels) - 1, 10).round().astype(int)
        images = torch.stack([self.encoder.prepare_image(pixels[j]) for j in chosen])
        return self.encoder.embed_images(images)

    def embed(self, texts: Sequence[str]) -> list[TextEmbedding]:
        """Embed texts."""
        return self.encoder.embed_texts(list(texts), long_text="windows", batch_size=256)

    def score(self, clip: int, embedded: Sequence[TextEmbedding]) -> EMScores:
        """Score texts against a clip; seven (B,) tensors."""
        longest = max(len(text.token_ids) for text in embedded)
        parts = torch.zeros(len(embedded), longest, self.frames[clip].shape[1])
        mask = torch.zeros(len(embedded), longest, dtype=torch.bool)
        for i, text in enumerate(embedded):
            parts[i, : len(text.token_ids)] = _tokens(text)
            mask[i, : len(text.token_ids)] = True
        frames = self.frames[clip].expand(len(embedded), -1, -1)
        every = torch.ones(frames.shape[:2], dtype=torch.bool)
        captions = EmbeddedBatch(parts, mask, torch.stack([text.pooled for text in embedded]))
        return emscore(captions, EmbeddedBatch(frames, every, mean_direction(frames, every)))

    def cases(self) -> Iterator[Case]:
        """Make right captions, and those with one wrong attribute, each in the plain and in another wording."""
        for i, attributes in enumerate(self.attributes):
            claims = full_claims(attributes)
            yield Case(i, caption(claims), frozenset(), "right", "right")
            for j, name in enumerate(VISIBLE):
                foil = swap(claims, name, np.random.default_rng([self.seed, i, j]), attributes=attributes)
                if foil is None:
                    continue
                for wording in (0, 1):
                    words = [np.random.default_rng([self.seed, i, j]) if wording else None for _ in range(2)]
                    right, wrong = caption(claims, words[0]), caption(foil, words[1])
                    changed = [k for k, (_, new) in enumerate(changed_words(wrong, right)) if new]
                    if name == "count":  # nouns and verbs follow the number
                        changed = [k for k in changed if wrong.split()[k] in COUNT_WORDS]
                    if changed:
                        yield Case(i, wrong, frozenset(changed), name, _kind(name, claims, foil))


def _tokens(text: TextEmbedding) -> Tensor:
    assert text.tokens is not None, "the toy model embeds tokens"
    return text.tokens


def _kind(name: str, claims: np.ndarray, foil: np.ndarray) -> str:
    if name != "motion":
        return name
    event = int(np.flatnonzero(foil[:, MOTION] != claims[:, MOTION])[0])
    pair = {MOTIONS[claims[event, MOTION]], MOTIONS[foil[event, MOTION]]}
    if pair <= {"appear", "vanish"}:
        return "appear or vanish"
    return "direction" if pair <= {"left", "right", "up", "down"} else "other motion"


Support = np.ndarray  # of each word; the least is what a way of scoring words believes to be wrong


def supports(bench: Bench, case: Case) -> tuple[list[str], dict[str, Support]]:
    """Return the words of a caption, and their support by each way of scoring words."""
    (embedded,) = bench.embed([case.text])
    tokens = read_words(embedded.token_ids, bench.encoder.tokenizer.inner)
    spans = word_spans(case.text, tokens, bench.encoder.tokenizer, "windows")
    words = [case.text[slice(*span)] for span in spans.values()]
    assert len(words) == len(case.text.split()), "the numbers of wrong words count what spaces divide"
    rest = [without(case.text, span) for span in spans.values()]
    nulled = [case.text[:start] + NULL_WORD + case.text[end:] for start, end in spans.values()]
    others = [_alternatives(case.text, span) for span in spans.values()]
    texts = [*rest, *words, *nulled, *[text for group in others for text in group]]
    scores = bench.score(case.clip, [embedded, *bench.embed(texts)])
    n = len(words)

    def by(metric: str) -> tuple[float, Support, Support, Support, list[Support]]:
        values = getattr(scores, metric).numpy()
        ends = np.cumsum([len(group) for group in others])
        groups = np.split(values[1 + 3 * n :], ends[:-1])
        return values[0], values[1 : 1 + n], values[1 + n : 1 + 2 * n], values[1 + 2 * n : 1 + 3 * n], groups

    ways: dict[str, Support] = _by_cosine(bench, case, embedded, [tokens[number] for number in spans])
    for metric, name in (("cogr", "global score (cogr)"), ("figr_F", "figr_F"), ("full_F", "full_F")):
        whole, left, alone, null, groups = by(metric)
        ways[f"one word left out, {name}"] = whole - left
        ways[f"the word alone, {name}"] = alone
        ways[f"“{NULL_WORD}” in its place, {name}"] = whole - null
        margin = [whole - group.max() if len(group) else whole - left[i] for i, group in enumerate(groups)]
        ways[f"best other word of its attribute in its place, {name}"] = np.array(margin)
    for name, other in (
        ("cosine against other clips", ways["its cosine, less other clips'"]),
        ("other words in its place", ways["best other word of its attribute in its place, global score (cogr)"]),
    ):
        ways[f"left out (cogr) and {name}, sum of ranks"] = _ranks(ways[SHIPPED]) + _ranks(other)
    return words, ways


def _by_cosine(bench: Bench, case: Case, embedded: TextEmbedding, words: Sequence[Word]) -> dict[str, Support]:
    cosines = _tokens(embedded) @ bench.frames[case.clip].T
    elsewhere = _tokens(embedded) @ bench.mean_frame
    best = np.array([cosines[list(word.positions)].amax(dim=1).mean().item() for word in words])
    usual = np.array([elsewhere[list(word.positions)].mean().item() for word in words])
    spread = np.array([np.ptp(cosines[list(word.positions)].mean(dim=0).numpy()) for word in words])
    return {
        "its cosine with its best frame (before)": best,
        "its cosine, less other clips'": best - usual,
        "its cosine, less other frames' of the clip": spread,
    }


def _ranks(values: Support) -> Support:
    return values.argsort().argsort().astype(float)


def _alternatives(text: str, span: tuple[int, int]) -> list[str]:
    word = "a" if text[slice(*span)] == "an" else text[slice(*span)]
    others = [other for group in ALTERNATIVES if word in group for other in group if other != word]
    return [text[: span[0]] + other + text[span[1] :] for other in others]


def measure(num_clips: int, seed: int = 0) -> dict[str, Any]:
    """Measure the hit rate of every way by attribute, and how often the shipped one marks words that are right."""
    bench, begun = Bench(num_clips, seed), time.perf_counter()
    hits: dict[str, dict[str, list[bool]]] = {}
    marks: dict[str, list[bool]] = {}
    for case in bench.cases():
        words, ways = supports(bench, case)
        _note_marks(marks, case, words, ways[SHIPPED])
        for way, values in ways.items() if case.wrong else ():
            hit = bool(set(values.argsort()[:MOST].tolist()) & case.wrong)
            for name in dict.fromkeys((case.attribute, case.kind)):
                hits.setdefault(way, {}).setdefault(name, []).append(hit)
    rates = {way: {name: float(np.mean(found)) for name, found in by.items()} for way, by in hits.items()}
    counts = {name: len(found) for name, found in next(iter(hits.values())).items()}
    for way, by in hits.items():
        rates[way]["four"] = float(np.mean([hit for name in FOUR for hit in by.get(name, [])]))
        rates[way]["all"] = float(np.mean([hit for name in VISIBLE for hit in by.get(name, [])]))
    marked = {name: float(np.mean(found)) for name, found in marks.items()}
    return {"captions": counts, "hit_rates": rates, "marks": marked, "seconds": round(time.perf_counter() - begun, 1)}


def _note_marks(marks: dict[str, list[bool]], case: Case, words: Sequence[str], values: Support) -> None:
    found = [
        WordSupport(word, (i, i), float(value), UNRANKED.get(word, ""))
        for i, (word, value) in enumerate(zip(words, values, strict=True))
    ]
    least = {word.span[0] for word in least_supported(found)}
    against = {word.span[0] for word in speaks_against(found)}
    if not case.wrong:
        noted = {"right captions with a word marked": [bool(against)]}
        noted["words of right captions marked"] = [i in against for i in range(len(words))]
    elif case.attribute == "motion":
        noted = {"motion wrong, which is not ranked: another word marked": [bool(against)]}
    else:
        noted = {
            "wrong word among the two shown": [bool(least & case.wrong)],
            "wrong word marked": [bool(against & case.wrong)],
            "another word marked": [bool(against - case.wrong)],
        }
    for name, values_of in noted.items():
        marks.setdefault(name, []).extend(values_of)


def markdown(found: Mapping[str, Any]) -> str:
    """Format the hit rates as a table, best first."""
    names = [*FOUR, "four", "background", "direction", "other motion", "appear or vanish", "all"]
    names = [name for name in names if name in ("four", "all") or name in found["captions"]]
    lines = ["| support of a word | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for way, rates in sorted(found["hit_rates"].items(), key=lambda item: -item[1]["four"]):
        lines.append(f"| {way} | " + " | ".join(f"{rates[name]:.2f}" for name in names) + " |")
    counts = ", ".join(f"{name} {found['captions'][name]}" for name in names if name in found["captions"])
    lines += ["", f"Captions: {counts}."]
    return "\n".join([*lines, "", *[f"- {name}: {share:.3f}" for name, share in found["marks"].items()]])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40, help="clips, a dozen captions each (default: 40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", help="write the figures here too")
    options = parser.parse_args()
    found = measure(options.clips, options.seed)
    print(markdown(found))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=2)


if __name__ == "__main__":
    main()
