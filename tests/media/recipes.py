"""How the test clips are made: one entry per behaviour of a container and codec."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import av
import pytest

from tests.clips import coded_frames, frame_times, noise_frames, write_clip

COUNT = 40
_X265 = "keyint=12:bframes=3:log-level=none:pools=1"
_OPEN = {"x264-params": "open-gop=1:bframes=3:b-pyramid=normal:keyint=12:min-keyint=6"}
_GROUPS = {"g": "12", "bf": "3"}

# Clips whose frames are expected to be read by plan.
PLANNED = {
    "closed.mp4": {"options": _GROUPS},
    "open.mp4": {"options": _OPEN},
    "open.mkv": {"options": _OPEN},
    "open.ts": {"options": _OPEN},
    "closed.flv": {"options": _GROUPS},
    "fragments.mp4": {"options": _GROUPS, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "sound.mkv": {"options": _GROUPS, "seconds_of_sound": 6.0},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"g": "10"}, "bframes": 2},
    "mpeg2.ts": {
        "codec": "mpeg2video",
        "options": {"g": "10"},
        "bframes": 2,
        "clock": 25,
        "times": frame_times(COUNT, 25),
    },
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": _X265}},
    "hevc.ts": {"codec": "libx265", "options": {"x265-params": _X265}},
    "hevc_layers.mp4": {"codec": "libx265", "options": {"x265-params": _X265 + ":temporal-layers=1"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "12", "deadline": "realtime", "cpu-used": "8"}},
    "vp9_hidden.webm": {
        "codec": "libvpx-vp9",
        "options": {"g": "20", "deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16"},
    },
    "av1.mp4": {"codec": "libsvtav1", "options": {"g": "12", "preset": "12"}},
    "ffv1.mkv": {"codec": "ffv1", "pix_fmt": "bgr0", "options": {"g": "10", "level": "1", "context": "1"}},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
}

# Clips that only decoding tells the truth about, or whose keyframes are none.
FORWARD = {
    "refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=12:bframes=2"}},
    "refresh.ts": {"options": {"x264-params": "intra-refresh=1:keyint=12:bframes=2"}},
    "interlaced.ts": {"options": {"x264-params": "interlaced=1:keyint=12:bframes=2"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "10"}, "clock": 25, "times": frame_times(COUNT, 25)},
    "mpeg2.mpg": {
        "codec": "mpeg2video",
        "options": {"g": "10"},
        "bframes": 2,
        "clock": 25,
        "times": frame_times(COUNT, 25),
    },
    "vp8.webm": {
        "codec": "libvpx",
        "options": {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "5"},
    },
    "patches.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "patches.apng": {"codec": "apng", "pix_fmt": "rgb24"},
}

_RECIPES = {**PLANNED, **FORWARD}


@functools.cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="vqe-clips-")
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def moving_clip(name: str) -> Path:
    """Path of a clip of smooth moving noise, so that a wrong reference image shows."""
    return _write(f"moving_{name}", name, noise_frames(COUNT))


@functools.cache
def coded_clip(name: str) -> Path:
    """Path of a clip whose frames show their numbers."""
    return _write(f"coded_{name}", name, coded_frames(COUNT))


def _write(file: str, name: str, frames) -> Path:
    recipe = _RECIPES[name]
    encoder = recipe.get("codec", "libx264")
    if encoder not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {encoder}, needed for {name}")
    return write_clip(_folder() / file, frames, **recipe)
