"""Read videos on the GPU: NVDEC by torchcodec, an optional package. Its pixels are its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from vqe_core.errors import InputError, MediaError, MissingPackageError
from vqe_core.media.video.frame_index import DecodedTable
from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.media.video.reader import RescanningReader, TableMismatchError, VideoReader, checked_positions
from vqe_core.media.video.torchcodec_reader import frames_by_number, torchcodec_version
from vqe_core.media.video.video import Video
from vqe_core.registry import not_an_option
from vqe_core.types import Frame, FrameTable, MediaSource

# Levels of 255 by which the card's pixels may differ from the CPU's on average: rounding and chroma, no more. A
# mirrored, turned or wrongly coloured image differs by more, unless it looks the same.
NEAR = 5.0


@dataclass(frozen=True)
class OpenNvdecReader:
    """Frames of one video by a decoder that is open on the card; what the file holds is told by another reader.

    The card knows nothing of limits, mirrors or damage. So the frame table is that of ``files``, and the time of
    each frame is checked against it.

    Attributes:
        files: what makes the table, and decodes where the card's frames are not those of the table.
        decoder: torchcodec's ``VideoDecoder``.
        device: a torch device.
    """

    name: ClassVar[str] = "nvdec"
    mismatch: ClassVar[str] = "the GPU gave other frames than the file's packets promise; read without it"
    files: RescanningReader = field(metadata={"option": False})
    decoder: Any = field(repr=False, compare=False, metadata={"option": False})
    device: str = not_an_option("cuda")  # the version tells it

    @property
    def version(self) -> str:
        """Version of torchcodec, and the card: another one may give other pixels."""
        return nvdec_version(self.device)

    def probe(self, source: MediaSource) -> FrameTable:
        """See `PyAVReader.probe`."""
        return self.files.probe(source)

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """Return each distinct position once, increasing.

        Raises:
            TableMismatchError: the card gave a frame with another time, or none. torchcodec loses its way in some
                containers, and says so of none in advance.
        """
        wanted = checked_positions(positions, table)
        try:
            yield from frames_by_number(self.decoder, source.name, table, wanted)
        except TableMismatchError:
            raise
        except MediaError as error:
            _check_memory(error, source)
            raise TableMismatchError.at(float(table.timestamps[wanted[0]]), source.name) from error

    def decoding_all(self) -> VideoReader:
        """Return a reader that does without the card."""
        return self.files.decoding_all()


@dataclass(frozen=True)
class NvdecReader:
    """Reads files on the GPU, where its images agree with those of the CPU, else by PyAV.

    Args:
        device: a torch device.
        files: what makes the frame table, and decodes what the GPU does not.
    """

    name: ClassVar[str] = "nvdec"
    device: str = "cuda"
    files: RescanningReader = not_an_option(factory=PyAVReader)

    @property
    def version(self) -> str:
        """Versions of all that may decode a file."""
        return f"{nvdec_version(self.device)}, {self.files.name} {self.files.version}"

    def probe(self, source: MediaSource) -> FrameTable:
        """See `PyAVReader.probe`."""
        return self.files.probe(source)

    def frames(self, source: MediaSource, table: FrameTable, positions: np.ndarray) -> Iterator[Frame]:
        """Decode each distinct position once, increasing, by a decoder that is opened for it."""
        whole = self.files.probe(source)
        video = on_gpu(Video(source, self.files, table, whole), self.device)
        yield from video.reader.frames(source, table, positions)

    def check(self) -> None:
        """Check, before a call begins, that files can be decoded on the GPU here; see `check_nvdec`."""
        check_nvdec(self.device)

    def opened(self, video: Video) -> Video:
        """Return the video with a decoder open on the GPU, or read by PyAV where the GPU cannot give its frames."""
        return on_gpu(replace(video, reader=self.files), self.device)


def on_gpu(video: Video, device: str = "cuda") -> Video:
    """Return the same video read by the GPU, or as it is where the card would not give its frames.

    That is so for frames and open decoders, rotated or mirrored images, files whose packets do not tell the
    truth, and codecs that the card does not know. One frame is decoded both ways to see that they agree.

    Args:
        video: opened without the card.
        device: a torch device; on ``"cpu"``, for tests, torchcodec decodes by FFmpeg.

    Raises:
        MediaError: code ``out_of_memory``, the card is full. Reading without it would give other pixels next time.
    """
    table, source = video.table, video.source
    if (
        not isinstance(video.reader, RescanningReader)
        or isinstance(table, DecodedTable)
        or table.rotation
        or table.turns
    ):
        return video
    from torchcodec.decoders import VideoDecoder

    content = source.data or source.path
    if content is None:
        return video
    try:
        decoder = VideoDecoder(content, device=device, dimension_order="NHWC")
    except (RuntimeError, ValueError) as error:  # of torchcodec, for what it cannot open
        _check_memory(error, source)
        return video
    if decoder.cpu_fallback or len(decoder) != video.num_frames:
        return video
    carded = replace(video, reader=OpenNvdecReader(video.reader, decoder, device))
    # Some releases know only after a frame whether the card has decoded it.
    return carded if _agree(video, carded) and not decoder.cpu_fallback else video


def _agree(video: Video, other: Video) -> bool:
    """Tell whether both give the first keyframe alike."""
    position = np.flatnonzero(video.table.is_keyframe)[:1]
    pairs = zip(video.frames(position), other.frames(position), strict=True)
    try:
        return all(one.pixels.shape == two.pixels.shape and _distance(one, two) <= NEAR for one, two in pairs)
    except MediaError:
        return False


def _distance(one: Frame, other: Frame) -> float:
    return float(np.abs(one.pixels.astype(np.int16) - other.pixels).mean())


def _check_memory(error: Exception, source: MediaSource) -> None:
    if "out of memory" in str(error).lower():
        raise MediaError(
            f"the GPU has no memory left to decode {source.name!r}; use decoder='pyav'", code="out_of_memory"
        ) from error


def nvdec_version(device: str = "cuda") -> str:
    """Version of torchcodec and name of the card."""
    import torch

    card = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device
    return f"{torchcodec_version()} ({card})"


def _load_fault() -> str | None:
    """Say why torchcodec cannot decode anything: FFmpeg's libraries are absent, or it is built for another torch.

    It tells where it is imported or, in newer releases, where the first decoder is made.
    """
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError, OSError) as error:
        return str(error)
    try:
        VideoDecoder(b"no video")
    except (RuntimeError, ValueError) as error:
        return str(error) if "libtorchcodec" in str(error) else None
    return None


def check_nvdec(device: str = "cuda") -> None:
    """Raise unless videos can be decoded on a GPU here.

    Raises:
        MissingPackageError: torchcodec is not installed, or does not load.
        InputError: torch finds no CUDA device.
    """
    fault = _load_fault()
    if fault is not None:
        raise MissingPackageError(
            f"decoder 'nvdec' needs torchcodec and the FFmpeg of the system ({fault.splitlines()[0]}); "
            "pip install 'vqe-core[torchcodec]' and install FFmpeg, or use decoder='pyav'"
        )
    import torch

    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise InputError("decoder 'nvdec' needs an NVIDIA GPU, and torch finds none; use decoder='pyav'")
