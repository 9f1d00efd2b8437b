"""Healthy files of every container: what is in them is shown and heard at its time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.media.corpus.cases import Case, Frames, add, case, heard, numbered
from tests.media.corpus.making import box, boxes, find_box, images, patched, tones, write

# Streams of sound without an edit list begin with what the encoder puts in front, up to 30 ms.
PRIMED = 0.035


def written(name: str, what: str, video: Frames | str | None = None, sound: Any = None, **options: Any) -> None:
    """Put a plain file into the corpus: 30 coded frames at ten a second, and three tones where ``options`` say how."""
    expected = {key: options.pop(key) for key in ("slow", "may_warn", "warned", "plain") if key in options}
    with_sound = "sound_codec" in options
    codecs = (options.get("codec", "libx264"), *((options["sound_codec"],) if with_sound else ()))
    if sound is None:
        sound = heard() if with_sound else "no_audio"

    def make(path: Path) -> None:
        rate, layout = options.get("sound_rate", 48_000), options.get("layout", "mono")
        channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
        waveform = tones(3.0, rate, channels=channels) if with_sound else None
        write(path, waveform=waveform, **options)

    add(Case(name, what, make, video or numbered(), sound, needs=codecs, **expected))


AAC = {"sound_codec": "aac"}
MP2 = {"sound_codec": "mp2"}
MPEG4 = {"codec": "mpeg4", "options": {"g": "10"}, "clock": 10}
MPEG2 = {"codec": "mpeg2video", "options": {"g": "10"}, "bframes": 2, "clock": 25}
VP8 = {"codec": "libvpx", "options": {"g": "12", "deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0"}}
VP9 = {"codec": "libvpx-vp9", "options": {"g": "12", "deadline": "realtime", "cpu-used": "8"}}
AV1 = {"codec": "libsvtav1", "options": {"g": "12", "preset": "12"}}
HEVC = {"codec": "libx265", "options": {"x265-params": "keyint=12:bframes=3:log-level=none:pools=1"}}
ONCE = {"g": "10", "bf": "0"}
late = {"video": numbered(within=PRIMED), "sound": heard(within=0.08)}
OPEN_GOP = {"options": {"x264-params": "open-gop=1:bframes=3:b-pyramid=normal:keyint=12:min-keyint=6"}}

written("plain.mp4", "H.264 and AAC, index at the end", **AAC)
written("front.mp4", "index in front", **AAC, container_options={"movflags": "faststart"})
written(
    "fragments.mp4",
    "fragmented",
    **late,
    **AAC,
    options=ONCE,
    container_options={"movflags": "frag_keyframe+empty_moov"},
)
written(
    "dash.mp4", "fragmented with default bases", **late, **AAC, options=ONCE, container_options={"movflags": "dash"}
)
written("open.mp4", "open groups of pictures", **OPEN_GOP)
written("plain.mov", "QuickTime with PCM", sound_codec="pcm_s16le", layout="stereo")
written("plain.m4v", "MP4 by another name", **AAC)
written("small.3gp", "MPEG-4 part 2 for phones", **MPEG4, **AAC)
written("plain.mkv", "Matroska", **AAC)
written("flac.mkv", "Matroska with FLAC", sound_codec="flac")
written("vp8.webm", "VP8 and Opus", **VP8, sound_codec="libopus")
written("vp9.webm", "VP9 and Opus", **VP9, sound_codec="libopus")
written("av1.webm", "AV1 and Opus", **AV1, sound_codec="libopus", slow=True)
written("plain.ts", "transport stream", **late, **MP2)
written("aac.ts", "transport stream with AAC", **late, **AAC)
written("ac3.ts", "transport stream with AC-3", **late, sound_codec="ac3")
written("open.ts", "transport stream, open groups", **OPEN_GOP)
disc = {"container_format": "mpegts", "container_options": {"mpegts_m2ts_mode": "1"}}
written("disc.m2ts", "packets of 192 bytes, as on discs", **late, sound_codec="ac3", **disc)
program = {"times": [n / 25 for n in range(30)]}
written(
    "plain.mpg",
    "MPEG-1 programme stream",
    **{**late, "video": numbered(fps=25, within=PRIMED)},
    **{**MPEG2, "codec": "mpeg1video"},
    **program,
    **MP2,
)
written(
    "plain.vob",
    "MPEG-2 programme stream",
    **{**late, "video": numbered(fps=25, within=PRIMED)},
    **MPEG2,
    **program,
    sound_codec="ac3",
    container_format="vob",
)
written(
    "plain.avi", "AVI with MP3", numbered(within=0.101), **MPEG4, sound_codec="libmp3lame", sound=heard(within=0.08)
)
written("pcm.avi", "AVI with PCM", codec="mjpeg", pix_fmt="yuvj420p", clock=10, sound_codec="pcm_s16le")
written("plain.flv", "Flash video", **late, **AAC)
written("old.flv", "Flash video of old", **late, codec="flv", clock=10, sound_codec="libmp3lame", sound_rate=44_100)
written("vp8.ogv", "VP8 in Ogg", numbered(within=0.101), **VP8, sound_codec="libopus")
written(
    "plain.wmv",
    "ASF",
    codec="wmv2",
    clock=10,
    sound_codec="wmav2",
    sound=heard(within=0.12),
    video=numbered(within=0.05),
)
written("plain.ivf", "VP9 alone in IVF", **VP9)
written(
    "plain.h264",
    "bare H.264",
    numbered(fps=25),
    options={"x264-params": "bframes=2:keyint=12:force-cfr=1"},
    clock=25,
    times=[n / 25 for n in range(30)],
    container_format="h264",
)
written(
    "plain.hevc",
    "bare HEVC",
    numbered(fps=25),
    **HEVC,
    clock=25,
    times=[n / 25 for n in range(30)],
    container_format="hevc",
    slow=True,
)
written(
    "plain.m2v",
    "bare MPEG-2",
    numbered(fps=25, within=0.041),
    plain=False,
    **MPEG2,
    **program,
    container_format="mpeg2video",
)
written("plain.gif", "animated GIF", codec="gif", pix_fmt="rgb8")
written("plain.apng", "animated PNG", codec="apng", pix_fmt="rgb24")

NOT_ALLOWED = ("decode_error", "format_not_allowed")
written("plain.nut", "a container that is not among those read", NOT_ALLOWED, NOT_ALLOWED, **MP2)
written("plain.mxf", "a container that is not among those read", NOT_ALLOWED, NOT_ALLOWED, **MPEG2, **program)


@case("large_boxes.mp4", "sizes of 64 bits in front of the samples", video=numbered(), sound="no_audio")
def _(path: Path) -> None:
    write(path)
    data = path.read_bytes()
    begin, end = find_box(data, b"mdat")
    # FFmpeg leaves a box 'free' of 8 bytes before 'mdat', in whose place the longer header fits.
    head = box(b"mdat", data[begin:end], large=True)
    path.write_bytes(data[: begin - 16] + head + data[end:])


@case("parts_in_odd_order.mp4", "index, then junk boxes, then samples, then more junk", video=numbered(), sound=heard())
def _(path: Path) -> None:
    write(path, waveform=tones(), container_options={"movflags": "faststart", "moov_size": "8000"})
    data = path.read_bytes()
    free = find_box(data, b"free")
    junk = patched(data, (free[0] - 4, b"junk"))
    path.write_bytes(junk + box(b"wxyz", bytes(500)))


@case("to_the_end.mp4", "the size of the last part is 0: it runs to the end", video=numbered(), sound=heard())
def _(path: Path) -> None:
    write(path, waveform=tones(), container_options={"movflags": "faststart"})
    data = path.read_bytes()
    begin, _ = find_box(data, b"mdat")
    path.write_bytes(patched(data, (begin - 8, bytes(4))))


@case("unknown_sizes.mkv", "written to a pipe: no lengths, no index", video=numbered(), sound=heard())
def _(path: Path) -> None:
    write(path, waveform=tones(), container_options={"live": "1"})


@case("unknown_brand.mp4", "a brand that nobody knows", video=numbered(), sound="no_audio")
def _(path: Path) -> None:
    write(path)
    path.write_bytes(patched(path.read_bytes(), (8, b"zzzz")))


def renamed(name: str, like: str, what: str) -> None:
    """Put a file into the corpus whose suffix is that of another container."""
    from tests.media.corpus.cases import CASES

    other = CASES[like]

    def make(path: Path) -> None:
        real = path.with_name(f"{path.stem}_{like}")
        other.make(real)
        real.rename(path)

    add(replace(other, name=name, what=what, make=make))


renamed("really_matroska.mp4", "plain.mkv", "Matroska called MP4")
renamed("really_mp4.ts", "plain.mp4", "MP4 called TS")
renamed("really_ts.avi", "plain.ts", "TS called AVI")
renamed("really_gif.mp4", "plain.gif", "GIF called MP4")
renamed("really_mp4.txt", "front.mp4", "MP4 called TXT")
renamed("really_avi.wav", "plain.avi", "AVI called WAV")
renamed("no_suffix", "vp9.webm", "WebM without a suffix")


@case("still.avif", "a still image in AVIF", video=numbered(1, within=0.1), sound="no_audio", needs=("libsvtav1",))
def _(path: Path) -> None:
    write(path, 1, codec="libsvtav1", options={"preset": "12", "svtav1-params": "avif=1"})


@case("one_frame.mp4", "one frame", video=numbered(1), sound="no_audio")
def _(path: Path) -> None:
    write(path, 1)


@case("two_alike.mp4", "two frames that are alike", video=Frames(((0.0, 5), (0.1, 5))), sound="no_audio")
def _(path: Path) -> None:
    write(path, images([5, 5]))


@case("one_frame.gif", "a GIF of one frame", video=numbered(1), sound="no_audio")
def _(path: Path) -> None:
    write(path, 1, codec="gif", pix_fmt="rgb8")


@case("boxes_within.mp4", "100 boxes of user data", video=numbered(), sound="no_audio")
def _(path: Path) -> None:
    write(path)
    data = path.read_bytes()
    assert [name for name, *_ in boxes(data)][-1] == b"moov"
    begin, end = find_box(data, b"moov")
    more = b"".join(box(b"udta", box(b"abcd", bytes(20))) for _ in range(100))
    path.write_bytes(data[: begin - 8] + box(b"moov", data[begin:end] + more))
