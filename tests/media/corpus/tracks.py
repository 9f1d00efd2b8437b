"""Files of several streams: which are chosen, and what beside them does not matter."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from tests.clips import coded_frame
from tests.media.corpus.cases import Case, Tones, add, case, heard, numbered
from tests.media.corpus.making import (
    EXACT,
    add_video,
    crc,
    encoded_pictures,
    encoded_sound,
    images,
    join,
    mux,
    tones,
    write,
)

SPEECH = tones(3.0, first=10)  # what must not be heard


def several(path: Path, pictures: list[dict[str, Any]], sounds: list[dict[str, Any]], **options: Any) -> None:
    """Write a file of several streams.

    Args:
        path: where to.
        pictures: ``numbers`` (and ``size``), ``codec``, ``disposition``, ``programme`` of each video.
        sounds: ``waveform``, ``codec``, ``language``, ``disposition``, ``programme`` of each audio stream.
        options: of the container.
    """
    with av.open(str(path), "w", options={**EXACT, **options}) as container:
        packets: list[Any] = []
        made = []
        for stream in pictures:
            frames = images(stream["numbers"], stream.get("size", (64, 48)))
            video = add_video(container, frames, stream.get("codec", "libx264"), "yuv420p")
            made.append((video, stream, frames))
        for stream in sounds:
            audio = container.add_stream(stream.get("codec", "aac"), rate=48_000, layout="mono")
            if "language" in stream:
                audio.metadata["language"] = stream["language"]
            made.append((audio, stream, None))
        for stream, told, _ in made:
            stream.disposition = told.get("disposition", Disposition(0))
        for stream, told, frames in made:
            if frames is not None:
                packets += encoded_pictures(stream, frames, [n / 10 for n in range(len(frames))], 30_000)
            else:
                packets += encoded_sound(stream, told["waveform"], 48_000, "mono")
        mux(container, packets)


@case("two_sounds.mkv", "two audio tracks: the default one", video=numbered(), sound=heard())
def _(path: Path) -> None:
    default = Disposition.default
    tracks = [
        {"waveform": SPEECH, "language": "ger"},
        {"waveform": tones(), "language": "eng", "disposition": default},
    ]
    several(path, [{"numbers": range(30), "disposition": default}], tracks)


@case("two_sounds.mp4", "two audio tracks alike: the first", video=numbered(), sound=heard())
def _(path: Path) -> None:
    several(path, [{"numbers": range(30)}], [{"waveform": tones(), "language": "eng"}, {"waveform": SPEECH}])


@case("two_pictures.mkv", "two videos alike: the first", video=numbered(), sound=heard())
def _(path: Path) -> None:
    videos = [{"numbers": range(30)}, {"numbers": range(100, 130), "size": (128, 96)}]
    several(path, videos, [{"waveform": tones()}])


def programmes(path: Path, order: tuple[int, ...]) -> None:
    """Write a transport stream of two programmes, which FFmpeg's muxer makes of streams by their program numbers.

    PyAV cannot make programmes, so the programme map of a file of four streams is written anew.
    """
    plain = path.with_suffix(".plain.ts")
    videos = [{"numbers": range(30)}, {"numbers": range(100, 130)}]
    several(plain, videos, [{"waveform": SPEECH, "codec": "mp2"}, {"waveform": tones(), "codec": "mp2"}])
    path.write_bytes(split_programmes(plain.read_bytes(), order))
    plain.unlink()


def split_programmes(data: bytes, order: tuple[int, ...]) -> bytes:
    """Put each stream of a transport stream into a programme.

    Args:
        data: of one programme whose map is at 0x1000, with streams from 0x100 on.
        order: number of the programme of each stream.
    """
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    out = []
    for packet in packets:
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid == 0:
            out.append(_section(0, packet[3], _pat(sorted(set(order)))))
        elif pid == 0x1000:
            entries = _entries(packet)
            for number in sorted(set(order)):
                mine = [entry for entry, programme in zip(entries, order, strict=True) if programme == number]
                out.append(_section(0x1000 + number, packet[3], _pmt(number, mine)))
        else:
            out.append(packet)
    return b"".join(out)


def _entries(packet: bytes) -> list[tuple[int, int]]:
    """(kind, pid) of the streams in a programme map."""
    start = 5 + packet[4]
    length = (packet[start + 1] & 0x0F) << 8 | packet[start + 2]
    at = start + 12 + ((packet[start + 10] & 0x0F) << 8 | packet[start + 11])
    found = []
    while at < start + 3 + length - 4:
        found.append((packet[at], (packet[at + 1] & 0x1F) << 8 | packet[at + 2]))
        at += 5 + ((packet[at + 3] & 0x0F) << 8 | packet[at + 4])
    return found


def _pat(numbers: list[int]) -> bytes:
    body = b"".join(number.to_bytes(2, "big") + (0xE000 | 0x1000 + number).to_bytes(2, "big") for number in numbers)
    return _table(0, 1, body)


def _pmt(number: int, streams: list[tuple[int, int]]) -> bytes:
    clock = next((pid for kind, pid in streams), 0x1FFF)
    body = (0xE000 | clock).to_bytes(2, "big") + b"\xf0\x00"
    for kind, pid in streams:
        body += bytes([kind]) + (0xE000 | pid).to_bytes(2, "big") + b"\xf0\x00"
    return _table(2, number, body)


def _table(kind: int, number: int, body: bytes) -> bytes:
    length = 5 + len(body) + 4
    section = bytes([kind]) + (0xB000 | length).to_bytes(2, "big") + number.to_bytes(2, "big") + b"\xc1\x00\x00" + body
    return section + crc(section, 0xFFFFFFFF).to_bytes(4, "big")


def _section(pid: int, counter: int, table: bytes) -> bytes:
    head = bytes([0x47, 0x40 | pid >> 8, pid & 0xFF, counter, 0])
    return (head + table).ljust(188, b"\xff")


_PROGRAMMES = {
    "programmes.ts": ("two programmes, each with a picture and its sound", (1, 2, 2, 1), tones()),
    "programmes_in_turn.ts": ("two programmes, the sounds in the order of the pictures", (1, 2, 1, 2), SPEECH),
    "programme_without_sound.ts": ("the picture's programme has no sound, another has", (1, 2, 2, 2), None),
}
for _name, (_what, _order, _waveform) in _PROGRAMMES.items():
    add(
        Case(
            _name,
            _what,
            lambda path, order=_order: programmes(path, order),
            numbered(within=0.035),
            "no_audio" if _waveform is None else heard(first=0 if _waveform is not SPEECH else 10, within=0.09),
            plain=False,
        )
    )


@case("sound_only.mp4", "sound and no picture", video="no_video_stream", sound=heard())
def _(path: Path) -> None:
    write(path, 0, waveform=tones())


@case("sound_only.mkv", "sound and no picture", video="no_video_stream", sound=heard())
def _(path: Path) -> None:
    write(path, 0, waveform=tones(), sound_codec="flac")


@case("short_sound.mp4", "sound that ends before the picture", video=numbered(), sound=heard(1.5))
def _(path: Path) -> None:
    write(path, waveform=tones(1.5))


@case("long_sound.mp4", "sound that goes on after the picture", video=numbered(10), sound=heard(5))
def _(path: Path) -> None:
    write(path, 10, waveform=tones(5))


@case("silent.mp4", "a track of silence", video=numbered(), sound=Tones(((0.0, 3.0, None),)))
def _(path: Path) -> None:
    write(path, waveform=np.zeros((1, 144_000), np.float32))


@case("surround.mp4", "5.1 channels", video=numbered(), sound=heard())
def _(path: Path) -> None:
    write(path, waveform=tones(channels=6))


def _channels(name: str, channels: int, codec: str, picture: int = 0) -> None:
    def make(path: Path) -> None:
        write(path, picture, waveform=tones(channels=channels), sound_codec=codec)

    video = numbered(picture) if picture else "no_video_stream"
    add(Case(name, f"{channels} channels of {codec}", make, video, heard(within=0.08), needs=(codec,)))


_channels("61.m4a", 7, "aac")
_channels("71.m4a", 8, "aac")
_channels("71.mp4", 8, "aac", 30)
_channels("71.mkv", 8, "flac", 30)
_channels("71.mka", 8, "libopus")


@case("cover.m4a", "cover art is no video", video="no_video_stream", sound=heard())
def _(path: Path) -> None:
    _cover(path, "aac", container_format="mp4")


@case("cover.mp3", "cover art is no video", video="no_video_stream", sound=heard())
def _(path: Path) -> None:
    _cover(path, "libmp3lame")


@case("cover.flac", "cover art is no video", video="no_video_stream", sound=heard())
def _(path: Path) -> None:
    _cover(path, "flac")


def _cover(path: Path, codec: str, container_format: str | None = None) -> None:
    with av.open(str(path), "w", format=container_format, options=EXACT) as container:
        audio = container.add_stream(codec, rate=48_000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        image = av.VideoFrame.from_ndarray(coded_frame(3), format="rgb24")
        packets = list(encoded_sound(audio, tones(), 48_000, "mono"))
        container.mux(cover.encode(image))
        container.mux(cover.encode(None))
        mux(container, packets)


@case("cover.mp4", "a video with cover art besides", video=numbered(sizes=((64, 48),)), sound=heard())
def _(path: Path) -> None:
    with av.open(str(path), "w", options=EXACT) as container:
        video = add_video(container, images(range(1)), "libx264", "yuv420p")
        audio = container.add_stream("aac", rate=48_000, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 256, 192, "rgb24"
        cover.disposition = Disposition.attached_pic
        packets = list(encoded_pictures(video, images(range(30)), [n / 10 for n in range(30)], 30_000))
        packets += encoded_sound(audio, tones(), 48_000, "mono")
        container.mux(cover.encode(av.VideoFrame.from_ndarray(coded_frame(9, 256, 192), format="rgb24")))
        container.mux(cover.encode(None))
        mux(container, packets)


def _with_texts(path: Path, codec: str, texts: list[bytes]) -> None:
    with av.open(str(path), "w", options=EXACT) as container:
        video = add_video(container, images(range(1)), "libx264", "yuv420p")
        audio = container.add_stream("aac", rate=48_000, layout="mono")
        words = container.add_mux_stream(codec)
        packets = list(encoded_pictures(video, images(range(30)), [n / 10 for n in range(30)], 30_000))
        packets += encoded_sound(audio, tones(), 48_000, "mono")
        for n, text in enumerate(texts):
            packet = av.Packet(text)
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = 200 + 900 * n
            packet.duration = 700
            packets.append(packet)
        mux(container, packets)


@case("subtitles.mkv", "subtitles besides, which last longer than the rest", video=numbered(), sound=heard())
def _(path: Path) -> None:
    _with_texts(path, "subrip", [b"one", b"two", b"three", b"four", b"five"])


@case("subtitles.mp4", "subtitles besides", video=numbered(), sound=heard())
def _(path: Path) -> None:
    _with_texts(path, "mov_text", [b"\x00\x03one", b"\x00\x03two"])


@case("timecode.mov", "a track of time codes besides", video=numbered(), sound=heard())
def _(path: Path) -> None:
    def code(container: Any, video: Any, audio: Any) -> None:
        video.metadata["timecode"] = "01:00:00:00"

    write(path, waveform=tones(), sound_codec="pcm_s16le", prepare=code)


@case("tags.mp4", "tags that are not UTF-8", video=numbered(), sound=heard())
def _(path: Path) -> None:
    def tag(container: Any, video: Any, audio: Any) -> None:
        container.metadata["title"] = "abcdefgh"

    write(path, waveform=tones(), prepare=tag)
    data = path.read_bytes()
    assert b"abcdefgh" in data
    path.write_bytes(data.replace(b"abcdefgh", b"\xff\xfe\x80abc\xc3("))


ONCE = {"g": "10", "bf": "0"}


def _changes(path: Path, first: dict[str, Any], second: dict[str, Any]) -> None:
    """Join two parts of 3 s, whose clocks follow, and whose sounds are not alike."""

    def part(number: int, sound: dict[str, Any]) -> Callable[[Path], Any]:
        numbers = range(30 * number, 30 * number + 30)
        offset = {"output_ts_offset": f"{10 + 3 * number}"}
        return lambda place: write(place, images(numbers), options=ONCE, container_options=offset, **sound)

    join(path, part(0, first), part(1, second))


@case(
    "surround_then_stereo.ts",
    "AC-3 of 5.1 channels, then of 2",
    video=numbered(60, within=0.035),
    sound=heard(6.0, within=0.12, exact=False),
    warned=frozenset({"channels_change"}),
)
def _(path: Path) -> None:
    later = tones(3.0, first=3, channels=2)
    _changes(path, {"waveform": tones(channels=6), "sound_codec": "ac3"}, {"waveform": later, "sound_codec": "ac3"})


@case(
    "mono_then_stereo.ts",
    "MP2 of one channel, then of two",
    video=numbered(60, within=0.035),
    sound=heard(6.0, within=0.12, exact=False),
    warned=frozenset({"channels_change"}),
)
def _(path: Path) -> None:
    later = tones(3.0, first=3, channels=2)
    _changes(path, {"waveform": tones(), "sound_codec": "mp2"}, {"waveform": later, "sound_codec": "mp2"})


@case(
    "rate_changes.ts",
    "MP2 at 48 kHz, then at 32 kHz",
    video=numbered(60, within=0.035),
    sound=heard(6.0, within=0.12, exact=False),
    warned=frozenset({"rate_changes"}),
)
def _(path: Path) -> None:
    later = {"waveform": tones(3.0, 32_000, first=3), "sound_rate": 32_000, "sound_codec": "mp2"}
    _changes(path, {"waveform": tones(), "sound_codec": "mp2"}, later)
