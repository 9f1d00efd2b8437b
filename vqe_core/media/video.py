"""A video that has been looked at: source, reader and frame table in one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from vqe_core.choices import Decoder
from vqe_core.errors import InputError
from vqe_core.media.differences import frame_differences
from vqe_core.media.frames_reader import FramesReader
from vqe_core.media.limits import DEFAULT_LIMITS, MediaLimits
from vqe_core.media.reader import RescanningReader, TableMismatchError, VideoReader, checked_positions
from vqe_core.types import Frame, FrameTable, MediaSource

if TYPE_CHECKING:
    from vqe_core.media.isolation.worker import DecodeWorker

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
        return f"{self.reader.name} {self.reader.version}"

    def frames(self, positions: np.ndarray) -> Iterator[Frame]:
        """The pictures at the distinct ``positions`` of ``table``, increasing, one at a time.

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
        """What ``use`` makes of the video; of a damaged one, what it makes of the frames that really decode.

        Args:
            use: is called again, with `decoded`, where a frame is not what the table says.
        """
        try:
            return use(self)
        except TableMismatchError:
            return use(self.decoded())

    def with_differences(self) -> Video:
        """The same video with ``table.differences`` filled in. Decodes every frame of the segment.

        The first frame of the segment has difference 0.
        """
        differences = frame_differences(self.frames(np.arange(len(self.table))))
        return replace(self, table=replace(self.table, differences=differences))

    def decoded(self) -> Video:
        """The same video with a table made by decoding every frame, so that damaged parts are left out.

        Its warnings say what is damaged. Only files read by PyAV have such a table; others stay as they are.
        """
        if not isinstance(self.reader, RescanningReader):
            return self
        video = _opened(self.source, self.reader.decoding_all())
        if video.table.warnings:
            return video
        return replace(video, table=replace(video.table, warnings=(self.reader.mismatch,)))


def open_video(
    source: MediaSource,
    limits: MediaLimits = DEFAULT_LIMITS,
    worker: DecodeWorker | None = None,
    decoder: Decoder = "auto",
) -> Video:
    """Look at a video: choose its reader and make its frame table, limited to its segment.

    Args:
        source: from `as_media_source`.
        limits: what a file may ask for.
        worker: the process that decodes paths and bytes. Default: this one does.
        decoder: ``"nvdec"`` reads paths and bytes on the graphics card, where it can.

    Raises:
        MediaError: it cannot be read; ``code`` says why.
        InputError: the segment lies outside the video, or needs a clock that bare frames do not have.
        WorkerStartError: ``worker`` has no process.
    """
    video = _opened(source, reader_for(source, limits, worker))
    if decoder != "nvdec":
        return video
    from vqe_core.media.nvdec_reader import on_card

    return on_card(video)


def decoders_of(source: MediaSource, decoder: Decoder = "auto") -> str:
    """What may decode a source, with versions: what was made from its pictures is stored under this, among others."""
    reader = reader_for(source)
    files = f"{reader.name} {reader.version}"
    if decoder != "nvdec" or not isinstance(reader, RescanningReader):
        return files
    from vqe_core.media.nvdec_reader import nvdec_version

    return f"nvdec {nvdec_version()}, {files}"


def reader_for(
    source: MediaSource, limits: MediaLimits = DEFAULT_LIMITS, worker: DecodeWorker | None = None
) -> VideoReader:
    """The reader for a kind of source: ``frames``, ``torchcodec`` for open decoders, else ``pyav``.

    Args: see `open_video`.
    """
    if source.frames is not None:
        return FramesReader()
    if source.decoder is not None:
        from vqe_core.media.torchcodec_reader import TorchcodecReader

        return TorchcodecReader(limits=limits)
    from vqe_core.media.pyav_reader import PyAVReader

    if worker is None:
        return PyAVReader(limits=limits)
    from vqe_core.media.isolation.reader import IsolatedReader

    return IsolatedReader(worker=worker, reader=PyAVReader(limits=limits))


def reader_versions(sources: Iterable[MediaSource] = ()) -> dict[str, str]:
    """Versions of what decodes, for the signature: another one may give other pixels.

    Args:
        sources: the videos of the call. torchcodec is named only if one of them is an open decoder.
    """
    from vqe_core.media.pyav_reader import PyAVReader

    versions = {"pyav": PyAVReader().version}
    if any(source.decoder is not None for source in sources):
        from vqe_core.media.torchcodec_reader import TorchcodecReader

        versions["torchcodec"] = TorchcodecReader().version
    return versions


def _opened(source: MediaSource, reader: VideoReader) -> Video:
    whole = reader.probe(source)
    try:
        table = whole.segment(source.start, source.end)
    except InputError as error:
        raise InputError(f"{source.name!r}: {error}", code="bad_segment") from error
    return Video(source=source, reader=reader, table=table, _whole=whole)
