"""A video that has been looked at: source, reader and frame table in one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from vqe_core.errors import InputError
from vqe_core.media.limits import DEFAULT_LIMITS, MediaLimits
from vqe_core.media.video.reader import (
    FramesReader,
    OpeningReader,
    RescanningReader,
    TableMismatchError,
    VideoReader,
    checked_positions,
)
from vqe_core.registry import choose, names, spec_of
from vqe_core.types import Frame, FrameTable, MediaSource, RowWarning

# ITU-R BT.601 luma, the grey of OpenCV and PIL, in 1/65536.
_GREY = np.array([19595, 38470, 7471], dtype=np.uint32)


def grey(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 (H, W, 3) RGB -> uint8 (H, W) grey, rounded."""
    # numpy 1 would keep a product of uint8 and a scalar in 16 bits, which it does not fit into.
    weighted = sum(np.multiply(pixels[..., i], _GREY[i], dtype=np.uint32) for i in range(3))
    return ((weighted + 32768) >> 16).astype(np.uint8)


def frame_differences(frames: Iterable[Frame]) -> np.ndarray:
    """Return mean absolute grey difference of each frame to the one before it.

    Args:
        frames: in order; two are held at a time.

    Returns:
        float64 (N,), 0 to 255. The first is 0; a change of image size counts as 255.
    """
    differences: list[float] = []
    previous: np.ndarray | None = None
    for frame in frames:
        current = grey(frame.pixels)
        if previous is None:
            differences.append(0.0)
        elif previous.shape != current.shape:
            differences.append(255.0)
        else:
            larger, smaller = np.maximum(previous, current), np.minimum(previous, current)
            differences.append(float((larger - smaller).mean()))
        previous = current
    return np.array(differences, dtype=np.float64)


Result = TypeVar("Result")


@dataclass(frozen=True)
class Video:
    """A source with its frame table, from which frames can be read.

    Attributes:
        source: what was opened.
        reader: what reads it.
        table: the frames of the source's segment; positions refer to it.
    """

    source: MediaSource
    reader: VideoReader
    table: FrameTable
    _whole: FrameTable = field(repr=False)

    @property
    def num_frames(self) -> int:
        """Frames of the whole source, also where ``table`` is a segment."""
        return len(self._whole)

    @property
    def read_by(self) -> str:
        """Reader and versions: another one may give other pixels."""
        return read_by(self.reader)

    def frames(self, positions: np.ndarray) -> Iterator[Frame]:
        """Return the images at the distinct ``positions`` of ``table``, increasing, one at a time.

        Args:
            positions: int, as samplers return them.

        Yields:
            `Frame`: its position in ``table`` and its pixels, uint8 (H, W, 3) RGB, upright.

        Raises:
            TableMismatchError: a frame is missing or damaged; `decoded` gives a table without it.
            MediaError: the video cannot be read.
        """
        wanted = checked_positions(positions, self.table)
        # Readers work on the whole table, where a frame's number is its position.
        numbers = self.table.indices[wanted]
        back = dict(zip(numbers.tolist(), wanted.tolist(), strict=True))
        for frame in self.reader.frames(self.source, self._whole, numbers):
            yield Frame(back[frame.position], frame.pixels)

    def read(self, use: Callable[[Video], Result]) -> Result:
        """Call ``use`` with the video; with a damaged one again, with the frames that really decode.

        Args:
            use: is called again, with `decoded`, where a frame is not what the table says.
        """
        try:
            return use(self)
        except TableMismatchError:
            return use(self.decoded())

    def with_differences(self) -> Video:
        """Return the same video with ``table.differences`` filled in. Decodes every frame of the segment.

        The first frame of the segment has difference 0.
        """
        differences = frame_differences(self.frames(np.arange(len(self.table))))
        return replace(self, table=replace(self.table, differences=differences))

    def decoded(self) -> Video:
        """Return the same video with a table made by decoding every frame, so that damaged parts are left out.

        Its warnings say what is damaged. Only files read by PyAV have such a table; others stay as they are.
        """
        if not isinstance(self.reader, RescanningReader):
            return self
        video = _opened(self.source, self.reader.decoding_all())
        if video.table.warnings:
            return video
        warning = RowWarning(self.reader.mismatch, code="frame_mismatch")
        return replace(video, table=replace(video.table, warnings=(warning,)))


def open_video(
    source: MediaSource, limits: MediaLimits = DEFAULT_LIMITS, *, reader: VideoReader | None = None
) -> Video:
    """Look at a video: choose its reader and make its frame table, limited to its segment.

    Args:
        source: from `as_media_source`.
        limits: what a file may ask for, where ``reader`` does not say.
        reader: of paths and bytes. Default: `PyAVReader`. Frames and open decoders have readers of their own.

    Raises:
        MediaError: it cannot be read; ``code`` says why.
        InputError: the segment lies outside the video, or needs a clock that bare frames do not have.
    """
    chosen = reader_for(source, limits, reader)
    video = _opened(source, chosen)
    return chosen.opened(video) if isinstance(chosen, OpeningReader) else video


def decoders_of(source: MediaSource, reader: VideoReader | None = None) -> str:
    """Name what may decode a source, with versions: what is made of its images is stored under this, among others."""
    return read_by(reader_for(source, reader=reader))


def read_by(reader: VideoReader) -> str:
    """Name a reader with its options and the versions of what it decodes with; another one may give other pixels."""
    return f"{spec_of(reader)} {reader.version}"


def reader_for(
    source: MediaSource, limits: MediaLimits = DEFAULT_LIMITS, reader: VideoReader | None = None
) -> VideoReader:
    """Return the reader for a kind of source: frames and open decoders have their own, files the one that is given.

    Args: see `open_video`.
    """
    if source.frames is not None:
        return FramesReader()
    if source.decoder is not None:
        from vqe_core.media.video.torchcodec_reader import TorchcodecReader

        return TorchcodecReader(limits=limits)
    if reader is not None:
        return reader
    from vqe_core.media.video.pyav_reader import PyAVReader

    return PyAVReader(limits=limits)


def choose_reader(value: Any, *, option: str = "reader") -> VideoReader | None:
    """Return the reader of files that a user chose, None for the usual one.

    Args:
        value: None, ``"auto"`` or ``"pyav"`` for the usual one; the spec of a registered reader; or a reader.
        option: that it was given for, for messages.

    Raises:
        InputError: no such reader, or one that does not read files.
    """
    if value is None or value in ("auto", "pyav"):
        return None
    if isinstance(value, str) and value.partition(":")[0] not in names("reader"):
        raise InputError(f"{option} ({value!r}) must be one of auto, {', '.join(names('reader'))}")
    reader: VideoReader = choose("reader", value, option=option, methods=("probe", "frames"))
    return reader


def reader_versions(sources: Iterable[MediaSource] = ()) -> dict[str, str]:
    """Return versions of what decodes, for the signature: another one may give other pixels.

    Args:
        sources: the videos of the call. torchcodec is named only if one of them is an open decoder.
    """
    from vqe_core.media.video.pyav_reader import PyAVReader

    versions = {"pyav": PyAVReader().version}
    if any(source.decoder is not None for source in sources):
        from vqe_core.media.video.torchcodec_reader import TorchcodecReader

        versions["torchcodec"] = TorchcodecReader().version
    return versions


def _opened(source: MediaSource, reader: VideoReader) -> Video:
    whole = reader.probe(source)
    try:
        table = whole.segment(source.start, source.end)
    except InputError as error:
        raise InputError(f"{source.name!r}: {error}", code="bad_segment") from error
    return Video(source=source, reader=reader, table=table, _whole=whole)


def shrunk(pixels: np.ndarray, longest_side: int | None) -> np.ndarray:
    """``pixels``, uint8 (H, W, 3), with a longer side of at most ``longest_side``; None leaves them as they are."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if longest_side is None or max(height, width) <= longest_side:
        return pixels
    scale = longest_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
