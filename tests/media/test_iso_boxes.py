"""Tables of MP4 files that claim what cannot be are refused before FFmpeg believes them; healthy ones pass."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.clips import coded_frames, write_clip
from tests.media import bombs
from tests.media.recipes import moving_clip
from vqe_core.errors import MediaError
from vqe_core.media import MediaLimits, as_media_source, open_video, read_audio
from vqe_core.media.iso_boxes import check_tables

LIMITS = MediaLimits()


def refusal(content: bytes | Path, limits: MediaLimits = LIMITS) -> MediaError:
    with pytest.raises(MediaError) as caught:
        check_tables(as_media_source(content), limits)
    return caught.value


@pytest.mark.parametrize("make", [bombs.sample_table, bombs.fragment, bombs.packed_movie])
@pytest.mark.parametrize("samples", [2**26, 2**32 - 1, 2_000_000, 100_001])
def test_frames_that_a_file_has_no_room_for(tmp_path, make, samples):
    error = refusal(make(tmp_path, samples))
    assert error.code == "too_many_frames"
    assert f"claim {samples} frames" in str(error)


@pytest.mark.parametrize("make", [bombs.sample_table, bombs.fragment, bombs.packed_movie])
def test_a_few_frames_too_many_are_left_to_ffmpeg(tmp_path, make):
    check_tables(as_media_source(make(tmp_path, 1000)), LIMITS)


def test_a_path_and_its_bytes_are_refused_alike(tmp_path):
    content = bombs.sample_table(tmp_path)
    (tmp_path / "bomb.mp4").write_bytes(content)
    words = {str(refusal(source)).partition(":")[2] for source in (content, tmp_path / "bomb.mp4")}
    assert len(words) == 1


def test_edits_that_show_a_track_again_and_again(tmp_path):
    assert refusal(bombs.many_edits(tmp_path)).code == "too_many_frames"
    check_tables(as_media_source(bombs.many_edits(tmp_path, edits=3, samples=1000)), LIMITS)


@pytest.mark.parametrize("name", [b"ctts", b"stco", b"stsc", b"stss", b"stts", b"elst", b"trun"])
def test_a_table_that_is_longer_than_its_box(tmp_path, name):
    if name == b"trun":
        content = bombs.small_mp4(tmp_path, fragmented=True)
        place, _ = bombs.boxes_of(content, name)[0]
        content[place + 12 : place + 16] = struct.pack(">I", bombs.MANY)
    else:
        content = bytearray(bombs.counted_box(tmp_path, name))
    error = refusal(bytes(content))
    assert error.code == "decode_error"
    assert f"{name.decode()}' claims {bombs.MANY} entries" in str(error)


@pytest.mark.parametrize("make", [lambda folder: bombs.sample_table(folder, compact=True), bombs.item_table])
def test_other_tables_that_are_longer_than_their_box(tmp_path, make):
    assert f"claims {bombs.MANY} entries" in str(refusal(make(tmp_path)))


def test_a_compressed_index_that_unpacks_without_end(tmp_path):
    content = bytes(bombs.small_mp4(tmp_path))
    packed = zlib.compress(bytes(2**27), 1)
    moov = bombs.box(b"moov", bombs.box(b"cmov", bombs.box(b"cmvd", bytes(4) + packed)))
    assert "compressed index" in str(refusal(content + moov))


def test_boxes_in_boxes_without_end():
    content = b""
    for _ in range(3000):
        content = bombs.box(b"udta", content)
    check_tables(as_media_source(bombs.box(b"moov", content)), LIMITS)


def test_a_length_that_goes_back_or_nowhere():
    for length in (0, 1, 2, 7):
        check_tables(as_media_source(struct.pack(">I", length) + b"moov" + bytes(64)), LIMITS)


@pytest.mark.parametrize("name", ["closed.mp4", "open.ts", "vp9.webm", "refresh.mp4"])
def test_healthy_files_pass(name):
    check_tables(as_media_source(moving_clip(name)), LIMITS)


def test_a_limit_of_frames_is_for_the_longest_track_and_its_companions(tmp_path):
    source = as_media_source(bytes(bombs.small_mp4(tmp_path, frames=300)))
    check_tables(source, replace(LIMITS, max_frames_in_table=1))  # so few are looked at by whoever reads them
    assert len(open_video(source).table) == 300


def test_sound_without_compression_is_counted_in_blocks(tmp_path):
    path = tmp_path / "sound.mov"
    rate, seconds = 48_000, 30
    with av.open(str(path), "w", format="mov") as out:
        stream = out.add_stream("pcm_u8", rate=rate, layout="mono")
        samples = np.zeros((1, rate * seconds), np.uint8)
        frame = av.AudioFrame.from_ndarray(samples, format="u8", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    check_tables(as_media_source(path), LIMITS)
    assert read_audio(as_media_source(path)).waveform.shape == (1, rate * seconds)
    content = bytearray(path.read_bytes())
    place, _ = bombs.boxes_of(content, b"stsc")[0]
    content[place + 20 : place + 24] = struct.pack(">I", 2**31)
    assert refusal(bytes(content)).code == "too_many_frames"


def test_a_file_of_many_edits_that_shows_each_frame_once_passes(tmp_path):
    path = write_clip(tmp_path / "long.mp4", coded_frames(40).repeat(100, axis=0), options={"g": "20"})
    content = bytearray(path.read_bytes())
    moov, moov_length = bombs.boxes_of(content, b"moov")[0]
    trak, trak_length = bombs.boxes_of(content, b"trak")[0]
    edits = [struct.pack(">IiI", 1000, n * 1000, 0x10000) for n in range(400)]  # 1 s each
    table = bombs.box(b"edts", bombs.box(b"elst", struct.pack(">II", 0, len(edits)) + b"".join(edits)))
    for place, _ in bombs.boxes_of(content, b"edts"):
        content[place + 4 : place + 8] = b"free"
    content[trak : trak + 4] = struct.pack(">I", trak_length + len(table))
    content[moov : moov + 4] = struct.pack(">I", moov_length + len(table))
    media = bombs.boxes_of(content, b"mdia")[0][0]
    check_tables(as_media_source(bytes(content[:media] + table + content[media:])), LIMITS)


@pytest.mark.parametrize("name", [b"elst", b"stsc", b"stts"])
@pytest.mark.parametrize("length", [0, 4, 7])
def test_tables_that_end_before_their_first_entry_are_left_to_ffmpeg(name, length):
    def box(kind, content):
        return struct.pack(">I4s", 8 + len(content), kind) + content

    table = box(name, b"\0\0\0\0\0\0\0\5"[:length])
    check_tables(as_media_source(box(b"moov", box(b"trak", table))), LIMITS)
