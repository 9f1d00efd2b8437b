"""Damaged and cut off videos: what can be decoded is shown at its time, and what is lost is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from tests.media.corpus.cases import Case, add, case, numbered
from tests.media.corpus.containers import AAC, MP2, NOT_ALLOWED, VP9
from tests.media.corpus.making import patched, tones, write

CUT = frozenset({"truncated", "ends_early"})
DAMAGE = frozenset({"damaged_frames", "damaged_packets", "truncated", "ends_early", "frame_mismatch"})


class Prefix:
    """Frames 0, 1 ... n - 1 at ten a second, for an n between two bounds: where a cut falls depends on the encoder."""

    def __init__(self, least: int, most: int, within: float = 0.035) -> None:
        self.least, self.most, self.within = least, most, within


class Some(Prefix):
    """Frames that are all at their time; how many of them can be shown lies between two bounds."""


FRONT = {"movflags": "faststart"}
ONCE = {"g": "10", "bf": "0"}


def _cut(name: str, part: float, video: Any, warned: frozenset[str] = CUT, sound: Any = None, **options: Any) -> None:
    def make(path: Path) -> None:
        write(path, waveform=tones(), options=ONCE, **options)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)])

    may = DAMAGE | {"truncated"}
    add(Case(name, f"cut off after {part:.0%}", make, video, sound, warned=warned, may_warn=may, plain=False))


for _percent in (75, 50, 25):
    _least, _most = max(1, 30 * _percent // 100 - 12), 30 * _percent // 100 + 10
    _cut(f"front_{_percent}.mp4", _percent / 100, Prefix(_least, min(_most, 30)), **AAC, container_options=FRONT)
    _cut(f"cut_{_percent}.mkv", _percent / 100, Prefix(_least, min(_most, 30)), **AAC)
    _cut(f"cut_{_percent}.ts", _percent / 100, Prefix(_least, min(_most, 30)), frozenset(), **MP2)
    _cut(f"back_{_percent}.mp4", _percent / 100, "decode_error", frozenset(), "decode_error", **AAC)
_cut(
    "fragments_60.mp4",
    0.6,
    Prefix(9, 25),
    frozenset(),
    **AAC,
    container_options={"movflags": "frag_keyframe+empty_moov"},
)
_cut("cut_60.flv", 0.6, Prefix(9, 25), frozenset(), **AAC)
_cut("header.mp4", 0.02, "decode_error", frozenset(), "decode_error", **AAC)
_cut(
    "header.mkv",
    0.01,
    ("decode_error", "no_video_stream", "no_frames"),
    frozenset(),
    ("decode_error", "no_audio"),
    **AAC,
)


@case(
    "fragments_without_frames.mp4",
    "the header of a fragmented file, and nothing else",
    video="no_frames",
    sound=("no_audio", "decode_error"),
)
def _(path: Path) -> None:
    write(path, waveform=tones(), container_options={"movflags": "frag_keyframe+empty_moov"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moof") - 4])


def _spoilt(name: str, what: str, spoil: Callable[[bytes], bytes], video: Any, **options: Any) -> None:
    known = ("warned", "may_warn", "sound", "plain")
    expected = {key: options.pop(key) for key in known if key in options}
    expected = {"may_warn": DAMAGE, "plain": False, **expected}

    def make(path: Path) -> None:
        write(path, **options)
        path.write_bytes(spoil(path.read_bytes()))

    add(Case(name, what, make, video, **expected))


def _zeroed(data: bytes, first: float = 0.45, last: float = 0.55) -> bytes:
    begin, end = int(len(data) * first), int(len(data) * last)
    return patched(data, (begin, bytes(end - begin)))


_spoilt("zeroed.mkv", "a tenth in the middle is zeros", _zeroed, Some(8, 30), **AAC, waveform=tones(), options=ONCE)
_spoilt("zeroed.ts", "a tenth in the middle is zeros", _zeroed, Some(8, 30), options=ONCE)
_spoilt(
    "zeroed.avi", "a tenth in the middle is zeros", _zeroed, Some(8, 30), codec="mpeg4", options={"g": "5"}, clock=10
)
_spoilt("zeroed.webm", "a tenth in the middle is zeros", _zeroed, Some(6, 30), **VP9)
_spoilt("zeroed.gif", "a tenth in the middle is zeros", _zeroed, Some(0, 30), codec="gif", pix_fmt="rgb8")
_spoilt(
    "bytes_after_the_end.mp4",
    "5,000 bytes after the end",
    lambda data: data + b"\xff\x01\x02" * 1700,
    numbered(),
    may_warn=frozenset(),
    plain=True,
    sound="no_audio",
)
_spoilt(
    "zeros_after_the_end.mp4",
    "a megabyte of zeros after the end",
    lambda data: data + bytes(10**6),
    numbered(),
    may_warn=frozenset(),
    plain=True,
    sound="no_audio",
)
_spoilt(
    "text_after_the_end.mkv",
    "text after the end",
    lambda data: data + b"<!-- the end -->" * 100,
    numbered(),
    may_warn=frozenset(),
    plain=True,
    sound="no_audio",
)
_spoilt(
    "zeros_after_the_end.gif",
    "zeros after the end",
    lambda data: data + bytes(3000),
    numbered(),
    codec="gif",
    pix_fmt="rgb8",
    may_warn=frozenset(),
    plain=True,
    sound="no_audio",
)
_spoilt(
    "junk_before.ts",
    "junk before the first packet",
    lambda data: b"\x00\x11\x22" * 100 + data,
    numbered(),
    may_warn=frozenset(),
    plain=True,
    sound="no_audio",
    options=ONCE,
)
_spoilt(
    "junk_between.ts",
    "junk between packets",
    lambda data: data[: 188 * 40] + bytes(77) + data[188 * 40 :],
    Some(15, 30),
    options=ONCE,
)
_spoilt(
    "no_tables.ts",
    "a transport stream that lost its tables: its streams tell themselves",
    lambda data: b"".join(
        data[i : i + 188] for i in range(0, len(data), 188) if data[i + 1] & 0x1F not in (0x00, 0x10) or data[i + 2]
    ),
    numbered(),
    options=ONCE,
)


@case(
    "lost_frame.mp4",
    "one frame lost all its bytes",
    video=Some(20, 29),
    sound="no_audio",
    warned=frozenset(),
    may_warn=DAMAGE,
    plain=False,
)
def _(path: Path) -> None:
    write(path)
    _empty_frame(path, 17)


@case(
    "lost_first_frame.mp4",
    "the first frame lost all its bytes",
    video=Some(10, 29),
    sound="no_audio",
    may_warn=DAMAGE,
    plain=False,
)
def _(path: Path) -> None:
    write(path, options=ONCE)
    _empty_frame(path, 0)


def _empty_frame(path: Path, number: int) -> None:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
    hit = next(packet for packet in packets if round(float(packet.pts * packet.time_base) * 10) == number)
    path.write_bytes(patched(path.read_bytes(), (hit.pos, bytes(hit.size))))


@case("all_frames_lost.mp4", "every frame lost its bytes", video=("decode_error", "no_frames"), sound="no_audio")
def _(path: Path) -> None:
    write(path)
    data = path.read_bytes()
    begin = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    path.write_bytes(patched(data, (begin, bytes(end - begin))))


@case("unknown_codec.mp4", "a codec that nobody knows", video="no_video_stream", sound="no_audio")
def _(path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))


@case(
    "encrypted.mp4",
    "encrypted: what can be read is told, not called damage",
    video=("encrypted", "no_video_stream", "decode_error"),
    sound="no_audio",
)
def _(path: Path) -> None:
    key = "76a6c65c5ea762046bd749a2e632ccbb"
    scheme = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": key,
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    write(path, container_options=scheme)


@case("random.mp4", "random bytes", video=NOT_ALLOWED, sound=(*NOT_ALLOWED, "no_audio"))
def _(path: Path) -> None:
    import random

    path.write_bytes(random.Random(0).randbytes(5000))


@case(
    "half_and_half.mp4",
    "the first half of one file, the second of another",
    video=Some(0, 30),
    sound=None,
    may_warn=DAMAGE,
    plain=False,
)
def _(path: Path) -> None:
    write(path, container_options=FRONT)
    first = path.read_bytes()
    write(path, 20, container_options=FRONT)
    second = path.read_bytes()
    path.write_bytes(first[: len(first) // 2] + second[len(second) // 2 :])
