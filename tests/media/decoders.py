"""torchcodec's ``VideoDecoder`` where it works, and a stand-in for machines where it does not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tests.required import absent
from vqe_core.media import as_media_source, open_video


@cache
def _torchcodec_fault() -> str:
    """Why torchcodec decodes nothing here, or "": without FFmpeg's libraries some releases import all the same."""
    from tests.media.recipes import coded_clip

    try:
        from torchcodec.decoders import VideoDecoder

        VideoDecoder(str(coded_clip("closed.mp4")))
    except (ImportError, RuntimeError, OSError) as error:
        return f"torchcodec cannot decode ({str(error).splitlines()[0]} It needs FFmpeg of the system)"
    return ""


def required_torchcodec() -> None:
    """Skip where torchcodec cannot decode; a failure where CI promised that it can."""
    if _torchcodec_fault():
        absent(_torchcodec_fault())


def torchcodec_decoder(path: Path) -> Any:
    """The real decoder where torchcodec decodes, else the stand-in."""
    if _torchcodec_fault():
        return StandInDecoder(path)
    from torchcodec.decoders import VideoDecoder

    return VideoDecoder(str(path))


class StandInDecoder:
    """The methods and attributes of a ``VideoDecoder`` that the reader uses."""

    def __init__(self, path: Path, dimension_order: str = "NCHW") -> None:
        video = open_video(as_media_source(path))
        self._times = video.table.timestamps
        self._durations = np.diff(self._times, append=video.table.end)
        pixels = np.stack([frame.pixels for frame in video.frames(np.arange(len(video.table)))])
        if dimension_order == "NCHW":
            pixels = pixels.transpose(0, 3, 1, 2)
        self._pixels = torch.from_numpy(pixels.copy())
        self.metadata = SimpleNamespace(width=64, height=48)

    def __len__(self) -> int:
        return len(self._times)

    def get_frames_at(self, indices: list[int]) -> Any:
        return SimpleNamespace(
            data=self._pixels[indices],
            pts_seconds=torch.from_numpy(self._times[indices]),
            duration_seconds=torch.from_numpy(self._durations[indices]),
        )

    def get_frames_in_range(self, start: int, stop: int) -> Any:
        return self.get_frames_at(list(range(start, stop)))
