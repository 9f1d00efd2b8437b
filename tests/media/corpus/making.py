"""How files of the corpus are made: with PyAV, or byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

from tests.clips import coded_frame, frame_times

CLOCK = 30_000
RATE = 48_000
LEVEL = 0.3
SIZE = (64, 48)
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 7: "6.1", 8: "7.1", 16: "hexadecagonal"}
# Muxers leave out versions and random numbers, so that a file is the same each time.
EXACT = {"fflags": "+bitexact"}
GROUPS = {"g": "12", "bf": "2"}


def tones(seconds: float = 3.0, rate: int = RATE, first: int = 0, channels: int = 1) -> np.ndarray:
    """float32 (channels, T): second k sounds at 300 + 100 (first + k) Hz."""
    times = np.arange(round(seconds * rate)) / rate
    wave = LEVEL * np.sin(2 * np.pi * (300 + 100 * (first + np.floor(times))) * times)
    return np.tile(wave.astype(np.float32), (channels, 1))


def images(numbers: Sequence[int], size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """uint8 (height, width, 3) of each number."""
    return [coded_frame(number, *size) for number in numbers]


def with_alpha(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """uint8 (height, width, 4): black all over, and transparent where the code is bright, so white must show there."""
    bright = coded_frame(number, *size)[..., 0] > 127
    pixels = np.zeros((*bright.shape, 4), dtype=np.uint8)
    pixels[..., 3] = np.where(bright, 0, 255)
    return pixels


def write(
    path: Path,
    frames: Sequence[np.ndarray] | int = 30,
    *,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    clock: int = CLOCK,
    bframes: int | None = None,
    waveform: np.ndarray | None = None,
    sound_codec: str = "aac",
    sound_rate: int = RATE,
    sound_start: float = 0.0,
    layout: str | None = None,
    container_format: str | None = None,
    container_options: dict[str, str] | None = None,
    prepare: Callable[[Any, Any, Any], None] | None = None,
    keep: Callable[[Any], bool] = bool,
) -> Path:
    """Encode pictures and sound into one file.

    Args:
        path: where to; its suffix gives the container unless ``container_format`` does.
        frames: images, or how many coded ones; 0 for none.
        times: seconds of each. Default: ten a second.
        codec, pix_fmt, options, bframes: of the pictures.
        clock: ticks a second of the encoder; codecs that know constant rates only want that rate.
        waveform: float32 (C, T); None for no sound.
        sound_codec, sound_rate, layout: of the sound.
        sound_start: seconds, time of its first sample.
        container_options: of the muxer.
        prepare: called with container, video stream and audio stream (or None) before anything is written.
        keep: which packets of sound are written.

    Returns:
        ``path``.
    """
    pictures = images(range(frames)) if isinstance(frames, int) else frames
    times = frame_times(len(pictures)) if times is None else times
    told = {**EXACT, **(container_options or {})}
    with av.open(str(path), "w", format=container_format, options=told) as container:
        video = add_video(container, pictures, codec, pix_fmt, clock, options, bframes) if len(pictures) else None
        layout = layout or LAYOUTS[1 if waveform is None else len(waveform)]
        audio = None if waveform is None else container.add_stream(sound_codec, rate=sound_rate, layout=layout)
        if sound_codec.startswith("wma") and audio is not None:
            audio.bit_rate = 64_000
        if prepare is not None:
            prepare(container, video, audio)
        packets = [] if video is None else list(encoded_pictures(video, pictures, times, clock))
        if audio is not None and waveform is not None:
            packets += filter(keep, encoded_sound(audio, waveform, sound_rate, layout, sound_start))
        mux(container, packets)
    return path


def add_video(
    container: Any,
    pictures: Sequence[np.ndarray],
    codec: str,
    pix_fmt: str,
    clock: int = CLOCK,
    options: dict[str, str] | None = None,
    bframes: int | None = None,
) -> Any:
    """Add a video stream that fits the first picture."""
    if options is None:
        options = GROUPS if codec == "libx264" else {}
    if codec.startswith("libx264"):
        # The same bytes each time: how x264 weighs blocks of so small images depends on what memory held before.
        told = options.get("x264-params")
        options = {**options, "x264-params": f"{told}:mbtree=0" if told else "mbtree=0"}
    stream = container.add_stream(codec, rate=Fraction(10) if clock == CLOCK else clock, options=options)
    stream.codec_context.thread_count = 1
    stream.codec_context.time_base = Fraction(1, clock)
    stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], pix_fmt
    if bframes is not None:
        stream.codec_context.max_b_frames = bframes
    return stream


def encoded_pictures(stream: Any, pictures: Sequence[np.ndarray], times: Sequence[float], clock: int) -> Iterator[Any]:
    """Yield the packets of pictures shown at ``times`` (s)."""
    for pixels, time in zip(pictures, times, strict=True):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgba" if pixels.shape[-1] == 4 else "rgb24")
        frame.pts, frame.time_base = round(time * clock), Fraction(1, clock)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def encoded_sound(stream: Any, waveform: np.ndarray, rate: int, layout: str, start: float = 0.0) -> Iterator[Any]:
    """Yield the packets of float32 (C, T) whose first sample is heard at ``start`` (s)."""
    context = stream.codec_context
    context.open()
    resampler = AudioResampler(format=context.format, layout=layout, rate=context.sample_rate)
    size = context.frame_size or 960
    for first in range(0, waveform.shape[1], size):
        # Interleaved: PyAV cannot fill eight planes and more.
        block = np.ascontiguousarray(waveform[:, first : first + size].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first + round(start * rate), Fraction(1, rate)
        for converted in resampler.resample(frame):
            yield from stream.encode(converted)
    for converted in resampler.resample(None):
        yield from stream.encode(converted)
    yield from stream.encode(None)


def mux(container: Any, packets: Sequence[Any]) -> None:
    """Write packets of all streams in the order of their times."""
    for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
        container.mux(packet)


def join(path: Path, *makers: Callable[[Path], Any], head: int = 0) -> None:
    """Write files one after the other into one.

    Args:
        path: where to; its suffix is that of the parts.
        makers: each writes a part to a path.
        head: bytes at the start of each part but the first that are left out.
    """
    data = b""
    for number, make in enumerate(makers):
        part = path.with_name(f"{path.stem}.part{number}{path.suffix}")
        make(part)
        data += part.read_bytes()[head if number else 0 :]
        part.unlink()
    path.write_bytes(data)


def crc(data: bytes, start: int = 0) -> int:
    """Return the checksum of MPEG tables (``start`` of all ones) and of Ogg pages (0)."""
    for byte in data:
        start = start << 8 & 0xFFFFFFFF ^ _CRC[start >> 24 ^ byte]
    return start


def _remainder(value: int) -> int:
    for _ in range(8):
        value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


_CRC = [_remainder(byte << 24) for byte in range(256)]


def with_serial(data: bytes, serial: int) -> bytes:
    """Return an Ogg file whose stream has another number: libsndfile takes one by chance."""
    pages, place = [], 0
    while place < len(data):
        segments = data[place + 26]
        end = place + 27 + segments + sum(data[place + 27 : place + 27 + segments])
        page = patched(data[place:end], (14, serial.to_bytes(4, "little")), (22, bytes(4)))
        pages.append(patched(page, (22, crc(page).to_bytes(4, "little"))))
        place = end
    return b"".join(pages)


def patched(data: bytes, *changes: tuple[int, bytes]) -> bytes:
    """Return ``data`` with other bytes at some offsets."""
    content = bytearray(data)
    for offset, new in changes:
        content[offset : offset + len(new)] = new
    return bytes(content)


def box(name: bytes, content: bytes, large: bool = False) -> bytes:
    """Return a box of an ISO file; ``large`` with a size of 64 bits."""
    if large:
        return struct.pack(">I4sQ", 1, name, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, name) + content


def find_box(data: bytes, *names: bytes) -> tuple[int, int]:
    """Return where the content of a box begins and ends, found by the names on the way to it."""
    begin, end = 0, len(data)
    for name in names:
        begin, end = next((first, last) for found, first, last in boxes(data, begin, end) if found == name)
    return begin, end


def boxes(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, begin of the content, end) of the boxes of an ISO file at one level."""
    end = len(data) if end is None else end
    while begin + 8 <= end:
        length, name = struct.unpack(">I4s", data[begin : begin + 8])
        head = 8
        if length == 1:
            length, head = struct.unpack(">Q", data[begin + 8 : begin + 16])[0], 16
        yield name, begin + head, begin + length
        begin += length


def pcm(waveform: np.ndarray, bits: int = 16, order: str = "<") -> bytes:
    """Return interleaved samples of float (C, T) in whole numbers."""
    full = 2 ** (bits - 1) - 1
    whole = np.round(np.clip(waveform.T, -1, 1) * full).astype(np.int64)
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    raw = np.ascontiguousarray(whole.astype(f"{order}i8")).view(np.uint8).reshape(-1, 8)
    kept = raw[:, : bits // 8] if order == "<" else raw[:, 8 - bits // 8 :]
    return kept.tobytes()


def wav(
    data: bytes,
    *,
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    riff_size: int | None = None,
    data_size: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    magic: bytes = b"RIFF",
    extensible: int | None = None,
) -> bytes:
    """Return a WAV file, honest unless told otherwise.

    Args:
        data: the samples.
        tag: 1 for whole numbers, 3 for floats.
        riff_size, data_size: what the header says.
        before, after: chunks before and after the samples.
        magic: ``b"RIFX"`` writes the header big-endian.
        extensible: channel mask, for the longer header.
    """
    order = ">" if magic == b"RIFX" else "<"
    block = channels * bits // 8
    head = struct.pack(
        f"{order}HHIIHH",
        tag if extensible is None else 0xFFFE,
        channels,
        rate & 0xFFFFFFFF,
        rate * block & 0xFFFFFFFF,
        block & 0xFFFF,
        bits,
    )
    if extensible is not None:
        guid = bytes.fromhex("000000001000800000AA00389B71")
        head += struct.pack(f"{order}HHIH", 22, bits, extensible, tag) + guid
    chunks = b"fmt " + struct.pack(f"{order}I", len(head)) + head + before
    chunks += b"data" + struct.pack(f"{order}I", len(data) if data_size is None else data_size) + data + after
    size = len(chunks) + 4 if riff_size is None else riff_size
    return magic + struct.pack(f"{order}I", size) + b"WAVE" + chunks
