"""A sampler, an encoder, a describer, a judge, a benchmark and two metrics, as another package would write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from vqe_core.media import open_video
from vqe_core.meta_eval import Benchmark, Item, Part, Release
from vqe_core.meta_eval.base import needed
from vqe_core.options import check_count, option
from vqe_core.samplers.base import check_not_empty
from vqe_core.scorers.base import Scorer
from vqe_core.scorers.call import Input
from vqe_core.scorers.caption_scorer import CaptionScorer
from vqe_core.scorers.report import ResultNames, RowOutcome
from vqe_core.tables import read_table
from vqe_core.types import FrameTable, TextEmbedding


@dataclass(frozen=True)
class LastFrames:
    """The last frames of a video."""

    name: ClassVar[str] = "last"
    needs_differences: ClassVar[bool] = False
    count: int = 1

    def __post_init__(self) -> None:
        check_count("count", self.count)

    def select(self, table: FrameTable) -> np.ndarray:
        """Return the last positions."""
        check_not_empty(table)
        return np.arange(max(0, len(table) - self.count), len(table), dtype=np.int64)


@dataclass(frozen=True)
class Words:
    """Reads words as tokens."""

    end_id: ClassVar[int] = 1

    def digest(self) -> str:
        """Return what tells tokenizers apart."""
        return "words"


@dataclass(frozen=True)
class MeanColour:
    """An encoder without weights: the mean colour of an image, and the colour that a text names."""

    name: ClassVar[str] = "mean_colour"
    has_token_embeddings: ClassVar[bool] = True
    end_id: ClassVar[int] = 1
    tokenizer: ClassVar[Any] = Words()
    gain: float = 1.0

    @property
    def space(self) -> str:
        """Name of the embedding space."""
        return f"mean colour, {self.gain}"

    def signature(self) -> dict[str, str]:
        """Return what can change an embedding."""
        return {"model": self.name, "revision": "1", "gain": str(float(self.gain))}

    def prepare_image(self, pixels: np.ndarray) -> Tensor:
        """Return (3,) mean values."""
        return torch.from_numpy(pixels.reshape(-1, 3).mean(axis=0)).float()

    def embed_images(self, images: Tensor) -> Tensor:
        """Return (B, 3) unit rows."""
        return normalize(images * self.gain + 1, dim=-1)

    def embed_texts(self, texts: Sequence[str], *, long_text: Any, batch_size: int) -> list[TextEmbedding]:
        """Return one embedding a text."""
        colours = {"red": (1.0, 0.1, 0.1), "green": (0.1, 1.0, 0.1), "blue": (0.1, 0.1, 1.0)}
        found = []
        for text in texts:
            tokens = torch.tensor([colours.get(word, (1.0, 1.0, 1.0)) for word in text.split()])
            found.append(
                TextEmbedding(normalize(tokens, dim=-1), tuple(range(len(tokens))), normalize(tokens.sum(0), dim=0))
            )
        return found


@dataclass(frozen=True)
class Loudness:
    """A describer that says how loud it is."""

    name: ClassVar[str] = "loudness"
    sampling_rate: ClassVar[int | None] = None
    border: float = 0.05

    def signature(self) -> dict[str, str]:
        """Return what can change a description."""
        return {"describer": self.name, "border": str(self.border)}

    def describe(self, waveforms: Sequence[Any]) -> list[Any]:
        """Return a text each."""
        return ["a loud bell" if np.abs(sound.waveform).max() > self.border else "silence" for sound in waveforms]


@dataclass(frozen=True)
class Brightness:
    """A judge that likes bright images."""

    name: ClassVar[str] = "brightness"
    sampling_rate: ClassVar[int | None] = None
    best: int = 255

    def signature(self) -> dict[str, str]:
        """Return what can change a judgement."""
        return {"judge": self.name, "best": str(self.best)}

    def judge(self, exhibits: Sequence[Any]) -> list[Any]:
        """Return a number from 0 to 1 each."""
        return [min(1.0, float(exhibit.frames.mean()) / self.best) for exhibit in exhibits]


@dataclass(frozen=True)
class Brevity:
    """A judge of captions that likes few words."""

    name: ClassVar[str] = "brevity"
    most: int = 10

    def signature(self) -> dict[str, str]:
        """Return what can change a judgement."""
        return {"judge": self.name, "most": str(self.most)}

    def judge(self, captions: Sequence[Any]) -> list[Any]:
        """Return a number from 0 to 1 each, and how many words there are."""
        counts = [len(shown.caption.split()) for shown in captions]
        return [(max(0.0, 1 - count / self.most), f"{count} words") for count in counts]


@dataclass(frozen=True)
class Verbosity(Benchmark):
    """A benchmark whose people like long captions."""

    name: ClassVar[str] = "verbosity"
    title: ClassVar[str] = "Verbosity"
    source: ClassVar[str] = "nobody; github.com/nobody/nothing"
    layout: ClassVar[tuple[Part, ...]] = (Part("rows.jsonl", "captions"),)
    statistics: ClassVar[tuple[str, ...]] = ("tau_b",)
    scorer: ClassVar[str] = "caption_length"
    liked: float = 1.0

    def load(self, folder: Path, *, partial: bool = False) -> Release:
        """Read the captions of a table."""
        rows = read_table(needed(folder, ["rows.jsonl"], self.layout)[0])
        videos = zip(rows["candidate"], rows["video_path"], strict=True)
        items = tuple(Item(str(i), text, (), Path(video).stem) for i, (text, video) in enumerate(videos))
        return Release(items, np.array([[self.liked * len(item.candidate.split())] for item in items]))


@dataclass(frozen=True, kw_only=True)
class CaptionLength(Scorer):
    """Caption length: how many words a caption has."""

    name: ClassVar[str] = "caption_length"
    inputs: ClassVar[tuple[Input, ...]] = (Input("predictions", "caption_key", "text", required=True),)
    most: int = option(20, "words that count", rule="count")
    caption_key: str = option("candidate", "column of the captions")

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the names of the scores."""
        return ResultNames(("num_words",))

    def score_row(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Score one row."""
        return {"num_words": float(min(self.most, len(row["predictions"].split())))}

    def own_signature(self) -> dict[str, Any]:
        """Return what can change a score."""
        return {"most": self.most}


@dataclass(frozen=True, kw_only=True)
class BestFrame(CaptionScorer):
    """Best frame: the cosine of a caption with the frame that it fits best."""

    name: ClassVar[str] = "best_frame"

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the names of the scores."""
        return ResultNames(("best_frame",))

    def score_row(self, row: Any) -> dict[str, float]:
        """Score one row."""
        return {"best_frame": float((row.video.values @ row.candidate.pooled).max())}


@dataclass(frozen=True, kw_only=True)
class VideoLength(Scorer):
    """Video length: how many frames a video has, read by the metric itself."""

    name: ClassVar[str] = "video_length"
    inputs: ClassVar[tuple[Input, ...]] = (Input("videos", "video_key", "video", required=True),)

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the names of the scores."""
        return ResultNames(("num_frames",))

    def score_row(self, row: Mapping[str, Any]) -> RowOutcome:
        """Score one row."""
        video = open_video(row["videos"])
        return RowOutcome({"num_frames": float(video.num_frames)}, reader=video.read_by)
