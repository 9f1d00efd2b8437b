"""When things are shown and heard: starts, gaps, jumps, rates that vary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.media.corpus.cases import Case, Frames, Tones, add, at, case, heard, numbered
from tests.media.corpus.containers import MP2, MPEG2, VP8
from tests.media.corpus.making import (
    EXACT,
    add_video,
    encoded_pictures,
    encoded_sound,
    find_box,
    images,
    join,
    mux,
    patched,
    tones,
    write,
)

# Streams of sound without an edit list begin with what the encoder puts in front, up to 30 ms.
ROUGH = 0.035
JUMPS = frozenset({"clock_jumps"})

VARYING = [0.0, 0.1, 0.15, 0.5, 0.6, 1.9, 1.95, 2.0, 2.9, 3.0]


def _varying(name: str, **options: Any) -> None:
    def make(path: Path) -> None:
        write(path, len(VARYING), times=VARYING, **options)

    add(Case(name, "frames at any times", make, at(VARYING), "no_audio", needs=(options.get("codec", "libx264"),)))


_varying("varying.mp4")
_varying("varying.mkv")
_varying("varying.ts")
_varying("varying.flv", options={"g": "5"})
_varying("varying.webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"})
_varying("varying.mov", codec="png", pix_fmt="rgb24")
_varying("varying.apng", codec="apng", pix_fmt="rgb24")


@case("ntsc.mp4", "30000/1001 frames a second", video=numbered(60, 29.97), sound="no_audio")
def _(path: Path) -> None:
    write(path, 60, times=[n * 1001 / 30_000 for n in range(60)])


@case(
    "long_still.mp4",
    "an image that stays for ten minutes",
    sound="no_audio",
    video=at([0.0, 0.1, 600.0, 600.1], end=600.2),
)
def _(path: Path) -> None:
    write(path, 4, times=[0.0, 0.1, 600.0, 600.1])


@case(
    "gap.mp4",
    "a gap of 12 s, in picture and sound: an image that stays",
    sound=Tones(((0, 1, 0), (1.1, 12.9, None), (13, 14, 1), (14, 15, 2)), exact=False),
    video=Frames((*numbered(10).shown, *numbered(20, start=13, first=10).shown)),
)
def _(path: Path) -> None:
    _gap(path, 12)


@case(
    "gap.mkv",
    "a gap of 12 s, in picture and sound: an image that stays",
    sound=Tones(((0, 1, 0), (1.1, 12.9, None), (13, 14, 1), (14, 15, 2)), exact=False),
    video=Frames((*numbered(10).shown, *numbered(20, start=13, first=10).shown)),
    may_warn=frozenset({"sound_gaps"}),
)
def _(path: Path) -> None:
    _gap(path, 12)


@case(
    "short_gap.ts",
    "a gap of 4 s in all streams of a transport stream is a gap",
    sound=Tones(((0, 1, 0), (1.2, 4.9, None), (5, 6, 1), (6, 7, 2)), exact=False, within=0.08),
    may_warn=frozenset({"sound_gaps"}),
    video=Frames((*numbered(10).shown, *numbered(20, start=5, first=10).shown), within=ROUGH),
)
def _(path: Path) -> None:
    _gap(path, 4, **MP2)


def _gap(path: Path, seconds: float, **options: Any) -> None:
    """One second, nothing, and then the seconds that would have followed."""
    times = [n / 10 + seconds * (n >= 10) for n in range(30)]
    first, later = tones(1.0), tones(2.0, first=1)
    silence = np.zeros((1, round(seconds * 48_000)), np.float32)
    write(path, 30, times=times, waveform=np.concatenate([first, silence, later], axis=1), **options)


def _offset(name: str, what: str, shift: float, **options: Any) -> None:
    """A file whose clock starts at ``shift`` s; its time still starts at 0."""
    expected = {key: options.pop(key) for key in ("video", "sound", "needs") if key in options}
    expected = {"video": numbered(within=ROUGH), "sound": heard(within=0.08), **expected}

    def make(path: Path) -> None:
        write(path, waveform=tones(), **options, container_options={"output_ts_offset": f"{shift}"})

    add(Case(name, what, make, **expected))


_offset("clock_from_1.6s.ts", "a transport stream whose clock starts at 1.6 s", 1.6, **MP2)
_offset("clock_from_90000s.ts", "a transport stream whose clock starts at 90,000 s", 90_000, **MP2)
_offset("clock_from_7s.mkv", "Matroska whose clock starts at 7 s", 7)
_offset("clock_from_7s.flv", "Flash video whose clock starts at 7 s", 7)
_offset("clock_wraps.ts", "a clock of 33 bits that passes its end", 95_442.2, **MP2)
_offset(
    "clock_from_500s.mpg",
    "a programme stream whose clock starts at 500 s",
    500,
    **{**MPEG2, "clock": 25},
    times=[n / 25 for n in range(30)],
    video=numbered(fps=25, within=ROUGH),
    **MP2,
)


def _starts(name: str, what: str, picture: float, sound: float, **options: Any) -> None:
    """A file whose picture or sound starts late; the earlier one is at 0 s."""
    within = 0.0015 if name.endswith((".mp4", ".mov", ".mkv")) else ROUGH
    zero = min(picture, sound)

    def make(path: Path) -> None:
        write(path, times=[picture + n / 10 for n in range(30)], waveform=tones(), sound_start=sound, **options)

    video, audio = numbered(start=picture - zero, within=within), heard(start=sound - zero, within=0.08)
    may = frozenset({"late_sound"})
    add(Case(name, what, make, video, audio, may_warn=may))


PCM = {"sound_codec": "pcm_s16le"}
_starts("late_picture.mp4", "a picture that starts 1.5 s after its sound", 1.5, 0.0)
_starts("late_picture.mov", "a picture that starts 1.5 s after its sound", 1.5, 0.0, **PCM)
_starts("late_picture.mkv", "a picture that starts 1.5 s after its sound", 1.5, 0.0, **PCM)
_starts("late_picture.ts", "a picture that starts 1.5 s after its sound", 1.5, 0.0, **MP2)
_starts("late_sound.mp4", "sound that starts 1.5 s after its picture", 0.0, 1.5)
_starts("late_sound.mkv", "sound that starts 1.5 s after its picture", 0.0, 1.5, **PCM)
_starts("late_sound.ts", "sound that starts 1.5 s after its picture", 0.0, 1.5, **MP2)
_starts("both_late.mkv", "picture at 5 s, sound at 4 s", 5.0, 4.0, **PCM)
_starts("both_late.ts", "picture at 5 s, sound at 4 s", 5.0, 4.0, **MP2)


@case(
    "negative_start.mkv",
    "Opus that begins before zero, by what its decoder needs",
    video=numbered(within=0.01),
    sound=heard(),
)
def _(path: Path) -> None:
    write(path, waveform=tones(), sound_codec="libopus")


@case("edit_list.mp4", "an edit list that leaves out the first second", sound="no_audio", video=numbered(20, first=10))
def _(path: Path) -> None:
    write(path, options={"g": "10", "bf": "0"}, container_options={"use_editlist": "1", "movflags": "faststart"})
    data = path.read_bytes()
    begin, _ = find_box(data, b"moov", b"trak", b"edts", b"elst")
    movie, media = find_box(data, b"moov", b"mvhd")[0] + 12, find_box(data, b"moov", b"trak", b"mdia", b"mdhd")[0] + 12
    clock = [int.from_bytes(data[place : place + 4], "big") for place in (movie, media)]
    data = patched(data, (begin + 8, (2 * clock[0]).to_bytes(4, "big") + clock[1].to_bytes(4, "big")))
    path.write_bytes(data)


@case(
    "edit_mid_group.mp4", "an edit list that begins between keyframes", sound="no_audio", video=numbered(15, first=15)
)
def _(path: Path) -> None:
    write(path, options={"g": "10", "bf": "0"}, container_options={"use_editlist": "1", "movflags": "faststart"})
    data = path.read_bytes()
    begin, _ = find_box(data, b"moov", b"trak", b"edts", b"elst")
    movie, media = find_box(data, b"moov", b"mvhd")[0] + 12, find_box(data, b"moov", b"trak", b"mdia", b"mdhd")[0] + 12
    clock = [int.from_bytes(data[place : place + 4], "big") for place in (movie, media)]
    data = patched(data, (begin + 8, (3 * clock[0] // 2).to_bytes(4, "big") + (3 * clock[1] // 2).to_bytes(4, "big")))
    path.write_bytes(data)


def parts(path: Path, starts: Sequence[float], **options: Any) -> None:
    """Join parts of 3 s, each by its own clock.

    Args:
        path: where to.
        starts: seconds on the clock of the container at which each part begins.
        options: of `write`.
    """
    fps = 25 if "clock" in options else 10
    count = 3 * fps

    def part(number: int, start: float) -> Callable[[Path], Any]:
        frames = images(range(number * count, (number + 1) * count))
        told = {"sound_codec": "mp2", **options, "container_options": {"output_ts_offset": f"{start}"}}
        times = [n / fps for n in range(count)]
        return lambda place: write(place, frames, times=times, waveform=tones(3.0, first=3 * number), **told)

    join(path, *(part(number, start) for number, start in enumerate(starts)))


def _joined(
    name: str,
    what: str,
    starts: Sequence[float],
    warned: frozenset[str] = JUMPS,
    within: float = 0.1,
    **options: Any,
) -> None:
    fps = 25 if "clock" in options else 10
    video = numbered(3 * fps * len(starts), fps, within=within)
    sound = heard(3.0 * len(starts), within=0.2 + (within > 0.1) / 10, exact=False)

    def make(path: Path) -> None:
        parts(path, starts, **options)

    may = frozenset({"sound_gaps"}) | ({"clock_jumps", "clock_restarts", "sound_jumps_back"} if within > 0.1 else set())
    add(Case(name, what, make, video, sound, warned=warned, may_warn=may, plain=False))


_joined("jump_1000s.ts", "two parts, the second 1,000 s later", (0, 1000))
_joined("jump_back_1000s.ts", "two parts, the second 1,000 s earlier", (2000, 1000))
_joined("jump_back_2s.ts", "two parts, the second starts 2 s before the end of the first", (0, 1))
_joined("restart.ts", "two parts, each from the same second on", (0, 0))
_joined("three_parts.ts", "three parts, forward and back", (5000, 100, 9000))
_joined("follows.ts", "two parts whose clocks follow: no jump", (10, 13), frozenset(), options={"g": "10", "bf": "0"})
_joined("small_step_back.ts", "two parts, the second half a second too early", (10, 12.5))
_joined(
    "tiny_step_back.ts",
    "two parts, the second 0.2 s too early: a jump or none, but not two",
    (10, 12.8),
    frozenset(),
    within=0.21,
)
_joined("jump_1000s.mpg", "a programme stream of two parts, the second 1,000 s later", (0, 1000), **MPEG2)
_joined("restart.mpg", "a programme stream of two parts, each from the same second on", (0, 0), **MPEG2)
_joined("jump_aac.ts", "AAC: two parts, the second 1,000 s later", (0, 1000), sound_codec="aac")


@case(
    "jump_silent.ts",
    "no sound: two parts, the second 1,000 s later",
    warned=JUMPS,
    plain=False,
    sound="no_audio",
    video=numbered(60, within=0.05),
)
def _(path: Path) -> None:
    def part(number: int, start: int) -> Callable[[Path], Any]:
        numbers = range(30 * number, 30 * number + 30)
        return lambda place: write(place, images(numbers), container_options={"output_ts_offset": f"{start}"})

    join(path, part(0, 0), part(1, 1000))


@case(
    "pause_of_picture.ts",
    "the picture pauses for 15 s while the sound goes on: no jump",
    warned=frozenset(),
    video=Frames((*numbered(10).shown, *numbered(10, start=16, first=10).shown), within=ROUGH),
    sound=heard(17, within=0.1),
)
def _(path: Path) -> None:
    times = [n / 10 + 15 * (n >= 10) for n in range(20)]
    write(path, 20, times=times, waveform=tones(17.0), sound_codec="mp2")


@case(
    "pause_of_sound.ts",
    "the sound pauses for 15 s while the picture goes on: no jump",
    video=numbered(170, within=ROUGH),
    may_warn=frozenset({"sound_gaps"}),
    sound=Tones(((0, 1, 0), (1.2, 15.8, None), (16, 17, 1)), exact=False, within=0.1),
)
def _(path: Path) -> None:
    _paused_sound(path)


@case(
    "pause_of_sound.mkv",
    "the sound pauses for 15 s while the picture goes on",
    video=numbered(170),
    may_warn=frozenset({"sound_gaps"}),
    sound=Tones(((0, 1, 0), (1.2, 15.8, None), (16, 17, 1)), exact=False, within=0.1),
)
def _(path: Path) -> None:
    _paused_sound(path)


@case(
    "dtx.webm",
    "Opus that sends nothing while it is silent, nor at the end",
    video=numbered(200, within=0.01),
    sound=Tones(tuple((k, k + 1, None if k % 2 else k) for k in range(19)), exact=False, within=0.1),
    may_warn=frozenset({"sound_gaps"}),
    needs=("libvpx", "libopus"),
)
def _(path: Path) -> None:
    waveform = tones(20.0)
    waveform *= np.floor(np.arange(waveform.shape[1]) / 48_000) % 2 == 0

    def silent(container: Any, video: Any, audio: Any) -> None:
        audio.options = {"dtx": "1", "application": "voip"}

    write(
        path, 200, **VP8, waveform=waveform, sound_codec="libopus", prepare=silent, keep=lambda packet: packet.size > 3
    )


def _paused_sound(path: Path) -> None:
    with av.open(str(path), "w", options=EXACT) as container:
        frames = images(range(170))
        video = add_video(container, frames, "libx264", "yuv420p")
        audio = container.add_stream("mp2", rate=48_000, layout="mono")
        packets = list(encoded_pictures(video, frames, [n / 10 for n in range(170)], 30_000))
        waveform = tones(2.0)
        sounds = list(encoded_sound(audio, waveform, 48_000, "mono"))
        for packet in sounds:
            if packet.pts * packet.time_base >= 1:
                packet.pts += round(15 / packet.time_base)
                packet.dts = packet.pts
        mux(container, [*packets, *sounds])


@case(
    "cold_start.ts",
    "recorded from the middle: nothing can be shown before the first keyframe",
    plain=False,
    video=numbered(18, first=12, start=0.9, within=ROUGH),
    sound="no_audio",
    may_warn=frozenset({"damaged_frames", "damaged_packets"}),
)
def _(path: Path) -> None:
    write(path, options={"g": "12", "bf": "0"})
    data = path.read_bytes()
    # Without the packets of the first keyframe, but with the tables.
    kept, seen = [], 0
    for place in range(0, len(data), 188):
        packet = data[place : place + 188]
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        seen += pid == 0x100 and bool(packet[1] & 0x40)
        if pid != 0x100 or seen > 3:
            kept.append(packet)
    path.write_bytes(b"".join(kept))


@case(
    "first_frames_far_apart.mp4",
    "the second frame comes after ten hours",
    video=at([0.0, 36_000.0, 36_000.1]),
    sound="no_audio",
)
def _(path: Path) -> None:
    write(path, 3, times=[0.0, 36_000.0, 36_000.1], clock=1000)
