"""Baselines: EMScore as the published code computes it, and as an operator of a data pipeline does.

Both are written here with care, so that they are as fast as their way allows: OpenCV steps over unwanted frames
without converting them, the model runs in torch's own float32 with torch's own number of threads, and on a GPU where
there is one. idf is counted apart, by ``operators_idf``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from transformers import CLIPModel, CLIPTokenizerFast

MEAN = torch.tensor((0.48145466, 0.4578275, 0.40821073))[:, None, None]
STD = torch.tensor((0.26862954, 0.26130258, 0.27577711))[:, None, None]
METRICS = ("figr_P", "figr_R", "figr_F", "cogr", "full_P", "full_R", "full_F")
IMAGE_BATCH, TEXT_BATCH, CONTEXT = 32, 64, 77
Scores = list[list[float]]  # a row of METRICS a caption


@dataclass(frozen=True)
class Clip:
    """Model, tokenizer and device of a baseline."""

    model: Any
    tokenizer: Any
    device: str

    @classmethod
    def load(cls, folder: str | Path) -> Clip:
        """Load a checkpoint in float32, on the GPU if there is one."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval().to(device)
        return cls(model, CLIPTokenizerFast.from_pretrained(folder), device)

    @torch.inference_mode()
    def images(self, pixel_values: Sequence[Tensor]) -> Tensor:
        """Return unit embeddings (B, D) of preprocessed images (3, h, w)."""
        pooled = self.model.vision_model(pixel_values=torch.stack(list(pixel_values)).to(self.device)).pooler_output
        return normalize(self.model.visual_projection(pooled), dim=-1).cpu()

    @torch.inference_mode()
    def texts(self, captions: Sequence[str]) -> list[Tensor]:
        """Return unit embeddings (L, D) of each caption's tokens, the end token last; read as 77, as published."""
        ids = [self.tokenizer(caption)["input_ids"] for caption in captions]
        padded = torch.tensor([[*entry, *[0] * (CONTEXT - len(entry))] for entry in ids], device=self.device)
        hidden = self.model.text_model(input_ids=padded).last_hidden_state
        tokens = normalize(self.model.text_projection(hidden), dim=-1).cpu()
        return [row[: len(entry)] for row, entry in zip(tokens, ids, strict=True)]


def grabbed_frames(path: str | Path, every_n_seconds: float) -> Iterator[np.ndarray]:
    """Yield RGB frames at 0, n, 2 n ... seconds: the decoder runs on, and only wanted frames are converted."""
    capture = cv2.VideoCapture(str(path))
    fps, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = {round(n * every_n_seconds * fps) for n in range(int(count / fps / every_n_seconds) + 1)}
    last = max(number for number in wanted if number < count)
    for number in range(last + 1):
        if not capture.grab():
            break
        if number in wanted:
            _, frame = capture.retrieve()
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    capture.release()


def preprocess(pixels: np.ndarray, size: int = 224) -> Tensor:
    """Preprocess as CLIP does, with PIL: shorter edge to ``size`` (bicubic), centre crop, normalise."""
    image = Image.fromarray(pixels)
    width, height = image.size
    scaled = (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
    image = image.resize(scaled, Image.Resampling.BICUBIC)
    left, top = round((image.size[0] - size) / 2), round((image.size[1] - size) / 2)
    cropped = np.array(image.crop((left, top, left + size, top + size)))
    return (torch.from_numpy(cropped).permute(2, 0, 1).float() / 255 - MEAN) / STD


def sampled(clip: Clip, captions: Sequence[str], videos: Sequence[str], every_n_seconds: float) -> tuple[Scores, Any]:
    """Score by the published algorithm on sampled frames: each video decoded once, batches filled across videos.

    Returns:
        Scores of each row; and the embeddings, (tokens by row, frames by video), for checks.
    """
    texts: list[Tensor] = []
    for start in range(0, len(captions), TEXT_BATCH):
        texts += clip.texts(captions[start : start + TEXT_BATCH])
    owners: list[str] = []
    rows: list[Tensor] = []
    waiting: list[Tensor] = []
    for video in dict.fromkeys(videos):
        for pixels in grabbed_frames(video, every_n_seconds):
            owners.append(video)
            waiting.append(preprocess(pixels))
            if len(waiting) == IMAGE_BATCH:
                rows.append(clip.images(waiting))
                waiting = []
    if waiting:
        rows.append(clip.images(waiting))
    embedded = torch.cat(rows)
    frames = {video: embedded[[owner == video for owner in owners]] for video in dict.fromkeys(videos)}
    scores = [match(tokens, frames[video]) for tokens, video in zip(texts, videos, strict=True)]
    return scores, (texts, frames)


def operators_way(clip: Clip, captions: Sequence[str], videos: Sequence[str], every_n_seconds: float) -> Scores:
    """Score caption by caption, frame by frame.

    The video is decoded anew for each caption, every frame is a batch of one and a video of its own, and the scores of
    the frames are averaged.
    """
    scores = []
    for caption, video in zip(captions, videos, strict=True):
        tokens = clip.texts([caption])[0]
        frames = [clip.images([preprocess(pixels)]) for pixels in grabbed_frames(video, every_n_seconds)]
        scores.append(mean_of_frames(tokens, torch.cat(frames)))
    return scores


def operators_idf(clip: Clip, captions: Sequence[str], copies: int) -> list[Counter[int]]:
    """Count in how many texts each token occurs, as the operator does for every caption.

    In ``copies`` of that caption, one a frame, by four processes that are started for it.
    """
    counts = []
    for caption in captions:
        _COUNTED.append(clip.tokenizer)
        with get_context("fork").Pool(4) as pool:
            counts.append(Counter(chain.from_iterable(pool.map(_distinct_tokens, [caption] * copies))))
        _COUNTED.clear()
    return counts


_COUNTED: list[Any] = []  # the tokenizer, for forked processes


def _distinct_tokens(caption: str) -> set[int]:
    return set(_COUNTED[0](caption)["input_ids"])


def match(tokens: Tensor, frames: Tensor) -> list[float]:
    """Return ``METRICS`` of one caption (L, D) and one video (N, D); both unit rows."""
    similarity = tokens @ frames.T
    precision, recall = float(similarity.amax(1).mean()), float(similarity.amax(0).mean())
    coarse = float(tokens[-1] @ normalize(frames.mean(0), dim=0))
    both_positive = precision > 0 and recall > 0
    f1 = 2 * precision * recall / (precision + recall) if both_positive else min(precision, recall)
    return [precision, recall, f1, coarse, *((fine + coarse) / 2 for fine in (precision, recall, f1))]


def mean_of_frames(tokens: Tensor, frames: Tensor) -> list[float]:
    """Return ``METRICS`` with every frame as a video of its own, averaged."""
    per_frame = [match(tokens, frame[None]) for frame in frames]
    return [sum(column) / len(column) for column in zip(*per_frame, strict=True)]
