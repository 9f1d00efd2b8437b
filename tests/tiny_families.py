"""The tiny checkpoints of every registered family, by the kind and the name of its encoder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests import tiny, tiny_audio, tiny_joint, tiny_video


def tiny_clip_with_clap(folder: Path) -> Path:
    """A CLIP that brings along a CLAP of its space, as the teaching model does."""
    tiny.tiny_clip(folder)
    tiny_audio.declare(tiny_audio.tiny_clap(folder / "audio"), vqe_space="toy-1")
    return tiny_audio.declare(folder, vqe_space="toy-1", vqe_audio_model="audio")


# Of a kind and a name, the checkpoints by a word that tells them apart.
TINY: dict[tuple[str, str], dict[str, Callable[[Path], Path]]] = {
    ("encoder", "clip"): {"": tiny.tiny_clip, "long": tiny.tiny_long_clip},
    ("encoder", "metaclip_2"): {"": tiny.tiny_metaclip_2},
    ("encoder", "chinese_clip"): {"": tiny.tiny_chinese_clip},
    ("encoder", "altclip"): {"": tiny.tiny_altclip},
    ("encoder", "siglip"): {"": tiny.tiny_siglip},
    ("encoder", "xclip"): {"": tiny_video.tiny_xclip},
    ("encoder", "videoprism"): {"": tiny_video.tiny_videoprism},
    ("encoder", "pe_video"): {
        "": tiny_video.tiny_pe_video,
        "fixed frames": partial(tiny_video.tiny_pe_video, num_frames=4),
    },
    ("encoder", "pe_audio_video"): {"": tiny_joint.tiny_pe_av},
    ("audio_encoder", "clap"): {"": tiny_audio.tiny_clap, "fused": partial(tiny_audio.tiny_clap, fused=True)},
    ("tagger", "clap"): {"": tiny_audio.tiny_clap, "fused": partial(tiny_audio.tiny_clap, fused=True)},
    ("tagger", "audio-spectrogram-transformer"): {"": tiny_audio.tiny_ast},
    ("joint_encoder", "clip"): {"": tiny_clip_with_clap},
    ("joint_encoder", "pe_audio_video"): {
        "": tiny_joint.tiny_pe_av,
        "fixed frames": partial(tiny_joint.tiny_pe_av, num_frames=4),
    },
    ("joint_encoder", "embedding_gemma2"): {"": partial(tiny_joint.tiny_embedding_gemma2, dither=1e-2)},
}
# Registered so that it is refused with a way out: (kind, name) to the words.
REFUSED = {("encoder", "siglip2"): "is a NaFlex SigLIP 2, which is not supported"}
