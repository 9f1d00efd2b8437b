"""ActivityNet-Fact and YouCook2-Fact: paragraphs of six systems, with what people found wrong in them."""

from __future__ import annotations

import re
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
from vqe_core.meta_eval.correlations import correlation
from vqe_core.meta_eval.reading import read_json, read_lines

LEVELS = ("paragraph", "sentence", "word")
MOST_TOKENS = 512  # of a paragraph that words are counted in

_ACTIVITYNET = "Liu and Wan, FactVC, EMNLP 2023, table 5"
_YOUCOOK2 = "Liu and Wan, FactVC, EMNLP 2023, table 6"


def _published(metric: str, inputs: Any, paragraph: float, sentence: float, word: float, source: str) -> Published:
    return Published(metric, inputs, dict(zip(LEVELS, (paragraph, sentence, word), strict=True)), source)


@dataclass(frozen=True)
class Factuality(Benchmark):
    """Base of the two: what is the same in both.

    Source:
        Liu and Wan, "Models See Hallucinations: Evaluating the Factuality in Video Captioning", EMNLP 2023, and the
        published code (factvc_corr.py). A system's sentences become one paragraph of letters alone, lower case, cut at
        the model's context; a frame a second; idf from the first paragraph of each entry of ``ref_paragraphs.json``,
        the end token weighing what is counted, 0; full_P with a coarse weight of 0.25. Pearson's r with what people
        said, over all systems and videos: the paragraph's score, minus the share of sentences with an error, and minus
        the share of words in error.
    """

    systems: ClassVar[Mapping[str, str]]  # names in the annotation, and the files of their captions
    reference_files: ClassVar[tuple[str, ...]]
    statistics: ClassVar[tuple[str, ...]] = LEVELS
    scale: ClassVar[float] = 1
    idf_file: ClassVar[str] = "captions/ref_paragraphs.json"
    headlines: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "emscore": ("EMScore(X,V)_full_P", "EMScore(X,X*)_full_P", "EMScore(X,V,X*)_full_P"),
        "clip_score": ("clip_score", "ref_clip_score"),
    }

    def load(self, folder: Path, *, partial: bool = False) -> Release:
        """Read paragraphs, references and annotations; see ``Benchmark.load``.

        With ``partial``, systems whose captions are not there are left out.
        """
        names = {system: f"captions/{file}" for system, file in self.systems.items()}
        absent = [system for system in names if partial and not (folder / names[system]).exists()]
        kept = {system: name for system, name in names.items() if system not in absent}
        references = [f"captions/{file}" for file in self.reference_files]
        needed(folder, ["vids.txt", "factuality_annotation.json", *references, *kept.values()], self.layout)
        videos = [line.strip() for line in read_lines(folder / "vids.txt")]
        annotation = read_json(folder / "factuality_annotation.json")
        texts = [read_json(folder / name) for name in references]
        items, labels = [], []
        try:
            for system, name in kept.items():
                captions = read_json(folder / name)["results"]
                for video in videos:
                    paragraph = letters(" ".join(entry["sentence"].strip() for entry in captions[video]))
                    items.append(Item(f"{system}/{video}", paragraph, _references(texts, video), video))
                    labels.append(labels_of(annotation[video][system]))
        except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
            raise InputError(f"{str(folder)!r} does not hold the files of the release: {error!r}") from error
        notes = (f"{len(kept)} of {len(names)} systems: no captions of {', '.join(absent)}",) if absent else ()
        return Release(tuple(items), np.array(labels), images=_frames(folder, videos), notes=notes)

    def read_corpus(self, path: Path) -> IdfCorpus:
        """Read the first reference paragraph of each entry."""
        return IdfCorpus(tuple(letters(texts[0]) for texts in read_json(path).values()), "own", MOST_TOKENS)

    def options_for(self, scorer: str, kind: SourceKind) -> dict[str, Any]:
        """Return model, weights and frames; see ``Benchmark.options_for``."""
        options = {
            "clip_model_path": "ViT-B/16",
            "long_text": "truncate",
            "cogr_weight": 0.25,
            "reference_weight": 0.5,
            "resize": "pil",
            "max_frames": 10_000,
        }
        frames = {"files": {"sampler": "every_n_seconds:every_n_seconds=1"}, "frames": {"sampler": "all"}}
        return {**options, **frames.get(kind, {})}

    def figures(self, observations: Observations) -> dict[str, float]:
        """Return Pearson's r with each of the three labels; see ``Benchmark.figures``."""
        scores, labels, _ = observations
        return {level: correlation("r", scores, labels[:, i]) for i, level in enumerate(LEVELS)}


@dataclass(frozen=True)
class YouCook2Fact(Factuality):
    """YouCook2-Fact: do paragraphs about cooking videos score lower, the more is wrong in them?"""

    name: ClassVar[str] = "youcook2-fact"
    title: ClassVar[str] = "YouCook2-Fact"
    source: ClassVar[str] = "Liu and Wan, FactVC, EMNLP 2023; github.com/PKULiuHui/FactVC"
    systems: ClassVar[Mapping[str, str]] = {
        "VTrans": "vtrans_val.json",
        "MART": "mart_val.json",
        "COOT": "coot_val.json",
        "COOT_100m": "coot_100m_val.json",
        "UniVL": "univl_val.json",
        "VLTinT": "vltint_val.json",
    }
    reference_files: ClassVar[tuple[str, ...]] = ("gt_val_para.json",)
    layout: ClassVar[tuple[Part, ...]] = (
        Part("vids.txt", "names of 100 videos"),
        Part("factuality_annotation.json", "labels"),
        Part("captions/*_val.json", "captions of six systems"),
        Part("captions/gt_val_para.json", "reference paragraphs"),
        Part("captions/ref_paragraphs.json", "paragraphs for idf"),
        Part("frames/VIDEO/0.jpg, 1.jpg, ...", "a frame a second", optional=True),
    )
    published: ClassVar[tuple[Published, ...]] = (
        _published("EMScore (ViT-B/32)", "V", 0.337, 0.353, 0.361, _YOUCOOK2),
        _published("EMScore (ViT-B/32)", "T", 0.518, 0.482, 0.523, _YOUCOOK2),
        _published("EMScore (ViT-B/32)", "VT", 0.543, 0.514, 0.553, _YOUCOOK2),
        _published("FactVC", "VT", 0.606, 0.583, 0.615, _YOUCOOK2),
    )


@dataclass(frozen=True)
class ActivityNetFact(Factuality):
    """ActivityNet-Fact: do paragraphs about everyday videos score lower, the more is wrong in them?"""

    name: ClassVar[str] = "activitynet-fact"
    title: ClassVar[str] = "ActivityNet-Fact"
    source: ClassVar[str] = "Liu and Wan, FactVC, EMNLP 2023; github.com/PKULiuHui/FactVC"
    systems: ClassVar[Mapping[str, str]] = {
        "MART": "mart_ae_test.json",
        "COOT": "coot_ae_test.json",
        "PDVC_gt": "pdvc_gt_ae_test.json",
        "PDVC_pred": "pdvc_pred_ae_test.json",
        "Song": "song_ae_test.json",
        "VLTinT": "vltint_ae_test.json",
    }
    reference_files: ClassVar[tuple[str, ...]] = ("gt_ae_test_1_para.json", "gt_ae_test_2_para.json")
    layout: ClassVar[tuple[Part, ...]] = (
        Part("vids.txt", "names of 200 videos"),
        Part("factuality_annotation.json", "labels"),
        Part("captions/*_ae_test.json", "captions of six systems"),
        Part("captions/gt_ae_test_1_para.json, gt_ae_test_2_para.json", "reference paragraphs"),
        Part("captions/ref_paragraphs.json", "paragraphs for idf"),
        Part("frames/VIDEO/0.jpg, 1.jpg, ...", "a frame a second", optional=True),
    )
    published: ClassVar[tuple[Published, ...]] = (
        _published("EMScore (ViT-B/32)", "V", 0.253, 0.190, 0.300, _ACTIVITYNET),
        _published("EMScore (ViT-B/32)", "T", 0.425, 0.356, 0.432, _ACTIVITYNET),
        _published("EMScore (ViT-B/32)", "VT", 0.427, 0.352, 0.446, _ACTIVITYNET),
        _published("EMScore (ViT-B/16)", "V", 0.305, 0.242, 0.341, _ACTIVITYNET),
        _published("EMScore (ViT-B/16)", "T", 0.452, 0.389, 0.447, _ACTIVITYNET),
        _published("EMScore (ViT-B/16)", "VT", 0.458, 0.388, 0.464, _ACTIVITYNET),
        _published("PAC-S", "V", 0.332, 0.271, 0.384, _ACTIVITYNET),
        _published("FactVC", "V", 0.462, 0.371, 0.480, _ACTIVITYNET),
        _published("FactVC", "VT", 0.551, 0.465, 0.545, _ACTIVITYNET),
    )


def letters(text: str) -> str:
    """Return a text as the protocol scores it: runs of the letters a to z, lower case, a space between them.

    Example:
        >>> letters("Add 2 eggs; don't stir.")
        'add eggs don t stir'
    """
    return " ".join(re.sub("[^a-zA-Z]", " ", text).lower().split())


def labels_of(annotation: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the three labels of an annotated paragraph, higher where less is wrong.

    Args:
        annotation: ``paragraph_score`` (1 to 5), and ``sentences`` in which ``[ ]`` stands around what is wrong.

    Returns:
        The paragraph's score, minus the share of sentences with an error, minus the share of words inside ``[ ]``.

    Raises:
        InputError: brackets that do not pair up.

    Example:
        >>> labels_of({"paragraph_score": 3, "sentences": ["a [red] dog .", "it runs"]})
        (3.0, -0.5, -0.2)
    """
    sentences = [sentence.replace(".", "").strip() for sentence in annotation["sentences"]]
    wrong_sentences = wrong_words = words = 0
    for sentence in sentences:
        starts, ends = ([i for i, letter in enumerate(sentence) if letter == bracket] for bracket in "[]")
        if len(starts) != len(ends):
            raise InputError(f"the brackets of {sentence!r} do not pair up")
        wrong_sentences += bool(starts)
        words += len(sentence.split())
        wrong_words += sum(len(sentence[start:end].split()) for start, end in zip(starts, ends, strict=True))
    return float(annotation["paragraph_score"]), -wrong_sentences / len(sentences), -wrong_words / words


def _references(texts: Sequence[Mapping[str, str]], video: str) -> tuple[str, ...]:
    """Return a reference from each file; the first file's where another lacks the video."""
    return tuple(letters(each.get(video, texts[0][video])) for each in texts)


def _frames(folder: Path, videos: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """Return the frames of the videos that have a folder of them, in the order of their numbers."""
    found = {}
    for video in videos:
        paths = [path for path in (folder / "frames" / video).glob("*.jpg") if path.stem.isdecimal()]
        if paths:
            found[video] = tuple(sorted(paths, key=lambda path: int(path.stem)))
    return found
