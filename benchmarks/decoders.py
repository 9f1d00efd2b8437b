"""Ways of reading a few frames of a file. Each takes a path and increasing frame numbers and yields RGB frames."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import av
import cv2
import numpy as np

from vqe_core.media import as_media_source, open_video

Frames = Iterator[np.ndarray]
Strategy = Callable[[str, list[int]], Frames]


def opencv_grab(path: str, wanted: list[int]) -> Frames:
    """Decode by OpenCV, stepping over the frames between; the published code's library, used as well as it can be."""
    capture = cv2.VideoCapture(path)
    number = 0
    for target in wanted:
        while number < target and capture.grab():
            number += 1
        read, frame = capture.read()
        number += 1
        if not read:
            break
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    capture.release()


def opencv_seek(path: str, wanted: list[int]) -> Frames:
    """Decode by OpenCV, with the position set before each frame."""
    capture = cv2.VideoCapture(path)
    for target in wanted:
        capture.set(cv2.CAP_PROP_POS_FRAMES, target)
        read, frame = capture.read()
        if not read:
            break
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    capture.release()


def sequential(path: str, wanted: list[int]) -> Frames:
    """Decode by PyAV, every frame up to the last wanted one, one thread."""
    return _in_order(path, wanted, threads=1)


def sequential_threads(path: str, wanted: list[int]) -> Frames:
    """Decode the same with as many threads as FFmpeg likes."""
    return _in_order(path, wanted, threads=0)


def seek_each(path: str, wanted: list[int]) -> Frames:
    """Decode by PyAV: seek to the keyframe before each frame and decode from there, one thread."""
    with av.open(path) as container:
        times = sorted(packet.pts for packet in container.demux(video=0) if packet.pts is not None)
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for number in wanted:
            container.seek(times[number], stream=stream)
            frames = container.decode(stream)
            yield next(f for f in frames if f.pts is not None and f.pts >= times[number]).to_ndarray(format="rgb24")


def planned(path: str, wanted: list[int]) -> Frames:
    """Decode by this package: only packets that the wanted frames need, one thread; looking at the file is in it."""
    video = open_video(as_media_source(path))
    for frame in video.frames(np.array(wanted)):
        yield frame.pixels


def torchcodec_exact(path: str, wanted: list[int]) -> Frames:
    """Decode by torchcodec, one thread, times by a scan of the file."""
    return _torchcodec(path, wanted, "exact")


def torchcodec_approximate(path: str, wanted: list[int]) -> Frames:
    """Decode by torchcodec, one thread, times by the frame rate: wrong frames where it varies."""
    return _torchcodec(path, wanted, "approximate")


def strategies() -> dict[str, Strategy]:
    """Return all that can run here, by their names in the tables; the first one is the baseline."""
    found: dict[str, Strategy] = {
        "PyAV sequential": sequential,
        "PyAV sequential, all threads": sequential_threads,
        "PyAV seek": seek_each,
        "OpenCV grab": opencv_grab,
        "OpenCV seek": opencv_seek,
        "planned": planned,
    }
    if find_spec("torchcodec") is not None:
        found["torchcodec exact"] = torchcodec_exact
        found["torchcodec approximate"] = torchcodec_approximate
    return found


def keyframe_numbers(path: str) -> list[int]:
    """Return the numbers of the keyframes in the order of display."""
    with av.open(path) as container:
        packets = [(p.pts, p.is_keyframe) for p in container.demux(video=0) if p.pts is not None]
    times = sorted(time for time, _ in packets)
    return sorted(bisect.bisect_left(times, time) for time, key in packets if key)


def _in_order(path: str, wanted: list[int], threads: int) -> Frames:
    chosen = set(wanted)
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO" if threads == 0 else "SLICE"
        stream.codec_context.thread_count = threads
        for number, frame in enumerate(container.decode(stream)):
            if number in chosen:
                yield frame.to_ndarray(format="rgb24")
            if number == wanted[-1]:
                return


def _torchcodec(path: str, wanted: list[int], mode: str) -> Frames:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, seek_mode=mode, num_ffmpeg_threads=1, dimension_order="NHWC")
    for start in range(0, len(wanted), 16):
        yield from decoder.get_frames_at(wanted[start : start + 16]).data.numpy()
