"""Read a case as the package does, and by a plain loop, and compare both with what must come of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

from tests.clips import read_code
from tests.media.corpus.cases import Case, Frames, Tones
from tests.media.corpus.damage import Prefix, Some
from vqe_core.errors import VqeError
from vqe_core.media import as_audio_source, as_media_source, open_video, read_audio, to_mono
from vqe_core.types import AudioSamples, MediaSource

# Tags may be in any encoding; PyAV 19 takes them as they are.
TAGS: Any = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
QUIET = 0.01
LOUD = 0.05


class Wrong(AssertionError):
    """The result of a case is not the one it must have."""


def warning_codes(warnings: Any) -> list[str]:
    """Return the codes of warnings; the text itself where one has none."""
    return [getattr(warning, "code", str(warning)) for warning in warnings]


def value_of(case: Case, folder: Path) -> Any:
    """Make a case, and return what a row would hold."""
    path = folder / case.name
    made = case.make(path)
    return str(path) if made is None else made


# --- pictures ---------------------------------------------------------------------------------------------------------


def read_video(value: Any) -> tuple[Any, list[np.ndarray], tuple[str, ...]]:
    """Return (frame table, every image, warnings) as a metric would see them."""

    def everything(video: Any) -> Any:
        return video.table, [frame.pixels for frame in video.frames(np.arange(len(video.table)))]

    table, pixels = open_video(as_media_source(value)).read(everything)
    return table, pixels, table.warnings


def check_video(case: Case, value: Any) -> list[str]:
    """Compare what a case shows with what it must show.

    Returns:
        Codes of its warnings.

    Raises:
        Wrong: it does not.
    """
    expected = case.video
    try:
        table, pixels, warnings = read_video(value)
    except VqeError as error:
        _same_code(expected, error, "video")
        return []
    if isinstance(expected, str | tuple):
        raise Wrong(f"the video must fail with {expected}, and {len(pixels)} frames came of it")
    if expected is None:
        return warning_codes(warnings)
    numbers = [read_code(image) for image in pixels]
    if isinstance(expected, Prefix):
        _check_part(expected, table.timestamps.tolist(), numbers)
        return warning_codes(warnings)
    _check_frames(expected, table, pixels, numbers)
    _check_few(value, table, numbers)
    if case.plain:
        _check_plain(value, table, pixels)
    return warning_codes(warnings)


def _same_code(expected: Any, error: VqeError, what: str) -> None:
    allowed = (expected,) if isinstance(expected, str) else expected
    if expected is None or (isinstance(expected, Some) and expected.least == 0 and error.code == "decode_error"):
        if error.code == "internal_error":
            raise Wrong(f"{what}: {error}") from error
        return
    if not isinstance(allowed, tuple) or error.code not in allowed:
        told = f"fail with {' or '.join(allowed)}" if isinstance(allowed, tuple) else "be read"
        raise Wrong(f"the {what} must {told}, and fails with {error.code}: {str(error)[:300]}") from error


def _check_frames(expected: Frames, table: Any, pixels: list[np.ndarray], numbers: list[int]) -> None:
    times = table.timestamps.tolist()
    if len(times) != len(expected.shown):
        raise Wrong(f"{len(times)} frames ({numbers[:12]} ... at {_short(times)}), not {len(expected.shown)}")
    wrong = [
        (round(time, 4), number, *shown)
        for time, number, shown in zip(times, numbers, expected.shown, strict=True)
        if abs(time - shown[0]) > expected.within or shown[1] not in (None, number)
    ]
    if wrong:
        first = wrong[0]
        raise Wrong(f"{len(wrong)} frames wrong, first: frame {first[1]} at {first[0]}, not {first[3]} at {first[2]}")
    sizes = list(dict.fromkeys((image.shape[1], image.shape[0]) for image in pixels))
    if expected.sizes and tuple(sizes) != expected.sizes:
        raise Wrong(f"frames of {sizes}, not {expected.sizes}")
    if expected.end is not None and abs(table.end - expected.end) > 0.05:
        raise Wrong(f"the last frame ends at {table.end}, not {expected.end}")


def _check_part(expected: Prefix, times: list[float], numbers: list[int]) -> None:
    if not expected.least <= len(times) <= expected.most:
        raise Wrong(f"{len(times)} frames, not {expected.least} to {expected.most}")
    if isinstance(expected, Some):
        # What a codec makes up for a lost part may show anything near; most frames are whole, and at their time.
        right = sum(abs(time - number / 10) <= expected.within for time, number in zip(times, numbers, strict=True))
        if right < expected.least:
            raise Wrong(f"only {right} of {len(times)} frames are at their time: {numbers} at {_short(times)}")
        return
    for place, (time, number) in enumerate(zip(times, numbers, strict=True)):
        last = place == len(times) - 1  # half of its bytes may be lost
        if abs(time - place / 10) > expected.within or (number != place and not last):
            raise Wrong(f"frame {number} at {time}, not {place} at {place / 10}")


def _check_few(value: Any, table: Any, numbers: list[int]) -> None:
    """Frames read one here and one there are the same."""
    wanted = np.unique(np.linspace(0, len(table) - 1, 4).astype(int))
    few = open_video(as_media_source(value)).read(
        lambda video: [(f.position, read_code(f.pixels)) for f in video.frames(wanted)]
    )
    if few != [(int(place), numbers[place]) for place in wanted]:
        raise Wrong(f"frames read alone are {few}, and in a row {[numbers[place] for place in wanted]}")


def _check_plain(value: Any, table: Any, pixels: list[np.ndarray]) -> None:
    source = as_media_source(value)
    if source.path is None:
        return
    times, plain = plain_frames(source.path)
    if len(times) != len(table):
        raise Wrong(f"{len(table)} frames, and a plain decoding gives {len(times)}")
    if not np.isnan(times).any() and not np.allclose(times, table.timestamps, atol=1e-6):
        worst = int(np.argmax(np.abs(np.array(times) - table.timestamps)))
        raise Wrong(f"frame {worst} is at {table.timestamps[worst]}, and by a plain decoding at {times[worst]}")
    for place, (mine, theirs) in enumerate(zip(pixels, plain, strict=True)):
        if not np.array_equal(mine, theirs):
            raise Wrong(f"frame {place} is not that of a plain decoding")


def _short(times: list[float]) -> list[float]:
    return [round(time, 3) for time in times[:6]]


def plain_frames(path: str) -> tuple[list[float], list[np.ndarray]]:
    """Return times from the start of the file (s) and RGB images of every frame, by PyAV's own plain loop."""
    times: list[float] = []
    pictures = []
    with av.open(path, **TAGS) as container:
        stream = container.streams.best("video")
        stream.codec_context.thread_count = 1
        start = (container.start_time or 0) / av.time_base
        for frame in container.decode(stream):
            ticks = frame.pts if frame.pts is not None else frame.dts
            times.append(float(ticks * stream.time_base) - start if ticks is not None else float("nan"))
            pictures.append(frame.to_ndarray(format="rgb24"))
        if container.format.name == "avi":  # whose times number packets in the order of decoding
            times.sort()
    return times, pictures


# --- sound ------------------------------------------------------------------------------------------------------------


def check_sound(case: Case, value: Any) -> list[str]:
    """Compare what a case sounds like with what it must; see `check_video`."""
    expected = case.sound
    if expected is None:
        return []
    try:
        samples = read_audio(as_audio_source(value))
    except VqeError as error:
        _same_code(expected, error, "sound")
        return []
    if not isinstance(expected, Tones):
        raise Wrong(f"the sound must fail with {expected}, and {samples.duration:.2f} s came of it")
    mono = to_mono(samples)
    _check_span(expected, mono)
    for begin, end, tone in expected.spans:
        _check_tone(mono, begin, end, tone)
    if expected.exact:
        _check_plain_sound(value, samples)
    return warning_codes(samples.warnings)


def _check_span(expected: Tones, mono: AudioSamples) -> None:
    first, last = expected.spans[0][0], expected.spans[-1][1]
    if abs(mono.start - first) > expected.within or abs(mono.end - last) > expected.within:
        raise Wrong(f"heard from {mono.start:.3f} to {mono.end:.3f} s, not {first:.3f} to {last:.3f}")


def _check_tone(mono: AudioSamples, begin: float, end: float, tone: int | None) -> None:
    rate, margin = mono.sampling_rate, 0.2 * (end - begin)
    inner = mono.waveform[0, round((begin + margin - mono.start) * rate) : round((end - margin - mono.start) * rate)]
    if len(inner) < 64:
        return
    level = float(np.sqrt(np.mean(inner**2)))
    if tone is None:
        if level > QUIET:
            raise Wrong(f"{begin} to {end} s must be silent, and has a level of {level:.3f}")
        return
    frequency = dominant(inner, rate)
    wanted = 300 + 100 * tone
    if level < LOUD or abs(frequency - wanted) > max(12.0, 1.5 * rate / len(inner)):
        raise Wrong(f"{begin} to {end} s sound at {frequency:.0f} Hz with a level of {level:.3f}, not at {wanted} Hz")


def dominant(waveform: np.ndarray, rate: int) -> float:
    """Return the strongest frequency (Hz) of float (T,)."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.argmax(spectrum)) * rate / len(waveform)


def _check_plain_sound(value: Any, samples: AudioSamples) -> None:
    """The samples are those of a plain decoding, wherever both have some."""
    source = as_audio_source(value)
    if not isinstance(source, MediaSource) or source.path is None:
        return
    start, plain, rate = plain_sound(source.path)
    if rate != samples.sampling_rate or plain.shape[0] != samples.waveform.shape[0]:
        raise Wrong(
            f"{samples.sampling_rate} Hz, {samples.waveform.shape[0]} channels; plainly {rate} Hz, {plain.shape[0]}"
        )
    ahead = round((samples.start - start) * rate)
    mine, theirs = samples.waveform[:, max(0, -ahead) :], plain[:, max(0, ahead) :]
    common = min(mine.shape[1], theirs.shape[1])
    if common < 0.9 * min(samples.waveform.shape[1], plain.shape[1]):
        raise Wrong(f"only {common} samples in common with a plain decoding")
    if common == 0:
        return
    worst = float(np.abs(mine[:, :common] - theirs[:, :common]).max())
    if worst > 2e-3:
        raise Wrong(f"samples differ from a plain decoding by up to {worst:.4f}")


def _decoded(container: Any, stream: Any) -> Any:
    """Yield frames up to the end of the file, past damage."""
    for packet in container.demux(stream):
        try:
            yield from stream.codec_context.decode(packet)
        except av.FFmpegError:
            continue


def plain_sound(path: str) -> tuple[float, np.ndarray, int]:
    """Return start from the start of the file (s), float (C, T) one block after the other, and rate (Hz)."""
    blocks, first = [], None
    with av.open(path, **TAGS) as container:
        stream = container.streams.best("audio")
        stream.codec_context.thread_count = 1
        zero = (container.start_time or 0) / av.time_base
        rate = 0
        for frame in _decoded(container, stream):
            blocks.append(_float(_samples(frame)))
            rate = frame.sample_rate
            if first is None:
                first = 0.0 if frame.pts is None else float(frame.pts * frame.time_base) - zero
    return first or 0.0, np.concatenate(blocks, axis=1), rate


def _samples(frame: Any) -> np.ndarray:
    """(C, T) of a decoded frame, interleaved by FFmpeg: PyAV miscounts eight planes and more."""
    if frame.format.is_planar:
        frame = AudioResampler(format=frame.format.packed.name).resample(frame)[0]
    return frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T


def _float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f":
        return samples.astype(np.float64)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float64) - 128) / 128
    return samples.astype(np.float64) / -float(np.iinfo(samples.dtype).min)


# --- warnings ---------------------------------------------------------------------------------------------------------


def check_warnings(case: Case, codes: list[str]) -> None:
    """Compare the codes of a case's warnings with those it must and may have."""
    if case.warned and not case.warned & set(codes):
        raise Wrong(f"no warning {' or '.join(sorted(case.warned))}; there are {codes}")
    wrong = set(codes) - case.warned - case.may_warn
    if wrong:
        raise Wrong(f"warnings that should not be: {sorted(wrong)}")
    if any(codes.count(code) > 2 for code in codes):  # once of the images and once of the sound
        raise Wrong(f"one kind of warning again and again: {codes[:9]}")
