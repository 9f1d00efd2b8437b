"""ActivityNet-FOIL: paragraphs of videos, each with a twin in which a word was exchanged for a wrong one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vqe_core.errors import InputError
from vqe_core.meta_eval.base import (
    Benchmark,
    IdfCorpus,
    Item,
    Observations,
    Part,
    Published,
    Release,
    SourceKind,
    needed,
)
from vqe_core.meta_eval.reading import read_json

MOST_WORDS = 66  # of a sentence that counts for idf: longer ones break the published tokenizer
LEAST_SHARE = 0.4  # of a reference's seconds that the sentence must cover
RIGHT, FOIL = 1.0, 0.0

_FACTVC = "Liu and Wan, FactVC, EMNLP 2023, table 15"
_FILES = ("final_right_video_sentences.json", "final_foil_video_sentences.json")
_ENTITIES = ("anet_entities_test_1.json", "anet_entities_test_2.json")


@dataclass(frozen=True)
class ActivityNetFoil(Benchmark):
    """ActivityNet-FOIL: does the right paragraph score higher than one with a wrong word?

    A sentence is scored against the frames, or the seconds, of its own segment; a video's score is the mean over its
    sentences. The right paragraph wins only if its score is strictly greater: a tie, or a missing score, is a loss.

    Source:
        Shi et al., "EMScore", CVPR 2022, section 4, and the published code (ActivityNet-FOIL_demo.py). Segments are
        those of ``anet_entities_test_1.json``: frames from ``int(t0 * n // duration)`` to ``int(t1 * n // duration)``,
        the end left out. References are the sentences of ``anet_entities_test_2.json`` more than 0.4 of whose whole
        seconds the segment covers (its comment says 50 %), else all. idf comes from the sentences of ``train.json`` of
        at most 66 words.
    """

    name: ClassVar[str] = "activitynet-foil"
    title: ClassVar[str] = "ActivityNet-FOIL"
    source: ClassVar[str] = "Shi et al., EMScore, CVPR 2022; github.com/ShiYaya/emscore"
    layout: ClassVar[tuple[Part, ...]] = (
        Part(_FILES[0], "right sentences"),
        Part(_FILES[1], "sentences with a wrong word"),
        Part(_ENTITIES[0], "segments and durations"),
        Part(_ENTITIES[1], "reference sentences"),
        Part("train.json", "sentences for idf"),
        Part("ActivityNet-FOIL_video_feats/*.pt", "embeddings of all frames by ViT-B/32", optional=True),
    )
    statistics: ClassVar[tuple[str, ...]] = ("accuracy", "ties")
    published: ClassVar[tuple[Published, ...]] = (
        Published("EMScore", "V", {"accuracy": 0.895}, _FACTVC),
        Published("EMScore", "VT", {"accuracy": 0.924}, _FACTVC),
        Published("PAC-S", "V", {"accuracy": 0.901}, _FACTVC),
        Published("PAC-S", "V", {"accuracy": 0.910}, "Dipta et al., VC-Inspector, arXiv 2509.16538"),
        Published("PAC-S", "VT", {"accuracy": 0.935}, _FACTVC),
        Published("FactVC", "V", {"accuracy": 0.910}, _FACTVC),
        Published("FactVC", "VT", {"accuracy": 0.943}, _FACTVC),
        Published("VC-Inspector-3B", "V", {"accuracy": 0.993}, "Dipta et al., VC-Inspector, arXiv 2509.16538"),
        Published("BLEU-1", "T", {"accuracy": 0.601}, _FACTVC),
        Published("ROUGE-L", "T", {"accuracy": 0.567}, _FACTVC),
        Published("METEOR", "T", {"accuracy": 0.729}, _FACTVC),
        Published("CIDEr", "T", {"accuracy": 0.779}, _FACTVC),
        Published("BERTScore", "T", {"accuracy": 0.867}, _FACTVC),
    )
    embeddings_of: ClassVar[str] = "ViT-B/32"
    idf_file: ClassVar[str] = "train.json"
    headlines: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "emscore": ("EMScore(X,V)_full_F", "EMScore(X,X*)_full_F", "EMScore(X,V,X*)_full_F"),
        "clip_score": ("clip_score", "ref_clip_score"),
    }

    def load(self, folder: Path, *, partial: bool = False) -> Release:
        """Read both paragraphs of each video; see ``Benchmark.load``.

        Videos without stored embeddings are left out where there are some, as in the published code.
        """
        right, foil, one, two = map(read_json, needed(folder, [*_FILES, *_ENTITIES], self.layout))
        embeddings = {path.stem: path for path in sorted((folder / "ActivityNet-FOIL_video_feats").glob("*.pt"))}
        items: list[Item] = []
        labels: list[float] = []
        try:
            durations = {vid: float(entry["duration"]) for entities in (one, two) for vid, entry in entities.items()}
            videos = [vid for vid in right["results"] if not embeddings or vid in embeddings]
            for vid in videos:
                for kind, value, paragraphs in (("right", RIGHT, right["results"]), ("foil", FOIL, foil["results"])):
                    for i, sentence in enumerate(paragraphs[vid]):
                        segment = tuple(map(float, one[vid]["timestamps"][i][:2]))
                        texts = references_of(segment, two.get(vid, {}))
                        items.append(
                            Item(f"{kind}/{vid}/{i}", sentence["sentence"], texts, vid, segment, durations[vid])  # type: ignore[arg-type]
                        )
                        labels.append(value)
        except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
            raise InputError(f"{str(folder)!r} does not hold the files of the release: {error!r}") from error
        return Release(tuple(items), np.array(labels)[:, None], embeddings)

    def read_corpus(self, path: Path) -> IdfCorpus:
        """Read the sentences of the training set, those that are too long left out."""
        sentences = [text for entry in read_json(path).values() for text in entry["sentences"]]
        return IdfCorpus(tuple(text for text in sentences if len(text.split(" ")) <= MOST_WORDS))

    def options_for(self, scorer: str, kind: SourceKind) -> dict[str, Any]:
        """Return model and frames; see ``Benchmark.options_for``."""
        options = {"clip_model_path": "ViT-B/32", "resize": "pil"}
        return {**options, "sampler": "all"} if kind == "files" else options

    def frames_of(self, item: Item, count: int) -> np.ndarray:
        """Return the positions of a sentence's segment; see ``Benchmark.frames_of``. They may be none."""
        if item.segment is None or item.duration is None:
            return np.arange(count)
        start, end = (int(time * count // item.duration) for time in item.segment)
        return np.arange(count)[start:end]

    def observe(self, release: Release, scores: np.ndarray) -> Observations:
        """Return a row a video: 1 where the right paragraph wins, with 1 for a tie as its label."""
        groups, is_right = release.groups, release.labels[:, 0] == RIGHT
        means = [_means(scores[chosen], groups[chosen], len(release.videos)) for chosen in (is_right, ~is_right)]
        wins = means[0] > means[1]  # false with NaN
        ties = means[0] == means[1]
        return Observations(wins.astype(float), ties.astype(float)[:, None], np.arange(len(wins)))

    def figures(self, observations: Observations) -> dict[str, float]:
        """Return the share of videos whose right paragraph wins, and of ties, which are losses."""
        return {"accuracy": float(observations.scores.mean()), "ties": float(observations.labels.mean())}


def _means(scores: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Return the mean over each group; NaN where one of its scores is, or where it is empty."""
    with np.errstate(invalid="ignore"):
        return np.bincount(groups, weights=scores, minlength=count) / np.bincount(groups, minlength=count)


def references_of(segment: Sequence[float], entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the reference sentences that a segment covers, all of them where it covers none.

    Args:
        segment: start and end (s).
        entry: ``sentences`` and their ``timestamps`` (s).

    Example:
        >>> entry = {"sentences": ["a", "b"], "timestamps": [[0.0, 9.9], [10.0, 19.5]]}
        >>> references_of((0.0, 4.0), entry), references_of((0.0, 3.9), entry)
        (('a',), ('a', 'b'))
    """
    sentences = tuple(entry.get("sentences", ()))
    seconds = set(range(int(segment[0]), int(segment[1]) + 1))
    covered = []
    for sentence, (start, end, *_) in zip(sentences, entry.get("timestamps", ()), strict=False):
        own = range(int(start), int(end) + 1)
        if len(own) and len(seconds.intersection(own)) / len(own) > LEAST_SHARE:
            covered.append(sentence)
    return tuple(covered) or sentences
