"""Inputs that are no media files: paths, texts, arrays, and cells of tables."""

from __future__ import annotations

import os
import socket
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.clips import coded_frames
from tests.media.corpus.cases import Case, Frames, add, case, heard, numbered
from tests.media.corpus.making import pcm, tones, wav, write

NOT_ALLOWED = "format_not_allowed"


def _path(name: str, what: str, code: str, make: Any) -> None:
    add(Case(name, what, make, code, code))


_path("empty.mp4", "an empty file", "empty_file", lambda path: path.touch())
_path("directory.mp4", "a folder", "is_directory", lambda path: path.mkdir())
_path("fifo.mp4", "a named pipe", "not_regular_file", lambda path: os.mkfifo(path))
_path("device", "a device", "not_regular_file", lambda path: "/dev/zero")
_path("null", "a device", "not_regular_file", lambda path: "/dev/null")
_path("missing.mp4", "nothing", "not_found", lambda path: None)
_path("no/such/folder.mp4", "a folder that is not there", "not_found", lambda path: None)
_path("dangling.mp4", "a link to nothing", "not_found", lambda path: path.symlink_to("nowhere.mp4"))
_path("loop.mp4", "a link to itself", "bad_path", lambda path: path.symlink_to(path.name))
_path(
    "below_a_file",
    "a path that goes on below a file",
    "not_found",
    lambda path: [path.write_text("x"), str(path / "a.mp4")][1],
)
_path("nul", "a path with a NUL", "bad_path", lambda path: "a\0b.mp4")
_path("empty_path", "no path at all", "not_found", lambda path: "")
_path("long_path", "a path of 5,000 characters", "bad_path", lambda path: "x" * 5000 + ".mp4")
_path("long_folder", "folders of 5,000 characters", "bad_path", lambda path: "/".join(["abcdefgh"] * 600))
for _url in (
    "http://127.0.0.1:9/a.mp4",
    "concat:a.mp4|b.mp4",
    "data:video/mp4;base64,AAAA",
    "rtmp://127.0.0.1/x",
    "hf://datasets/a/b.mp4",
    "subfile,,start,0,end,9,,:a.mp4",
    "pipe:0",
    "file:///etc/passwd",
):
    _path(
        f"url_{_url.split(':')[0].split(',')[0]}_{len(_url)}",
        f"the address {_url}",
        "remote_path",
        lambda path, url=_url: url,
    )


@case("socket", "a socket", video="not_regular_file", sound="not_regular_file")
def _(path: Path) -> str:
    # The path of a socket must be short.
    place = os.path.join(tempfile.mkdtemp(prefix="vqe"), "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
    return place


def _text(name: str, what: str, text: str | bytes, video: Any = NOT_ALLOWED) -> None:
    data = text.encode() if isinstance(text, str) else text
    add(Case(name, what, lambda path: path.write_bytes(data) and None, video, video))


_text("words.mp4", "a text", "just some words, nothing more\n")
_text("umlauts.mp4", "a text with umlauts", "süße Wörter überall\n" * 9)
_text("page.mp4", "an HTML page", "<!DOCTYPE html><html><body>403</body></html>")
_text("page_after_blanks.mp4", "an HTML page after blank lines", "\n\n  <HTML><body>403</body></html>")
_text("pointer.mp4", "a pointer of Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n")
_text("json.mp4", "JSON", '{"error": "not found"}')
_text("playlist.mp4", "a playlist", "#EXTM3U\n#EXTINF:3,\nplain.ts\n#EXT-X-ENDLIST\n")
_text("playlist.m3u8", "a playlist by its name", "#EXTM3U\n#EXTINF:3,\nplain.ts\n#EXT-X-ENDLIST\n")
_text("script.mp4", "a script of FFmpeg", "ffconcat version 1.0\nfile plain.ts\n")
_text("script_bom.mp4", "a script after a byte order mark", b"\xef\xbb\xbf \nffconcat version 1.0\nfile plain.ts\n")
_text("session.sdp", "a session description", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n")
_text("manifest.mpd", "a manifest of DASH", '<?xml version="1.0"?><MPD><BaseURL>plain.ts</BaseURL></MPD>')
_text("shebang.mp4", "a shell script", "#!/bin/sh\necho hello\n")
_text("subtitles.srt", "subtitles", "1\n00:00:00,000 --> 00:00:02,000\nhello\n")
_text("one_byte.mp4", "one byte", b"\x00", ("decode_error", NOT_ALLOWED))
_text("zeros.mp4", "zeros", bytes(5000), ("decode_error", NOT_ALLOWED))


@case(
    "archive.mp4",
    "a zip archive with a video in it",
    video=("decode_error", NOT_ALLOWED),
    sound=("decode_error", NOT_ALLOWED),
)
def _(path: Path) -> None:
    inner = path.with_name("inner.mp4")
    write(inner, 3)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("inner.mp4"), inner.read_bytes())
    inner.unlink()


@case("link.mp4", "a link to a video", video=numbered(), sound="no_audio")
def _(path: Path) -> None:
    target = path.with_name("linked_target.mp4")
    write(target)
    path.symlink_to(target.name)


NAMES = {
    "emoji": "ünï 🎬 视频.mp4",
    "blanks": " a  b .mp4",
    "percent": "100%d%03d.mp4",
    "hash": "a#b?c&d.mp4",
    "colon": "a:b.mp4",
    "protocol": "concat:a.mp4",
    "dash": "-x.mp4",
    "quotes": "a'b\"c`$HOME.mp4",
    "newline": "a\nb.mp4",
    "longest": "x" * 251 + ".mp4",
    "brackets": "[a]{b}*.mp4",
    "backslash": "a\\b.mp4",
}


def _named(key: str, name: str) -> None:
    def make(path: Path) -> str:
        place = path.with_name(name)
        write(place, 10)
        return str(place)

    add(Case(f"name_{key}", f"a file called {name[:30]!r}", make, numbered(10), "no_audio"))


for _key, _name in NAMES.items():
    _named(_key, _name)


@case("name_bytes", "a name that is not UTF-8", video=numbered(10), sound="no_audio", plain=False)
def _(path: Path) -> str:
    plain = path.with_name("bytes_target.mp4")
    write(plain, 10)
    place = os.fsdecode(os.fsencode(path.parent) + b"/\xff\xfe.mp4")
    os.rename(plain, place)
    return place


@case("bytes", "the bytes of a video", video=numbered(10), sound=heard(1))
def _(path: Path) -> bytes:
    write(path.with_suffix(".mp4"), 10, waveform=tones(1.0))
    return path.with_suffix(".mp4").read_bytes()


@case("bytes_of_sound", "the bytes of a sound", video=("no_video_stream", "decode_error"), sound=heard(1))
def _(path: Path) -> bytes:
    return wav(pcm(tones(1.0)))


def _value(name: str, what: str, value: Any, video: Any, sound: Any = None) -> None:
    add(Case(name, what, lambda path: value, video, sound, plain=False))


FRAMES = coded_frames(5)
WITH_CLOCK = numbered(5, 10)
_value("frames", "frames with a clock", {"frames": FRAMES, "fps": 10.0}, WITH_CLOCK)
_value("frames_float", "frames of floats", FRAMES / 255.0, "bad_input")
_value("frames_int64", "frames of 64-bit numbers", FRAMES.astype(np.int64), "bad_input")
_value("frames_channels_first", "channels first", FRAMES.transpose(0, 3, 1, 2).copy(), "bad_input")
_value("frames_grey", "frames without colour", FRAMES[..., 0].copy(), "bad_input")
_value("frames_rgba", "frames with alpha", np.zeros((3, 8, 8, 4), np.uint8), "bad_input")
_value("frames_one", "one image, not in a list", FRAMES[0], "bad_input")
_value("frames_none", "no frames", FRAMES[:0], "no_frames")
_value("frames_empty_images", "frames of no height", np.zeros((3, 0, 8, 3), np.uint8), "no_frames")
_value("frames_objects", "an array of objects", np.array([None, "a"], dtype=object), ("bad_input", "bad_type"))
_value("frames_fps_0", "frames at 0 a second", {"frames": FRAMES, "fps": 0}, "bad_input")
_value(
    "frames_fps_nan",
    "frames at NaN a second: as if none were given",
    {"frames": FRAMES, "fps": float("nan")},
    Frames(tuple((float(n), n) for n in range(5))),
)
_value("list_empty", "an empty list", [], "bad_type")
_value("list_of_words", "a list of words", ["a", "b"], "bad_type")
_value("number", "a number", 3.5, "bad_type", "bad_type")
_value("true", "True", True, "bad_type", "bad_type")
_value("object", "an object", object(), "bad_type", "bad_type")
_value("empty_bytes", "no bytes", b"", "empty_file", "empty_file")
_value("dict_empty", "an empty dict", {}, "bad_type", "bad_type")
_value("dict_unknown", "a dict with an unknown key", {"paht": "a.mp4"}, "bad_input", "bad_input")
_value("dict_start_text", "a start that is a text", {"bytes": b"abc", "start": "1"}, "bad_segment", "bad_segment")
_value("array", "an array without a rate", tones(1.0), ("bad_input", "bad_type"), "bad_type")
_value("array_rate_0", "a rate of 0", {"array": tones(1.0), "sampling_rate": 0}, "bad_input", "bad_sample_rate")
_value(
    "array_rate_nan",
    "a rate of NaN",
    {"array": tones(1.0), "sampling_rate": float("nan")},
    "bad_input",
    "bad_sample_rate",
)
_value(
    "array_rate_text", "a rate that is a text", {"array": tones(1.0), "sampling_rate": "16k"}, "bad_input", "bad_type"
)
_value(
    "array_empty", "no samples", {"array": np.zeros(0, np.float32), "sampling_rate": 16_000}, "bad_input", "no_audio"
)
_value(
    "array_3d",
    "samples of three axes",
    {"array": np.zeros((2, 2, 2)), "sampling_rate": 16_000},
    "bad_input",
    "bad_input",
)
_value(
    "array_complex",
    "complex samples",
    {"array": np.zeros(9, complex), "sampling_rate": 16_000},
    "bad_input",
    "bad_type",
)
_value(
    "array_bool",
    "samples that are true or false",
    {"array": np.zeros(9, bool), "sampling_rate": 16_000},
    "bad_input",
    "bad_type",
)
_value(
    "array_int64",
    "samples of 64-bit numbers",
    {"array": np.zeros(9, np.int64), "sampling_rate": 16_000},
    "bad_input",
    "bad_input",
)
_value(
    "array_nan",
    "samples that are no numbers",
    {"array": np.full(16_000, np.nan), "sampling_rate": 16_000},
    "bad_input",
    "non_finite_audio",
)
_value(
    "array_good", "samples with their rate", {"array": tones(2.0)[0], "sampling_rate": 48_000}, "bad_input", heard(2)
)
_value(
    "array_int16",
    "samples of 16 bits",
    {"array": (tones(2.0) * 32_767).astype(np.int16), "sampling_rate": 48_000},
    "bad_input",
    heard(2),
)
_value("array_swapped", "axes swapped", {"array": tones(1.0).T, "sampling_rate": 48_000}, "bad_input", "bad_channels")


def _segment(name: str, what: str, start: Any, end: Any, video: Any, sound: Any) -> None:
    def make(path: Path) -> dict[str, Any]:
        place = path.with_suffix(".mp4")
        write(place, waveform=tones(), sound_codec="pcm_s16le", container_format="mov")
        return {"path": str(place), "start": start, "end": end}

    add(Case(name, what, make, video, sound, plain=False))


def _part(first: int, last: int) -> Frames:
    return Frames(tuple((n / 10, n) for n in range(first, last)))


_segment("segment", "a second in the middle", 1, 2, _part(10, 20), heard(1, 1, 1, exact=False))
_segment("segment_open", "from a second on", 2, None, _part(20, 30), heard(1, 2, 2, exact=False))
_segment(
    "segment_beyond",
    "a segment that begins in the file and ends behind it",
    2,
    99,
    _part(20, 30),
    heard(1, 2, 2, exact=False),
)
_segment(
    "segment_of_a_moment", "less than a frame", 1.02, 1.04, Frames(((1.0, 10),)), heard(0.02, 1.02, 1, exact=False)
)
_segment("segment_outside", "a segment behind the end", 50, 60, "bad_segment", ("bad_segment", "no_audio"))
_segment("segment_negative", "a segment that begins before 0", -1, 2, "bad_segment", "bad_segment")
_segment(
    "segment_backwards",
    "a segment that ends before it begins",
    2,
    1,
    ("bad_segment", "bad_input"),
    ("bad_segment", "bad_input"),
)
_segment("segment_empty", "a segment of no length", 1, 1, ("bad_segment", "bad_input"), ("bad_segment", "bad_input"))
_segment(
    "segment_infinite",
    "a segment without a finite end",
    0,
    float("inf"),
    ("bad_segment", "bad_input"),
    ("bad_segment", "bad_input"),
)

# Captions and references: (what, predictions, references, code of the row; None: it scores).
TEXTS: list[tuple[str, Any, Any, str | None]] = [
    ("a caption", "a dog runs", ["a cat sits"], None),
    ("one reference, not in a list", "a dog runs", "a cat sits", None),
    ("no references", "a dog runs", [], None),
    ("references missing", "a dog runs", None, None),
    ("a long caption", "a dog runs " * 2000, None, None),
    ("emoji and Chinese", "🎬 一只狗在跑", None, None),
    ("from right to left", "كلب يجري", None, None),
    ("combined marks", "a" + "\u0301" * 300, None, None),
    ("a NUL within", "a dog\0runs", None, None),
    ("an empty caption", "", None, "empty_caption"),
    ("blanks", " \t\n ", None, "empty_caption"),
    ("blanks of no width", "\u200b\u200b\ufeff", None, "empty_caption"),
    ("half a character", "a dog \ud83d runs", None, "bad_caption"),
    ("nothing", None, None, "bad_caption"),
    ("NaN", float("nan"), None, "bad_caption"),
    ("a number", 3, None, "bad_caption"),
    ("bytes", b"a dog runs", None, "bad_caption"),
    ("a list", ["a dog runs"], None, "bad_caption"),
    ("a reference that is a number", "a dog runs", ["a cat", 3], "bad_caption"),
    ("a reference that is nothing", "a dog runs", ["a cat", None], "bad_caption"),
    ("an empty reference", "a dog runs", ["a cat", ""], "empty_caption"),
    ("references that are a number", "a dog runs", 7, "bad_caption"),
    ("references that are a dict", "a dog runs", {"a": "b"}, "bad_caption"),
    ("half a character in a reference", "a dog runs", ["\udfff"], "bad_caption"),
]
