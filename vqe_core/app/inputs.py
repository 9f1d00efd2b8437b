"""Inputs of visitors, checked: clips, texts and models. Clips are decoded by a worker process."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from vqe_core.app.page import MAX_DECODING, MAX_LETTERS, MAX_SECONDS
from vqe_core.errors import InputError, MediaError
from vqe_core.media import Video, as_media_source, gathered, of_one_size, shrunk
from vqe_core.report.explain import THUMBNAIL
from vqe_core.toy.clips import ToyClip, make_clip, write_clip
from vqe_core.workers import WorkerLimits, WorkerPool, open_video_in

SEEDS = (7, 1, 4)  # chosen for movement and for audio that goes with it


def read_lines(text: str | None, name: str, *, most: int) -> list[str]:
    """Split the text of a box into lines that hold something, each once.

    Args:
        text: as typed.
        name: of the box, for messages.
        most: lines.

    Raises:
        InputError: too many lines, or one that is too long.

    Example:
        >>> read_lines("a star\\n\\n a ring ", "Captions", most=3)
        ['a star', 'a ring']
    """
    lines = list(dict.fromkeys(line.strip() for line in (text or "").splitlines() if line.strip()))
    if len(lines) > most:
        raise InputError(f"{name}: {len(lines)} lines, and at most {most} fit here. Leave some out.")
    for line in lines:
        if len(line) > MAX_LETTERS:
            raise InputError(
                f"{name}: the line that begins with {line[:30]!r} has {len(line)} letters, and at most {MAX_LETTERS} "
                "fit here. Shorten it."
            )
    return lines


def chosen_model(model: str | None, models: Mapping[str, str]) -> str:
    """Return the model, or raise InputError if it is not on the list: a request made by hand may name any."""
    if model is None or model not in models.values():
        raise InputError(f"The model must be one of {', '.join(models)}.")
    return model


def check_clip(path: str) -> float:
    """Check that a clip is a video and not too long, before anything is scored; return its duration in seconds.

    Raises:
        MediaError: it cannot be read, code ``too_long`` where it is longer than ``MAX_SECONDS``.
    """
    with open_upload(path) as video:
        seconds = video.table.end - video.table.start
    if seconds > MAX_SECONDS:
        raise MediaError(
            f"it lasts {seconds:.0f} s, and at most {MAX_SECONDS} s are scored here. Cut it shorter.", code="too_long"
        )
    return seconds


def frames_at(path: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read the frames on display at ``times``, each once, as thumbnails.

    Args:
        path: of the video.
        times: float (N,), seconds, increasing.

    Returns:
        uint8 (M, H, W, 3) RGB with M <= N, and float64 (M,), when each begins, in seconds.

    Raises:
        MediaError: it cannot be read.
    """
    with open_upload(path) as video:
        return video.read(lambda video: _thumbnails(video, times))


def _thumbnails(video: Video, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = video.table.timestamps
    positions = np.unique(np.clip(np.searchsorted(known, times, side="right") - 1, 0, None))
    frames = [shrunk(frame.pixels, THUMBNAIL) for frame in video.frames(positions)]
    return of_one_size(gathered(frames)), known[positions]


@contextmanager
def open_upload(path: str) -> Iterator[Video]:
    """Open the clip in a worker process; raise MediaError if it cannot be read."""
    with WorkerPool(True, WorkerLimits(row_seconds=MAX_DECODING)) as pool, pool.worker() as worker:
        yield open_video_in(worker, as_media_source(path))


@lru_cache(maxsize=1)
def example_clips() -> tuple[tuple[str, ToyClip], ...]:
    """Return paths of toy clips with audio, in a folder of this process, and the clips."""
    folder = Path(tempfile.mkdtemp(prefix="vqe-examples-"))
    clips = [make_clip(seed, size=256, num_frames=24) for seed in SEEDS]
    return tuple((str(write_clip(clip, folder / f"toy_clip_{i + 1}.mp4")), clip) for i, clip in enumerate(clips))


def example_number(path: str) -> int | None:
    """Return the number, from 1, of the example that a clip is, None for any other."""
    digests = [hashlib.sha256(Path(example).read_bytes()).digest() for example, _ in example_clips()]
    if Path(path).stat().st_size > 1 << 20:  # they are small
        return None
    digest = hashlib.sha256(Path(path).read_bytes()).digest()
    return digests.index(digest) + 1 if digest in digests else None


def linked_example(query: Mapping[str, str]) -> str | None:
    """Return the clip of the example that a link names, None where it names none."""
    number = query.get("example", "")
    known = example_clips()
    return known[int(number) - 1][0] if number.isdecimal() and 1 <= int(number) <= len(known) else None


def linked_number(query: Mapping[str, str], name: str, low: float, high: float) -> float | None:
    """Return a number of a link within its range, None where there is none.

    Example:
        >>> linked_number({"frames": "99"}, "frames", 1, 32), linked_number({"frames": "x"}, "frames", 1, 32)
        (32.0, None)
    """
    try:
        value = float(query[name])
    except (KeyError, ValueError):
        return None
    return float(min(high, max(low, value))) if value == value else None


def write_audio(clip: ToyClip, beside: str) -> str:
    """Write the audio of a clip as a WAV file into the folder of another one; return its path."""
    path = Path(beside).with_name("another_audio.wav")
    soundfile.write(path, clip.waveform, clip.sampling_rate)
    return str(path)
