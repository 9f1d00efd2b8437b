"""Headers that state too much, too little or nothing: what is there is read, and what is missing is told."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from tests.media.corpus.making import patched, pcm, tones, wav
from tests.media.corpus.sounds import rf64
from vqe_core.media.audio.reader import read_audio
from vqe_core.media.audio.source import as_audio_source
from vqe_core.media.audio.stated_sizes import stated_size

RATE = 16_000
SAMPLES = tones(3.0, RATE)
DATA = pcm(SAMPLES)


def made(kind: str) -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, SAMPLES.T, RATE, format=kind, subtype="PCM_16")
    return memory.getvalue()


def read(data: bytes):
    return read_audio(as_audio_source(data))


def codes(samples) -> list[str]:
    return [warning.code for warning in samples.warnings]


def sizes_in(kind: str, outer: int, inner: int) -> bytes:
    """A file of three seconds whose header states other sizes."""
    data = wav(DATA, rate=RATE) if kind == "WAV" else made(kind)
    at = data.index(b"SSND" if kind == "AIFF" else b"data") if kind != "AU" else 0
    if kind == "WAV":
        return patched(data, (4, struct.pack("<I", outer)), (at + 4, struct.pack("<I", inner)))
    if kind == "RF64":
        place = data.index(b"ds64") + 8
        return patched(data, (place, struct.pack("<QQQ", outer, inner, 0)))
    if kind == "W64":
        return patched(data, (16, struct.pack("<Q", outer)), (at + 16, struct.pack("<Q", inner)))
    if kind == "AIFF":
        counts = data.index(b"COMM") + 10
        changed = patched(data, (4, struct.pack(">I", outer)), (at + 4, struct.pack(">I", inner)))
        return patched(changed, (counts, struct.pack(">I", 0)))
    if kind == "AU":
        return patched(data, (8, struct.pack(">I", inner)))
    return patched(data, (at + 4, struct.pack(">Q", inner)))


NEVER_CLOSED = [
    *[("WAV", outer, inner) for outer, inner in ((0, 0), (36, 0), (2**32 - 1, 2**32 - 1), (2**31 - 1, 2**31 - 37))],
    *[("WAV", outer, inner) for outer, inner in ((len(DATA) + 36, 0), (len(DATA) + 36, 2**32 - 1), (0, 1234))],
    *[("RF64", size, size) for size in (0, 2**64 - 1, 2**63 - 1)],
    *[("W64", size, size) for size in (0, 24, 2**64 - 1, 2**63 - 1)],
    *[("AIFF", outer, inner) for outer, inner in ((0, 0), (46, 8), (2**32 - 1, 2**32 - 1), (2**31 - 1, 2**31 - 39))],
    *[("AU", 0, size) for size in (0, 2**32 - 1, 2**31 - 1)],
    *[("CAF", 0, size) for size in (0, 4, 2**64 - 1, 2**63 - 1)],
]


@pytest.mark.parametrize("kind, outer, inner", NEVER_CLOSED)
def test_a_file_that_was_never_closed_is_read_to_its_end(kind, outer, inner):
    samples = read(sizes_in(kind, outer, inner))
    closed = read(wav(DATA, rate=RATE) if kind == "WAV" else made(kind))
    assert closed.waveform.shape == (1, len(DATA) // 2)
    assert np.array_equal(samples.waveform, closed.waveform)
    assert codes(samples) == []


def test_an_rf64_of_a_recorder_is_read_to_its_end():
    data = rf64(DATA)
    place = data.index(b"ds64") + 8
    samples = read(patched(data, (place, bytes(24))))
    assert samples.waveform.shape[1] == len(DATA) // 2 and codes(samples) == []


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC"])
def test_a_file_that_is_cut_off_tells_how_much_is_missing(kind):
    data = wav(DATA, rate=RATE) if kind == "WAV" else made(kind)
    samples = read(data[: -len(DATA) // 3 if kind != "FLAC" else len(data) * 2 // 3])
    assert samples.duration == pytest.approx(2.0, abs=0.3 if kind == "FLAC" else 0.001)
    assert codes(samples)[-1] in (("truncated",) if kind != "FLAC" else ("ends_early", "damaged_audio"))
    if kind != "FLAC":
        assert str(samples.warnings[0]) == "cut off: 1.00 of 3.00 s are missing"


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF"])
def test_a_segment_before_the_cut_has_no_remark(kind):
    data = wav(DATA, rate=RATE) if kind == "WAV" else made(kind)
    cut = as_audio_source({"bytes": data[: -len(DATA) // 3], "start": 0.5, "end": 1.5})
    samples = read_audio(cut)
    assert samples.duration == 1.0 and samples.warnings == ()


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF"])
def test_headers_that_are_right_are_left_alone(kind):
    data = wav(DATA, rate=RATE) if kind == "WAV" else made(kind)
    found = stated_size(io.BytesIO(data))
    assert found is not None and (found.stated, found.missing, found.patches) == (len(DATA), 0, ())
    assert codes(read(data)) == []


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), bytes(5000), b"\xff" * 5000, b"LIST\4\0\0\0INFO"])
def test_what_follows_a_closed_file_is_not_heard(tail):
    samples = read(wav(DATA, rate=RATE) + tail)
    assert samples.waveform.shape[1] == len(DATA) // 2 and codes(samples) == []


def test_a_few_bytes_too_many_are_no_cut():
    samples = read(wav(DATA, rate=RATE, data_size=len(DATA) + 8, riff_size=len(DATA) + 44))
    assert codes(samples) == []


def test_other_files_have_none():
    assert stated_size(io.BytesIO(b"")) is None
    assert stated_size(io.BytesIO(made("FLAC"))) is None
    assert stated_size(io.BytesIO(b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff")) is None


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF"])
def test_headers_cut_anywhere_raise_nothing(kind):
    data = wav(DATA, rate=RATE) if kind == "WAV" else made(kind)
    for end in range(200):
        stated_size(io.BytesIO(data[:end]))
