"""Chained Ogg files are heard whole, link after link, whatever the links differ in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.media.corpus.making import tones, write
from tests.media.corpus.sounds import ogg
from tests.media.joined import heard_tones
from vqe_core.errors import MediaError
from vqe_core.media import AudioLimits
from vqe_core.media.audio.reader import read_audio
from vqe_core.media.audio.signal import slice_seconds
from vqe_core.media.audio.source import as_audio_source

PITCHES = {second: 300 + 100 * second for second in range(6)}


def read(value, **options):
    return read_audio(as_audio_source(value), **options)


def flac_in_ogg(folder: Path, first: int, **options) -> bytes:
    path = folder / f"{first}.oga"
    write(path, 0, waveform=tones(3.0, first=first, **options), sound_codec="flac", container_format="oga")
    return path.read_bytes()


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS", "FLAC"])
def test_all_links_are_heard_to_the_sample(subtype, tmp_path):
    def link(first):
        if subtype == "FLAC":
            return flac_in_ogg(tmp_path, first)
        return ogg(tones(3.0, first=first), subtype=subtype)

    links = [link(0), link(3)]
    samples = read(b"".join(links))
    alone = [read(link).waveform for link in links]
    assert np.array_equal(samples.waveform, np.concatenate(alone, axis=1))
    assert samples.waveform.shape == (1, 6 * 48_000) and samples.warnings == () and samples.extent == (0.0, 6.0)
    assert heard_tones(samples) == PITCHES


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("begin, end", [(0.0, 1.0), (2.5, 3.5), (4.25, 5.75), (3.0, 9.0)])
def test_a_part_is_a_slice_of_the_whole(subtype, begin, end):
    data = b"".join(ogg(tones(3.0, first=first, channels=2), subtype=subtype) for first in (0, 3))
    whole, part = read(data), read(data, within=(begin, end))
    expected = slice_seconds(whole, begin, end)
    assert part.start == expected.start and np.array_equal(part.waveform, expected.waveform)


def test_stereo_links_stay_stereo():
    data = ogg(tones(1.0, channels=2)) * 2
    assert read(data).waveform.shape == (2, 2 * 48_000)


def test_links_of_other_channels_and_rates_are_heard_as_mono_at_the_first_rate():
    data = ogg(tones(3.0, channels=2)) + ogg(tones(3.0, 24_000, first=3), 24_000)
    samples = read(data)
    assert samples.sampling_rate == 48_000 and samples.waveform.shape[0] == 1
    assert samples.duration == pytest.approx(6.0, abs=1e-3)
    assert heard_tones(samples) == PITCHES
    assert [(warning.code, warning.count) for warning in samples.warnings] == [
        ("channels_change", 1),
        ("rate_changes", 1),
    ]


def test_limits_hold_for_all_links_together():
    data = ogg(tones(3.0)) + ogg(tones(3.0, 24_000, first=3), 24_000)
    with pytest.raises(MediaError) as caught:
        read(data, limits=AudioLimits(max_seconds=5.0))
    assert caught.value.code == "too_long"
    assert read(data, limits=AudioLimits(max_seconds=5.0), within=(1.0, 5.5)).duration == pytest.approx(4.5)
    with pytest.raises(MediaError) as caught:
        read(data, limits=AudioLimits(min_sampling_rate=32_000))
    assert caught.value.code == "bad_sample_rate"


def test_a_damaged_link_costs_itself_alone():
    middle = bytearray(ogg(tones(2.0, first=2)))
    middle[40:2000] = bytes(1960)
    data = ogg(tones(2.0)) + bytes(middle) + ogg(tones(2.0, first=4))
    samples = read(data)
    assert "damaged_audio" in [warning.code for warning in samples.warnings]
    assert heard_tones(samples)[0] == 300 and 700 in heard_tones(samples).values()


def test_a_chain_that_is_cut_off_says_so():
    data = ogg(tones(2.0)) + ogg(tones(2.0, first=2))
    assert [warning.code for warning in read(data[:-500]).warnings] == ["truncated"]
    assert read(data[:-500], within=(0.0, 1.0)).warnings == ()


def test_a_part_after_the_end_says_so():
    data = ogg(tones(2.0)) * 2
    with pytest.raises(MediaError, match="none within the segment") as caught:
        read(data, within=(7.0, 9.0))
    assert caught.value.code == "no_audio" and caught.value.extent == (0.0, 4.0)


def test_links_of_which_none_can_be_decoded_are_damage(tmp_path):
    pages = []
    for serial in (1, 2):
        head = b"OggS\0\x02" + bytes(8) + serial.to_bytes(4, "little") + bytes(8) + b"\x01\x13"
        pages.append(head + b"\x01vorbis" + bytes(12))
    with pytest.raises(MediaError) as caught:
        read_audio(as_audio_source(b"".join(pages) * 2))
    assert caught.value.code in ("decode_error", "no_audio")
