"""An impossible sampling rate has its own code, in every format and wherever its header lies."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from vqe_core.errors import MediaError
from vqe_core.media import as_audio_source, as_media_source, read_audio
from vqe_core.media.audio.stated_rate import stated_rate

SAMPLES = np.sin(np.arange(8000) / 5).astype(np.float32) / 2


def sound(kind, endian=None):
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, 8000, format=kind, subtype="PCM_16", endian=endian)
    return file.getvalue()


def with_rate(kind, data, rate):
    """The file with the rate in its header replaced."""
    if kind == "WAV":
        place = data.index(b"fmt ") + 12
        return data[:place] + struct.pack("<I", rate) + data[place + 4 :]
    if kind == "AIFF":
        place, bits = data.index(b"COMM") + 16, rate.bit_length()
        return data[:place] + struct.pack(">HQ", 16383 + bits - 1, rate << 64 - bits) + data[place + 10 :]
    if kind == "CAF":
        return data[:20] + struct.pack(">d", rate) + data[28:]
    return data[:16] + struct.pack(">I", rate) + data[20:]


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "CAF", "AU"])
@pytest.mark.parametrize("rate", [1, 3999, 384_001, 2_147_483_648, 4_000_000_000])
def test_a_rate_out_of_bounds(kind, rate):
    data = with_rate(kind, sound(kind, "BIG" if kind == "AU" else None), rate)
    assert stated_rate(as_media_source(data)) == rate
    with pytest.raises(MediaError, match=f"a sampling rate of {rate} Hz, outside 4000 to 384000 Hz") as caught:
        read_audio(as_audio_source(data))
    assert caught.value.code == "bad_sample_rate"


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "CAF", "AU"])
def test_a_usual_rate_is_read(kind):
    data = sound(kind, "BIG" if kind == "AU" else None)
    assert stated_rate(as_media_source(data)) == 8000
    assert read_audio(as_audio_source(data)).sampling_rate == 8000


def test_a_header_behind_other_chunks():
    data = with_rate("WAV", sound("WAV"), 4_000_000_000)
    moved = data[:12] + b"JUNK" + struct.pack("<I", 5001) + bytes(5002) + data[12:]
    with pytest.raises(MediaError) as caught:
        read_audio(as_audio_source(moved))
    assert caught.value.code == "bad_sample_rate"


@pytest.mark.parametrize(
    "data", [b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \0\0", b"caffdesc", b".snd", b"ID3"]
)
def test_a_header_that_is_cut_states_nothing(data):
    assert stated_rate(as_media_source(data)) is None
