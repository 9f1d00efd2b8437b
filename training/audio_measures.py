"""Measures of the audio model, through the package's own loaders and kernels.

Two ways from audio to video: ``joint``, the cosine of both embeddings, and ``tags``, the cosine of the mean
frame with the texts of the labels that the model hears. Clips are written as mp4 and read back, sound included.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.audio_network import make_audio_model
from vqe_core.encoders.audio_loading import load_joint_encoder, load_tagger
from vqe_core.encoders.clap import ClapEncoder
from vqe_core.encoders.clip_clap import ClipClapJoint
from vqe_core.errors import ModelError
from vqe_core.functional.calibration import calibrate
from vqe_core.functional.similarity import cosine_matrix, top_tags, weighted_direction
from vqe_core.media import as_audio_source, as_media_source, open_video, read_audio, resample, slice_seconds, to_mono
from vqe_core.toy.clips import ToyClip, write_clip
from vqe_core.toy.world import SOUND, num_events

NUM_TAGS = 5  # labels of one waveform


@dataclass(frozen=True, eq=False)
class Listener:
    """The teaching models, as ``comparison="joint"`` and ``comparison="tags"`` use them."""

    joint: ClipClapJoint
    tagger: ClapEncoder

    @classmethod
    def load(cls, model: str = "toy") -> Listener:
        """Load ``"toy"``, or a folder made by ``training.train``."""
        joint, tagger = load_joint_encoder(model, "cpu"), load_tagger(model, "cpu")
        if not isinstance(joint, ClipClapJoint) or not isinstance(tagger, ClapEncoder):
            raise ModelError(f"model {model!r} must be a CLIP that brings a CLAP along, got {type(joint).__name__}")
        return cls(joint, tagger)

    def untrained(self, seed: int = 1) -> Listener:
        """Return a control whose audio model, of the same configuration, has random weights."""
        dimensions = int(self.tagger.model.config.projection_dim)
        control = replace(self.tagger, model=make_audio_model(self.tagger.tokenizer.inner, dimensions, seed))
        joint = ClipClapJoint.pair(self.joint.image_encoder, control, image_space=self.joint.space)
        return Listener(joint, control)

    def label_texts(self) -> Tensor:
        """Embed the labels as the CLIP reads them: float32 (K, D) unit rows."""
        texts = [self.tagger.photo_prompt.replace("{label}", label) for label in self.tagger.labels]
        found = self.joint.image_encoder.embed_texts(texts, long_text="error", batch_size=len(texts))
        return torch.stack([text.pooled for text in found])


@dataclass(frozen=True, eq=False)
class Heard:
    """Embeddings of B clips.

    ``videos`` (B, D) means of unit frame embeddings, ``sounds`` (B, D) unit rows, ``tags`` (B, K) probabilities,
    ``directions`` (B, D) of the tags' texts.
    """

    videos: Tensor
    sounds: Tensor
    tags: Tensor
    directions: Tensor


def measure_sound(listener: Listener, clips: Sequence[ToyClip]) -> dict[str, dict[str, float]]:
    """Take all measures of one set of clips."""
    heard = listen(listener, clips)
    faultless = directions(true_tags(clips), listener.label_texts())
    return {
        "joint": right_against_shuffled(cosine_matrix(heard.videos, heard.sounds)),
        "tags": right_against_shuffled(cosine_matrix(heard.videos, heard.directions)),
        "faultless_tags": right_against_shuffled(cosine_matrix(heard.videos, faultless)),
        "tagging": tagging(heard.tags, clips),
    }


def read_back(clip: ToyClip) -> ToyClip:
    """Return the clip with its frames and its sound as they come out of an mp4 file (H.264 and AAC)."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(clip, Path(folder) / "clip.mp4")
        video = open_video(as_media_source(path))
        frames = np.stack([frame.pixels for frame in video.frames(np.arange(len(video.table)))])
        samples = resample(to_mono(read_audio(as_audio_source(path))), clip.sampling_rate)
    # AAC fills its last block with silence
    return replace(clip, frames=frames, waveform=slice_seconds(samples, 0, clip.seconds).waveform[0])


def listen(listener: Listener, clips: Sequence[ToyClip]) -> Heard:
    """Embed and tag B clips of at most the model's window."""
    videos = listener.joint.embed_video([clip.frames for clip in clips])
    sounds = [clip.waveform for clip in clips]
    tags = listener.tagger.tag(sounds)
    return Heard(videos, listener.joint.embed_audio(sounds), tags, directions(tags, listener.label_texts()))


def directions(tags: Tensor, texts: Tensor, num_tags: int = NUM_TAGS) -> Tensor:
    """Turn the tags (B, K) of B sounds into one direction each, (B, D), by the texts (K, D) of the labels."""
    chosen = [top_tags(row[None], num_tags) for row in tags]
    return torch.stack([weighted_direction(texts[tag.indices], tag.weights) for tag in chosen])


def true_tags(clips: Sequence[ToyClip]) -> Tensor:
    """Return what a faultless tagger would say, float32 (B, 8): the voices of a clip in equal shares."""
    tags = torch.zeros(len(clips), 8)
    for row, clip in enumerate(clips):
        for voice in clip.attributes[: num_events(clip.attributes), SOUND]:
            tags[row, voice] += 1 / num_events(clip.attributes)
    return tags


def right_against_shuffled(matrix: Tensor, group: int = 64) -> dict[str, float]:
    """Compare each video with its own sound and with the others.

    Args:
        matrix: float (B, B), similarity of video i and the sound of clip j.
        group: size of the groups in which retrieval is measured.

    Returns:
        In [0, 1]: ``auc``, chance that a video's own sound scores above another sound; ``pooled_auc``, chance that
        the right pair of any video scores above a wrong pair of any other; ``pair_accuracy`` against one
        other sound; share of first places among ``group``, of sounds by video and of videos by sound.
    """
    count = len(matrix)
    right, wrong = matrix.diagonal(), matrix[~torch.eye(count, dtype=torch.bool)]
    pooled = (right[:, None] > wrong).double().mean() + 0.5 * (right[:, None] == wrong).double().mean()
    other = matrix[torch.arange(count), torch.arange(count).roll(count // 3)]
    wins = (right > other).double() + 0.5 * (right == other).double()
    parts = [matrix[i : i + group, i : i + group] for i in range(0, max(1, count - group + 1), group)]
    found = [calibrate(part, num_permutations=1) for part in parts]
    figures = {
        "auc": calibrate(matrix, num_permutations=1).auc,
        "pooled_auc": pooled.item(),
        "pair_accuracy": wins.mean().item(),
        "video_to_sound": float(np.mean([part.r1_v2a for part in found])),
        "sound_to_video": float(np.mean([part.r1_a2v for part in found])),
    }
    return {name: round(figure, 4) for name, figure in figures.items()}


def tagging(tags: Tensor, clips: Sequence[ToyClip]) -> dict[str, float]:
    """Measure tags (B, 8): ``top_1`` on clips of one event, ``both`` of two voices in the top 2 where they differ."""
    events = np.array([num_events(clip.attributes) for clip in clips])
    voices = np.stack([clip.attributes[:, SOUND] for clip in clips])
    first_two = tags.topk(2).indices.numpy()
    one, two = events == 1, (events == 2) & (voices[:, 0] != voices[:, 1])
    both = (np.sort(first_two[two]) == np.sort(voices[two])).all(axis=1)
    top_1 = first_two[one, 0] == voices[one, 0]
    figures = {"top_1": round(float(top_1.mean()), 4), "one_event": int(one.sum())}
    return figures | {"both": round(float(both.mean()), 4), "two_events": int(two.sum())}
