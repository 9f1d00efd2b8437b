"""Encrypted files say that they are, each kind for itself; files that only could be are read."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from tests.clips import coded_frames, read_code, write_clip
from vqe_core.errors import MediaError
from vqe_core.media import as_audio_source, as_media_source, open_video, read_audio

FRAMES = coded_frames(20)
KEY = {"encryption_key": "00112233445566778899aabbccddeeff", "encryption_kid": "0123456789abcdef0123456789abcdef"}
COMMON = {"encryption_scheme": "cenc-aes-ctr", **KEY}


def codes(data):
    """Results for the images and for the sound."""
    found = []
    for read in (lambda: open_video(as_media_source(data)), lambda: read_audio(as_audio_source(data))):
        try:
            read()
            found.append("ok")
        except MediaError as error:
            found.append(error.code)
            assert error.code != "encrypted" or "decrypt it first" in str(error)
    return found


def mp4(tmp_path, suffix="mp4", **options):
    clip = write_clip(tmp_path / f"a.{suffix}", FRAMES, options={"g": "5", "bf": "0"}, seconds_of_sound=2.0, **options)
    return clip.read_bytes()


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("flags", [{}, {"movflags": "faststart"}, {"movflags": "frag_keyframe+empty_moov"}])
def test_common_encryption(tmp_path, suffix, flags):
    data = mp4(tmp_path, suffix, container_options={**COMMON, **flags})
    if b"encv" not in data:
        pytest.skip("this muxer does not encrypt so")
    assert codes(data) == ["encrypted", "encrypted"]


def test_each_track_is_judged_by_itself(tmp_path):
    data = mp4(tmp_path, container_options=COMMON)
    # As if the sound were in clear: its entry says so.
    assert codes(data.replace(b"enca", b"mp4a"))[0] == "encrypted"
    assert codes(data.replace(b"encv", b"avc1"))[1] == "encrypted"


def test_fairplay(tmp_path):
    data = mp4(tmp_path).replace(b"avc1", b"drmi").replace(b"mp4a", b"drms")
    assert codes(data) == ["encrypted", "encrypted"]


def test_a_box_of_keys_alone_is_no_encryption(tmp_path):
    data = mp4(tmp_path)
    keys = b"\0\0\0\x20pssh" + bytes(4) + bytes(range(16)) + bytes(4)
    assert codes(data + keys) == ["ok", "ok"]
    frames = open_video(as_media_source(data + keys)).frames(np.arange(20))
    assert [read_code(frame.pixels) for frame in frames] == list(range(20))


def size_of(number, width):
    return (number | 1 << 7 * width).to_bytes(width, "big")


def element(name, content):
    return bytes.fromhex(name) + size_of(len(content), 4) + content


def track_end(data, place):
    """Where the track whose entry begins at ``place`` ends, and how wide its size is."""
    width = 9 - data[place + 1].bit_length()
    return place + 1 + width + (
        int.from_bytes(data[place + 1 : place + 1 + width], "big") & (1 << 7 * width) - 1
    ), width


def matroska(tmp_path, file, kinds, encryption, **options):
    """A Matroska file whose tracks of ``kinds`` (1 images, 2 sound) are said to be encrypted, or compressed."""
    data = write_clip(tmp_path / file, FRAMES, seconds_of_sound=2.0, **options).read_bytes()
    name = bytes.fromhex("1654ae6b")
    tracks = data.index(name)
    while data[tracks - 3 : tracks] == bytes.fromhex("53ab84"):  # where the parts of the file are listed
        tracks = data.index(name, tracks + 1)
    width = 9 - data[tracks + 4].bit_length()
    first = tracks + 4 + width
    stop = first + (int.from_bytes(data[tracks + 4 : first], "big") & (1 << 7 * width) - 1)
    content, place = b"", first + (6 if data[first] == 0xBF else 0)  # without the checksum of what was there
    while place < stop and data[place] == 0xAE:
        end, size = track_end(data, place)
        body = data[place + 1 + size : end]
        kind = body[body.index(b"\x83\x81") + 2]
        content += element("ae", body + (encryption if kind in kinds else b""))
        place = end
    content += data[place:stop]
    head = data[:tracks]
    # The segment may run to the end of the file: its size is unknown to whoever streams it.
    segment = head.index(bytes.fromhex("18538067")) + 4
    head = head[:segment] + b"\x01" + b"\xff" * 7 + head[segment + 8 :]
    return head + element("1654ae6b", content) + data[stop:]


ENCRYPTED = element("6d80", element("6240", element("5033", b"\1") + element("5035", element("47e1", b"\5"))))
COMPRESSED = element("6d80", element("6240", element("5034", element("4254", b"\3") + element("4255", b""))))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({1, 2}, ["encrypted", "encrypted"]),
        ({1}, ["encrypted", "ok"]),
        ({2}, ["ok", "encrypted"]),
        (set(), ["ok", "ok"]),
    ],
)
@pytest.mark.parametrize(
    ("name", "options"), [("a.webm", {"codec": "libvpx"}), ("a.mkv", {}), ("a.webm", {"codec": "libvpx-vp9"})]
)
def test_matroska(tmp_path, name, options, kinds, expected):
    if options.get("codec", "libx264") not in av.codecs_available:
        pytest.skip("no encoder")
    assert codes(matroska(tmp_path, name, kinds, ENCRYPTED, **options)) == expected


def test_compression_is_no_encryption(tmp_path):
    assert codes(matroska(tmp_path, "a.mkv", {1, 2}, COMPRESSED)) == ["ok", "ok"]


def transport_stream(tmp_path, change):
    data = bytearray(mp4(tmp_path, "ts"))
    with av.open(io.BytesIO(bytes(data))) as container:
        ids = {stream.id for stream in container.streams}
    for place in range(0, len(data), 188):
        if int.from_bytes(data[place + 1 : place + 3], "big") & 0x1FFF in ids:
            change(data, place)
    return bytes(data)


def scramble(data, place):
    """Mark a packet as scrambled, and scramble what is not its header."""
    begins, control = data[place + 1] & 0x40, data[place + 3]
    data[place + 3] |= 0xC0
    first = 4 + (1 + data[place + 4] if control & 0x20 else 0)
    if not begins:  # what begins a unit stays, so that FFmpeg sees that there is something
        data[place + first : place + 188] = bytes(byte ^ 0x5A for byte in data[place + first : place + 188])


def test_a_scrambled_transport_stream(tmp_path):
    assert codes(transport_stream(tmp_path, scramble)) == ["encrypted", "encrypted"]
    assert codes(transport_stream(tmp_path, lambda data, place: None)) == ["ok", "ok"]


@pytest.mark.parametrize(
    "guid", ["fbb3112223bdd211b4b700a0c955fc6e", "14e68a292226174cb935dae07ee9289c", "338505438169e649ad1274cb86d58c01"]
)
def test_asf_with_a_licence(tmp_path, guid):
    data = write_clip(tmp_path / "a.asf", FRAMES, codec="msmpeg4v3", options={"g": "5"}).read_bytes()
    assert codes(data)[0] == "ok"
    header = int.from_bytes(data[16:24], "little")
    thing = bytes.fromhex(guid) + (24 + 8).to_bytes(8, "little") + bytes(8)
    count = int.from_bytes(data[24:28], "little") + 1
    grown = (header + len(thing)).to_bytes(8, "little") + count.to_bytes(4, "little")
    assert codes(data[:16] + grown + data[28:30] + thing + data[30:])[0] == "encrypted"


def test_damage_is_not_called_encryption(tmp_path):
    data = bytearray(mp4(tmp_path))
    place = data.index(b"mdat") + 4
    data[place : place + 3000] = np.random.default_rng(0).bytes(3000)
    assert "encrypted" not in codes(bytes(data))
