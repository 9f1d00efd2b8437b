"""Small files that cost much: a few bytes that claim large images, long tables or endless animations."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.clips import coded_frames, write_clip

MANY = 2**26


def large_png(width: int, height: int) -> bytes:
    """One black PNG image, 1 bit a pixel, of a few kilobytes."""
    packer = zlib.compressobj(9)
    line = bytes(1 + -(-width // 8))
    body = b"".join([*(packer.compress(line) for _ in range(height)), packer.flush()])

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def large_jpeg(width: int, height: int) -> bytes:
    """A JPEG image of 16 x 16 pixels whose header claims more."""
    file = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(file, "JPEG")
    content = bytearray(file.getvalue())
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def images_in_mov(path: Path, images: list[bytes], codec: str, options: dict[str, str] | None = None) -> Path:
    """Put encoded images into a MOV file that claims 64 x 48 pixels; ``options`` are the muxer's."""
    with av.open(str(path), "w", format="mov", options=options or {}) as out:
        stream = out.add_stream(codec, rate=10)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj420p"}[codec]
        for number, image in enumerate(images):
            packet = av.Packet(image)
            packet.stream, packet.time_base = stream, Fraction(1, 10)
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, True
            out.mux(packet)
    return path


def gif(width: int, height: int, frames: int = 1, padding: int = 0) -> bytes:
    """A GIF of a large screen, each of whose frames draws one pixel: some 25 bytes a frame."""
    palette = bytes([0, 0, 0, 255, 255, 255])
    one = b"\x21\xf9\x04\x04\x05\x00\x00\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + palette
    comment = b"".join(b"\x21\xfe\xff" + bytes(255) + b"\0" for _ in range(padding // 259))
    return head + comment + one * frames + b"\x3b"


def boxes_of(content: bytes, name: bytes, start: int = 0) -> list[tuple[int, int]]:
    """Places and lengths of the boxes called ``name`` in an ISO file, wherever they are."""
    found, place = [], content.find(name, start)
    while place >= 0:
        found.append((place - 4, int.from_bytes(content[place - 4 : place], "big")))
        place = content.find(name, place + 4)
    return found


def small_mp4(folder: Path, *, fragmented: bool = False, frames: int = 10) -> bytearray:
    """A healthy MP4 file of coded frames."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if fragmented else None
    path = write_clip(folder / "healthy.mp4", coded_frames(frames), container_options=options)
    return bytearray(path.read_bytes())


def sample_table(folder: Path, samples: int = MANY, *, compact: bool = False) -> bytes:
    """An MP4 file of a few kilobytes whose tables say, in runs, that it has ``samples`` frames."""
    content = small_mp4(folder)
    place, length = boxes_of(content, b"stsz")[0]
    if compact:  # a table of 4-bit sizes, which cannot fit
        content[place + 4 : place + 8] = b"stz2"
        content[place + 12 : place + 20] = struct.pack(">II", 4, samples)
    else:
        content[place + 12 : place + 20] = struct.pack(">II", 1, samples)
    for name, fields in ((b"stts", (1, samples, 1)), (b"stsc", (1, 1, samples, 1))):
        place, length = boxes_of(content, name)[0]
        new = struct.pack(f">{len(fields)}I", *fields)
        assert len(new) <= length - 12
        content[place + 12 : place + 12 + len(new)] = new
    return bytes(content)


def counted_box(folder: Path, name: bytes, entries: int = MANY) -> bytes:
    """An MP4 file one of whose counted tables claims more entries than it has bytes."""
    content = small_mp4(folder, frames=30)
    place, _ = boxes_of(content, name)[0]
    content[place + 12 : place + 16] = struct.pack(">I", entries)
    return bytes(content)


def fragment(folder: Path, samples: int = MANY) -> bytes:
    """A fragmented MP4 file one of whose runs claims ``samples`` frames without saying anything of each."""
    content = small_mp4(folder, fragmented=True)
    place, _ = boxes_of(content, b"trun")[0]
    content[place + 8 : place + 16] = struct.pack(">II", 0, samples)
    return bytes(content)


def box(name: bytes, content: bytes) -> bytes:
    """One box of an ISO file."""
    return struct.pack(">I", 8 + len(content)) + name + content


def many_edits(folder: Path, edits: int = 2000, samples: int = 90_000) -> bytes:
    """An MP4 file whose edit list shows its whole track again and again."""
    content = bytearray(sample_table(folder, samples))
    moov, moov_length = boxes_of(content, b"moov")[0]
    trak, trak_length = boxes_of(content, b"trak")[0]
    for edts, length in boxes_of(content, b"edts"):
        content[edts + 4 : edts + 8] = b"free"
        del length
    entry = struct.pack(">IiI", 2**30, 0, 0x10000)
    edts_box = box(b"edts", box(b"elst", struct.pack(">II", 0, edits) + entry * edits))
    content[trak : trak + 4] = struct.pack(">I", trak_length + len(edts_box))
    content[moov : moov + 4] = struct.pack(">I", moov_length + len(edts_box))
    media = boxes_of(content, b"mdia")[0][0]
    return bytes(content[:media] + edts_box + content[media:])


def packed_movie(folder: Path, samples: int = MANY) -> bytes:
    """A MOV file whose index is compressed, and claims ``samples`` frames once it is unpacked."""
    content = sample_table(folder, samples)
    place, length = boxes_of(content, b"moov")[0]
    index = content[place : place + length]
    packed = struct.pack(">I", len(index)) + zlib.compress(index)
    moov = box(b"moov", box(b"cmov", box(b"dcom", b"zlib") + box(b"cmvd", packed)))
    return content[:place] + moov + content[place + length :]


def item_table(folder: Path, items: int = MANY) -> bytes:
    """A file like a still AVIF image whose table of items claims to be long."""
    del folder
    iloc = box(b"iloc", struct.pack(">IHI", 2 << 24, 0x4400, items) + bytes(64))
    hdlr = box(b"hdlr", bytes(8) + b"pict" + bytes(13))
    meta = box(b"meta", bytes(4) + hdlr + iloc)
    return box(b"ftyp", b"avif\0\0\0\0avifmif1") + meta + box(b"mdat", bytes(64))
