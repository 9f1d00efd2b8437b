"""Codecs, pixel formats, sizes and orders of frames."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tests.clips import coded_frame
from tests.media.corpus.cases import Case, Frames, add, case, numbered
from tests.media.corpus.containers import AV1, HEVC, MPEG2, VP8, VP9, written
from tests.media.corpus.making import images, join, with_alpha, write

written(
    "intra_refresh.mp4", "no keyframes but the first", options={"x264-params": "intra-refresh=1:keyint=12:bframes=2"}
)
written("all_keyframes.mp4", "keyframes only", options={"g": "1"})
written(
    "one_keyframe.mp4",
    "one keyframe, deep pyramid",
    options={"x264-params": "keyint=infinite:bframes=7:b-pyramid=normal"},
)
written("baseline.mp4", "no B-frames", options={"profile": "baseline", "g": "10"})
written("lossless.mp4", "H.264 lossless", options={"qp": "0", "g": "12"}, pix_fmt="yuv444p")
written("rgb.mp4", "H.264 in RGB", codec="libx264rgb", pix_fmt="rgb24", options={"g": "12"})
written("hevc.mp4", "HEVC", **HEVC, slow=True)
written("hevc.ts", "HEVC in a transport stream", **HEVC, slow=True)
written(
    "hevc_10bit.mkv",
    "HEVC of 10 bits",
    **HEVC,
    pix_fmt="yuv420p10le",
    warned=frozenset({"reduced_bit_depth"}),
    slow=True,
)
written("av1.mp4", "AV1", **AV1, slow=True)
written(
    "av1_10bit.mkv", "AV1 of 10 bits", **AV1, pix_fmt="yuv420p10le", warned=frozenset({"reduced_bit_depth"}), slow=True
)
written(
    "vp9_hidden.webm",
    "VP9 with hidden frames",
    codec="libvpx-vp9",
    slow=True,
    options={"g": "20", "deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16"},
)
written(
    "vp8_hidden.webm",
    "VP8 with hidden frames",
    codec="libvpx",
    options={"g": "20", "deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16"},
)
written("vp9_444.webm", "VP9 without subsampling", **VP9, pix_fmt="yuv444p")
written("mpeg2.ts", "MPEG-2", numbered(fps=25), **MPEG2, times=[n / 25 for n in range(30)])
written("mjpeg.mov", "Motion JPEG", codec="mjpeg", pix_fmt="yuvj420p")
written("prores.mov", "ProRes", codec="prores_ks", pix_fmt="yuv422p10le", warned=frozenset({"reduced_bit_depth"}))
written("ffv1.mkv", "FFV1", codec="ffv1", pix_fmt="yuv420p", options={"g": "10"})
written("png.mov", "PNG", codec="png", pix_fmt="rgb24")
written("qtrle.mov", "QuickTime animation", codec="qtrle", pix_fmt="rgb24")
written("raw.avi", "not compressed", codec="rawvideo", pix_fmt="yuv420p", clock=10)
written("utvideo.avi", "Ut Video", codec="utvideo", pix_fmt="yuv420p", clock=10)
written("huffyuv.avi", "HuffYUV", codec="huffyuv", pix_fmt="yuv422p", clock=10)
written("h263.3gp", "H.263", codec="h263", clock=10, frames=images(range(30), (128, 96)))
written("grey.mp4", "grey", pix_fmt="gray")
written("grey16.mkv", "grey of 16 bits", codec="ffv1", pix_fmt="gray16le", warned=frozenset({"reduced_bit_depth"}))
written("palette.avi", "a palette", codec="zmbv", pix_fmt="bgr0", clock=10)
written("full_range.mp4", "full range", pix_fmt="yuvj420p")


@case("interlaced.ts", "interlaced H.264", video=numbered(), sound="no_audio")
def _(path: Path) -> None:
    write(path, options={"x264-params": "interlaced=1:keyint=12:bframes=2"})


@case(
    "hdr.mp4",
    "HDR10: BT.2020, PQ",
    video=numbered(),
    sound="no_audio",
    warned=frozenset({"hdr_no_tonemap"}),
    slow=True,
    needs=("libx265",),
)
def _(path: Path) -> None:
    colours = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    options = {"x265-params": f"keyint=12:log-level=none:pools=1:{colours}"}

    def say(container, video, audio):
        video.codec_context.color_trc, video.codec_context.color_primaries = 16, 9
        video.codec_context.colorspace = 9

    write(path, codec="libx265", pix_fmt="yuv420p10le", options=options, prepare=say)


def _sizes() -> None:
    """Odd and extreme sizes, in codecs that can hold them."""
    for width, height in ((127, 95), (65, 49), (16, 500), (500, 16), (1920, 8)):
        name = f"{width}x{height}.mkv"
        size = (width, height)

        def make(path: Path, size=size) -> None:
            write(path, images(range(10), size), codec="ffv1", pix_fmt="yuv444p")

        frames = numbered(10, sizes=(size,))
        add(Case(name, f"frames of {width} x {height}", make, frames, "no_audio", needs=("ffv1",)))
    for width, height in ((1, 1), (2, 2), (1, 64), (64, 1)):
        size = (width, height)

        def make_tiny(path: Path, size=size) -> None:
            grey = [np.full((size[1], size[0], 3), 40 * n, np.uint8) for n in range(5)]
            write(path, grey, codec="png", pix_fmt="rgb24")

        shown = tuple((n / 10, None) for n in range(5))
        frames = Frames(shown, sizes=(size,))
        add(
            Case(
                f"{width}x{height}.mov", f"frames of {width} x {height}", make_tiny, frames, "no_audio", needs=("png",)
            )
        )


_sizes()


@case("odd_vp9.webm", "VP9 of 127 x 95", video=numbered(sizes=((127, 95),)), sound="no_audio", needs=("libvpx-vp9",))
def _(path: Path) -> None:
    write(path, images(range(30), (127, 95)), **VP9)


@case(
    "cropped.mp4", "H.264 of 126 x 94, cropped from whole blocks", video=numbered(sizes=((126, 94),)), sound="no_audio"
)
def _(path: Path) -> None:
    write(path, images(range(30), (126, 94)))


@case(
    "not_square.mp4", "pixels that are not square stay as they are", video=numbered(sizes=((64, 48),)), sound="no_audio"
)
def _(path: Path) -> None:
    def stretch(container, video, audio):
        video.codec_context.sample_aspect_ratio = 2

    write(path, prepare=stretch)


BOTH = ((64, 48), (96, 72))
GROWS = frozenset({"size_changes"})


@case("size_change.ts", "48x64, then 72x96", video=numbered(50, sizes=BOTH), sound="no_audio", warned=GROWS)
def _(path: Path) -> None:
    options = {"x264-params": "repeat-headers=1:bframes=0:keyint=10"}
    later = [2.5 + n / 10 for n in range(25)]
    join(
        path,
        lambda place: write(place, 25, options=options),
        lambda place: write(place, images(range(25, 50), (96, 72)), times=later, options=options),
    )


# The decoder drops the frame that waits for the next one.
_MPEG2 = Frames(tuple(shown for shown in numbered(50, 25).shown if shown[1] != 24), sizes=BOTH, within=0.05)


@case("size_change_mpeg2.ts", "MPEG-2 that grows", video=_MPEG2, sound="no_audio", warned=GROWS)
def _(path: Path) -> None:
    options = {**MPEG2, "bframes": 0}
    later = [1 + n / 25 for n in range(25)]
    join(
        path,
        lambda place: write(place, 25, times=[n / 25 for n in range(25)], **options),
        lambda place: write(place, images(range(25, 50), (96, 72)), times=later, **options),
    )


@case(
    "size_change.ivf",
    "VP8 that shrinks",
    video=numbered(40, sizes=BOTH[::-1]),
    sound="no_audio",
    warned=GROWS,
    needs=("libvpx",),
)
def _(path: Path) -> None:
    later = [2 + n / 10 for n in range(20)]
    join(
        path,
        lambda place: write(place, images(range(20), (96, 72)), **VP8),
        lambda place: write(place, images(range(20, 40)), times=later, **VP8),
        head=32,
    )


def _alpha(name: str, what: str, **options) -> None:
    def make(path: Path) -> None:
        def say(container, video, audio):
            if path.suffix == ".webm":
                video.metadata["alpha_mode"] = "1"

        write(path, [with_alpha(n) for n in range(30)], prepare=say, **options)

    warned = frozenset({"reduced_bit_depth"} if {"10", "64"} & {*re.findall("[0-9]+", options["pix_fmt"])} else ())
    add(Case(name, what, make, numbered(), "no_audio", plain=False, warned=warned, needs=(options["codec"],)))


_alpha("alpha_vp8.webm", "VP8 with alpha", **{**VP8, "pix_fmt": "yuva420p"})
_alpha("alpha_vp9.webm", "VP9 with alpha", **{**VP9, "pix_fmt": "yuva420p"})
_alpha("alpha_prores.mov", "ProRes 4444 with alpha", codec="prores_ks", pix_fmt="yuva444p10le")
_alpha("alpha_png.mov", "PNG with alpha", codec="png", pix_fmt="rgba")
_alpha("alpha_png16.mov", "PNG of 16 bits with alpha", codec="png", pix_fmt="rgba64be")
_alpha("alpha_qtrle.mov", "QuickTime animation with alpha", codec="qtrle", pix_fmt="argb")
_alpha("alpha_ffv1.mkv", "FFV1 with alpha", codec="ffv1", pix_fmt="yuva420p")
_alpha("alpha.apng", "animated PNG with alpha", codec="apng", pix_fmt="rgba")


@case("alpha.gif", "a GIF whose frames leave parts as they were", video=numbered(), sound="no_audio", plain=False)
def _(path: Path) -> None:
    from PIL import Image

    frames = [Image.fromarray(coded_frame(n)).quantize(16) for n in range(30)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, disposal=1, optimize=True)
