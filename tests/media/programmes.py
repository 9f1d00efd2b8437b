"""A transport stream of two programmes, each with a clock of its own, as broadcasters send them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.media.joined import numbered_clip

_PACKET = 188


class Programmes(NamedTuple):
    """The file, the indices of its video streams, and the tone (Hz) of second 0 of each programme."""

    path: Path
    small_video: int
    large_video: int
    tone_of_the_small: int
    tone_of_the_large: int


def two_programmes(folder: Path) -> Programmes:
    """Write a file of a small programme whose clock starts at 5 s and a large one whose clock starts at 50,000 s."""
    parts = []
    for number, (size, start, second) in enumerate([((64, 48), 5.0, 0), ((128, 96), 50_000.0, 4)], start=1):
        options = {"mpegts_service_id": str(number), "mpegts_start_pid": str(0x100 * number)}
        options["mpegts_pmt_start_pid"] = str(0x1000 + number)
        clip = numbered_clip(
            folder / f"{number}.ts", seconds=3, start=start, first_second=second, size=size, muxer_options=options
        )
        parts.append(packets_of(clip.read_bytes()))
    path = folder / "programmes.ts"
    path.write_bytes(b"".join(_interleaved(*parts)))
    return Programmes(path, small_video=0, large_video=2, tone_of_the_small=300, tone_of_the_large=700)


def packets_of(data: bytes) -> list[bytes]:
    """Packets of a transport stream."""
    return [data[at : at + _PACKET] for at in range(0, len(data), _PACKET)]


def _pid(packet: bytes) -> int:
    return int.from_bytes(packet[1:3], "big") & 0x1FFF


def _interleaved(first: list[bytes], second: list[bytes]) -> list[bytes]:
    """Packets of both, their tables of programmes replaced by one of both, and tables of services left out."""
    merged = [association_table({1: 0x1001, 2: 0x1002})]
    for n in range(max(len(first), len(second))):
        merged += [part[n] for part in (first, second) if n < len(part) and _pid(part[n]) > 0x1F]
    return merged


def association_table(maps: dict[int, int]) -> bytes:
    """Return the packet that says which programmes there are (ISO/IEC 13818-1): number -> pid of its map."""
    entries = b"".join(number.to_bytes(2, "big") + (0xE000 | pid).to_bytes(2, "big") for number, pid in maps.items())
    length = 5 + len(entries) + 4
    section = bytes([0, 0xB0 | length >> 8, length & 0xFF, 0, 1, 0xC1, 0, 0]) + entries
    section += crc(section).to_bytes(4, "big")
    return (bytes([0x47, 0x40, 0x00, 0x10, 0]) + section).ljust(_PACKET, b"\xff")


def crc(data: bytes) -> int:
    """Return the CRC-32 of MPEG-2: most significant bit first, nothing inverted at the end."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value
