"""Read an open torchcodec ``VideoDecoder``. torchcodec is not imported: the object brings its methods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import numpy as np

from vqe_core.errors import InputError, MediaError
from vqe_core.media.limits import DEFAULT_LIMITS, MediaLimits
from vqe_core.media.video.frame_index import last_duration
from vqe_core.media.video.reader import TableMismatchError, checked_positions
from vqe_core.registry import not_an_option
from vqe_core.types import Frame, FrameTable, MediaSource

# What torchcodec raises for files; it knows no errors of its own.
DECODER_ERRORS = (RuntimeError, ValueError, IndexError, OSError)

# Frames asked for at once: enough to be quick, few enough to hold.
_CHUNK = 16
# Seconds. Two libraries may round a time of the same ticks in the last bit.
_SAME_TIME = 1e-6


@dataclass(frozen=True)
class TorchcodecReader:
    """Reads ``MediaSource.decoder``.

    The table comes from one pass over all frames, because what the decoder says of itself is not always so
    (variable rates in approximate mode, MPEG-TS in any mode). Each frame is checked against it when read.

    Attributes:
        limits: bounds on pixels and number of frames.
    """

    name: ClassVar[str] = "torchcodec"
    limits: MediaLimits = not_an_option(DEFAULT_LIMITS)

    @property
    def version(self) -> str:
        """Version of torchcodec; it uses the FFmpeg of the system."""
        return torchcodec_version()

    def probe(self, source: MediaSource) -> FrameTable:
        """Return the frames that the decoder gives from first to last. No keyframes are known.

        Raises:
            MediaError: it cannot be decoded; ``code`` says why.
        """
        decoder = _decoder(source)
        self._check_limits(decoder, source.name)
        times: list[float] = []
        durations: list[float] = []
        for first in range(0, len(decoder), _CHUNK):
            last = min(first + _CHUNK, len(decoder))
            batch = _call(source.name, decoder.get_frames_in_range, first, last)
            times += batch.pts_seconds.tolist()
            durations += batch.duration_seconds.tolist()
        if not times:
            raise MediaError(f"{source.name} has no frames", code="no_frames")
        timestamps = np.array(times, dtype=np.float64)
        if np.any(np.diff(timestamps) < 0):
            raise MediaError(f"{source.name} gives frames out of order; pass the file's path or bytes instead")
        return FrameTable(
            timestamps=timestamps,
            is_keyframe=np.zeros(len(times), dtype=bool),
            indices=np.arange(len(times), dtype=np.int64),
            start=times[0],
            end=times[-1] + last_duration(timestamps, durations[-1], 0.04),
        )

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """Return each distinct position once, increasing.

        Raises:
            TableMismatchError: the decoder gave a frame with another time.
            MediaError: it cannot be decoded.
        """
        decoder = _decoder(source)
        yield from frames_by_number(decoder, source.name, table, checked_positions(positions, table))

    def _check_limits(self, decoder: Any, name: str) -> None:
        width, height = decoder.metadata.width or 0, decoder.metadata.height or 0
        if width * height > self.limits.max_pixels:
            raise MediaError(
                f"{name} has frames of {width} x {height} pixels, more than the limit of {self.limits.max_pixels}",
                code="too_large",
            )
        if len(decoder) > self.limits.max_frames_in_table:
            raise MediaError(
                f"{name} has {len(decoder)} frames, more than the limit of {self.limits.max_frames_in_table}",
                code="too_many_frames",
            )


def torchcodec_version() -> str:
    """Its version, or ``"unknown"``."""
    try:
        return version("torchcodec")
    except PackageNotFoundError:
        return "unknown"


def frames_by_number(decoder: Any, name: str, table: FrameTable, wanted: np.ndarray) -> Iterator[Frame]:
    """Return the images at ``wanted`` positions of ``table``, distinct and increasing, each with the time it must have.

    Raises:
        TableMismatchError: the decoder gave a frame with another time.
        MediaError: it cannot be decoded.
    """
    for first in range(0, len(wanted), _CHUNK):
        chunk = wanted[first : first + _CHUNK]
        batch = _call(name, decoder.get_frames_at, table.indices[chunk].tolist())
        times = batch.pts_seconds.tolist()
        for position, time, pixels in zip(chunk.tolist(), times, _rgb(batch.data), strict=True):
            if abs(time - table.origin - table.timestamps[position]) > _SAME_TIME:
                raise TableMismatchError.at(float(table.timestamps[position]), name)
            yield Frame(position, pixels)


def _decoder(source: MediaSource) -> Any:
    if source.decoder is None:
        raise InputError(f"the torchcodec reader needs an open VideoDecoder, got {source.name}")
    return source.decoder


def _call(name: str, method: Any, *arguments: Any) -> Any:
    try:
        return method(*arguments)
    except DECODER_ERRORS as error:
        raise MediaError(f"{name} cannot be decoded: {type(error).__name__}: {error}") from error


def _rgb(data: Any) -> np.ndarray:
    frames: np.ndarray = data.detach().cpu().numpy()
    # A decoder gives (N, 3, H, W) unless it was made with dimension_order="NHWC".
    colour_last = frames.shape[-1] == 3 and frames.shape[1] != 3
    return frames if colour_last else np.ascontiguousarray(frames.transpose(0, 2, 3, 1))
