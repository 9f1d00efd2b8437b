"""Data that flows between the parts.

Conventions: times in seconds, ranges half-open ``[start, end)``; frames are uint8 ``(N, H, W, 3)`` RGB;
embeddings are float32 unit rows. Each type checks itself once, at construction, and never prints pixels.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from vqe_core.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from torch import Tensor


class RowWarning(str):
    """One warning of a row: a text for people, with a code and a count for programs.

    It is a string, so whatever takes the texts of warnings takes it. JSON would lose its code: ``stored_warnings``
    keeps it.

    Attributes:
        code: short and stable, for example ``"damaged_frames"``; see ``docs/warnings.md``.
        count: how often it was met in this row.

    Example:
        >>> warning = RowWarning("damaged frames: 3 of 40", code="damaged_frames", count=3)
        >>> warning, warning.code, warning.count
        ('damaged frames: 3 of 40', 'damaged_frames', 3)
    """

    code: str
    count: int  # type: ignore[assignment]  # not the method of str

    def __new__(cls, text: str, *, code: str, count: int = 1) -> RowWarning:
        warning = super().__new__(cls, text)
        warning.code, warning.count = code, count
        return warning

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (str(self),), {"code": self.code, "count": self.count}

    @classmethod
    def of(cls, warning: str) -> RowWarning:
        """Return a warning as it is; a bare text, as readers of other packages give, with the code ``"other"``."""
        return warning if isinstance(warning, cls) else cls(warning, code="other")


def stored_warnings(warnings: Iterable[str]) -> list[dict[str, Any]]:
    """Return warnings as plain values for JSON; ``restored_warnings`` reads them."""
    return [{"text": str(w), "code": w.code, "count": w.count} for w in map(RowWarning.of, warnings)]


def restored_warnings(entries: Iterable[Mapping[str, Any]]) -> tuple[RowWarning, ...]:
    """Return the warnings that were stored."""
    return tuple(RowWarning(**entry) for entry in entries)


def summed_warnings(warnings: Iterable[str]) -> tuple[RowWarning, ...]:
    """Return one warning a code, in the order met, with the counts added up.

    The text is that of the first, and says how many others there were. Bare texts (code ``"other"``) may mean
    anything, so each stays by itself.

    Example:
        >>> gaps = [RowWarning(f"silence at {i} s", code="sound_gaps") for i in range(3)]
        >>> summed_warnings(gaps), summed_warnings(gaps)[0].count
        (('silence at 0 s (and 2 more of this kind)',), 3)
    """
    groups: dict[tuple[str, str], list[RowWarning]] = {}
    for warning in map(RowWarning.of, warnings):
        groups.setdefault((warning.code, warning if warning.code == "other" else ""), []).append(warning)
    return tuple(_summed(group) for group in groups.values())


def _summed(group: Sequence[RowWarning]) -> RowWarning:
    others = len(set(group)) - 1
    text = f"{group[0]} (and {others} more of this kind)" if others else str(group[0])
    return RowWarning(text, code=group[0].code, count=sum(warning.count for warning in group))


# uint8 RGB: one array (N, H, W, 3), or images (H, W, 3) whose sizes differ.
Frames: TypeAlias = np.ndarray | tuple[np.ndarray, ...]


def are_frames(frames: Frames) -> bool:
    """Tell whether ``frames`` are what ``Frames`` says."""
    if isinstance(frames, tuple):
        return len(frames) > 0 and all(image.ndim == 3 and are_frames(image[None]) for image in frames)
    return frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[-1] == 3


def shape_of(frames: Frames) -> str:
    """Return the shape of frames, or of each of them, for messages and keys.

    Example:
        >>> shape_of((np.zeros((2, 4, 3), np.uint8), np.zeros((6, 3, 3), np.uint8)))
        '[(2, 4, 3), (6, 3, 3)]'
    """
    return str(tuple(frames.shape) if isinstance(frames, np.ndarray) else [image.shape for image in frames])


@dataclass(frozen=True)
class MediaSource:
    """Origin of a video: exactly one of a path, encoded bytes, decoded frames, an open decoder or an address (``url``).

    ``start`` and ``end`` (seconds, half-open) limit it to a segment, on the clock of the file: 0 is the earliest start
    of its streams. ``fps`` gives decoded frames a clock. ``video_stream`` and ``audio_stream`` name streams of a file,
    by their index in it (as ffprobe counts) or their language (``"deu"``); None: FFmpeg's choice, both of one
    programme.
    """

    path: str | None = None
    data: bytes | None = field(default=None, repr=False)
    frames: Frames | None = field(default=None, repr=False)
    decoder: Any = field(default=None, repr=False)
    fps: float | None = None
    start: float | None = None
    end: float | None = None
    video_stream: int | str | None = None
    audio_stream: int | str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        given = [x is not None for x in (self.path, self.data, self.frames, self.decoder, self.url)]
        if sum(given) != 1:
            raise InputError(f"a media source needs exactly one of path, data, frames, decoder, url; got {sum(given)}")
        _check_segment(self.start, self.end)
        check_stream("video_stream", self.video_stream)
        check_stream("audio_stream", self.audio_stream)
        if self.frames is not None and not are_frames(self.frames):
            kind = getattr(self.frames, "dtype", "images of other types")
            raise InputError(
                f"frames must be uint8 (N, H, W, 3) RGB, got {kind} {shape_of(self.frames)}; "
                "convert with (frames * 255).astype('uint8') or move the colour axis to the end"
            )

    @property
    def name(self) -> str:
        """Short text for messages: the path, or what kind of input it is."""
        if self.path is not None or self.url is not None:
            return str(self.path or self.url)
        if self.data is not None:
            return f"<{len(self.data)} bytes>"
        if self.frames is not None:
            several = isinstance(self.frames, tuple)
            return f"<{len(self.frames)} frames of several sizes>" if several else f"<frames {shape_of(self.frames)}>"
        return f"<{type(self.decoder).__name__}>"


def check_stream(name: str, value: Any) -> None:
    """Raise `InputError` unless ``value`` names a stream of a file: an index, a language, or None."""
    number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if value is not None and not number and not (isinstance(value, str) and value):
        raise InputError(
            f"{name} ({value!r}) must be the index of a stream in the file, from 0, or a language such as 'eng'"
        )


BAD_SEGMENT = "bad_segment"


def _check_segment(start: float | None, end: float | None) -> None:
    for label, value in (("start", start), ("end", end)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise InputTypeError(f"segment {label} ({value!r}) must be a number of seconds", code=BAD_SEGMENT)
        if not math.isfinite(value):
            raise InputError(f"segment {label} ({value}) must be a finite number of seconds", code=BAD_SEGMENT)
        if value < 0:
            words = "must not be below 0, where the file starts (seconds)"
            raise InputError(f"segment {label} ({value}) {words}", code=BAD_SEGMENT)
    if end is not None and end <= (start or 0):
        words = f"must be greater than start ({start or 0}), both in seconds"
        raise InputError(f"segment end ({end}) {words}", code=BAD_SEGMENT)


@dataclass(frozen=True)
class FrameTable:
    """Table of the frames of a video, before any is decoded.

    Attributes:
        timestamps: float64 (N,), presentation times in seconds, not decreasing.
        is_keyframe: bool (N,), True where the codec can start decoding.
        indices: int64 (N,), each frame's number in the whole stream, so that a segment keeps its numbers.
        start, end: seconds, half-open; ``end`` is when the last frame leaves the screen.
        has_clock: False for bare frame arrays, whose times are only frame numbers.
        origin: seconds on the container's own clock at which the file starts, second 0 of all times here.
        rotation: degrees to turn the image, 0, 90, 180 or 270, clockwise.
        turns: changes of orientation that the bitstream asks for: (seconds, (a, b, c, d)), where a stored point (x, y)
            is shown at (a x + c y, b x + d y).
        differences: float64 (N,), mean absolute grey difference (0-255) to the previous frame, or None.
        warnings: warnings for the row, for example that the file ends early.
    """

    timestamps: np.ndarray
    is_keyframe: np.ndarray
    indices: np.ndarray
    start: float
    end: float
    has_clock: bool = True
    origin: float = 0.0
    rotation: int = 0
    turns: tuple[tuple[float, tuple[int, int, int, int]], ...] = ()
    differences: np.ndarray | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = {len(self.timestamps), len(self.is_keyframe), len(self.indices)}
        if len(sizes) != 1:
            raise InputError(f"the columns of a frame table must have one length, got {sorted(sizes)}")
        if np.any(np.diff(self.timestamps) < 0):
            raise InputError("timestamps of a frame table must not decrease")

    def __len__(self) -> int:
        return len(self.timestamps)

    def segment(self, start: float | None, end: float | None) -> FrameTable:
        """Keep the frames shown first within ``[start, end)``, or the one on display at ``start`` if none is."""
        if start is None and end is None:
            return self
        low = self.start if start is None else max(start, self.start)
        high = self.end if end is None else min(end, self.end)
        if high <= low:
            raise InputError(
                f"segment [{start}, {end}) s has no frame: the video covers [{self.start:.3f}, {self.end:.3f}) s"
            )
        keep = np.flatnonzero((self.timestamps >= low - TIME_TOLERANCE) & (self.timestamps < high - TIME_TOLERANCE))
        if len(keep) == 0:
            keep = np.array([max(0, int(np.searchsorted(self.timestamps, low, side="right")) - 1)])
        return replace(
            self,
            timestamps=self.timestamps[keep],
            is_keyframe=self.is_keyframe[keep],
            indices=self.indices[keep],
            differences=None if self.differences is None else self.differences[keep],
            start=low,
            end=high,
        )


# Containers round times to their own ticks, Matroska to the nearest 1 ms: times closer than half of that are the same.
# Not more: at 30000/1001 fps a frame may begin 1 ms after a whole second, and is not on display at it.
TIME_TOLERANCE = 6e-4


class Frame(NamedTuple):
    """One decoded image: ``position`` in the frame table, ``pixels`` uint8 (H, W, 3) RGB."""

    position: int
    pixels: np.ndarray


@dataclass(frozen=True)
class AudioSamples:
    """Sound as decoded.

    Attributes:
        waveform: float32 (C, T), nominally in [-1, 1].
        sampling_rate: Hz.
        start: seconds, presentation time of the first sample; a video's track may start late.
        warnings: warnings for the row, for example that the file ends early.
        extent: seconds, start and end of the whole sound that this is a part of; None where that is not known.
    """

    waveform: np.ndarray = field(repr=False)
    sampling_rate: int
    start: float = 0.0
    warnings: tuple[str, ...] = ()
    extent: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.waveform.ndim != 2 or self.waveform.dtype != np.float32:
            raise InputError(
                f"waveform must be float32 (channels, samples), got {self.waveform.dtype} {self.waveform.shape}"
            )

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.waveform.shape[1] / self.sampling_rate)

    @property
    def end(self) -> float:
        """Seconds, presentation time after the last sample."""
        return self.start + self.duration


@dataclass(frozen=True)
class TimedEmbeddings:
    """Frame embeddings of one video, in the order sampled.

    A frame that was sampled again and again is held once: a slow video sampled at a high rate takes no more memory
    than its images. ``values``, ``timestamps`` and ``indices`` repeat it when they are asked for.

    Attributes:
        distinct: float32 (M, D), unit rows, of the distinct images.
        distinct_timestamps: float64 (M,) seconds, or None without a clock.
        distinct_indices: int64 (M,), frame numbers in the stream.
        where: int32 (N,), which distinct image each sampled one is.
        notes: warnings for the row (frames left out, file ends early).
        reader: what decoded them, with versions, for the signature.
        start, end: seconds the video covers, half-open; 0 and 0 without a clock.
    """

    distinct: Tensor
    distinct_timestamps: np.ndarray | None
    distinct_indices: np.ndarray
    where: np.ndarray
    notes: tuple[str, ...] = ()
    reader: str = ""
    start: float = 0.0
    end: float = 0.0

    def __len__(self) -> int:
        return len(self.where)

    @property
    def values(self) -> Tensor:
        """float32 (N, D), unit rows, made anew each time."""
        return self.distinct[self.where.astype(np.int64)]

    @property
    def timestamps(self) -> np.ndarray | None:
        """float64 (N,) seconds, or None without a clock; made anew each time."""
        return None if self.distinct_timestamps is None else self.distinct_timestamps[self.where]

    @property
    def indices(self) -> np.ndarray:
        """int64 (N,), frame numbers in the stream, made anew each time."""
        indices: np.ndarray = self.distinct_indices[self.where]
        return indices


@dataclass(frozen=True)
class TextEmbedding:
    """One text, embedded.

    Attributes:
        tokens: float32 (L, D), unit rows, or None where the model has no token-level space.
        token_ids: the L vocabulary ids, with the start and end tokens of every window.
        pooled: float32 (D,), unit length.
        notes: warnings for the row, for example that the text was cut.
    """

    tokens: Tensor | None
    token_ids: tuple[int, ...]
    pooled: Tensor
    notes: tuple[str, ...] = ()
