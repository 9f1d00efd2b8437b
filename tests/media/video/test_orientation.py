"""All images of a video are turned alike: by its container, by EXIF, or by a message of its bitstream that holds."""

from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from tests.clips import write_clip
from tests.media.video.test_pixels import corner_frame
from vqe_core.media import as_media_source, open_video
from vqe_core.media.structure import find_boxes, opened
from vqe_core.media.video.orientation import (
    UPRIGHT,
    Orientations,
    Turn,
    display_matrix,
    orientation_message,
    turn_of,
)

FRAME = corner_frame()
KEYFRAMES = {"x264-params": "keyint=10:min-keyint=10:bframes=2:scenecut=0"}


def images(data):
    video = open_video(as_media_source(data))
    return [frame.pixels for frame in video.frames(np.arange(len(video.table)))], video


def turned_by(expected, pixels):
    """Whether ``pixels`` are the corners of ``expected``, after a lossy codec."""
    return pixels.shape == expected.shape and np.abs(pixels.astype(int) - expected).mean() < 12


# EXIF orientation -> how the stored image is shown (Exif 2.3, tag 0x0112).
EXIF = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: np.rot90(image, 1),
}


def remuxed(data, change, target="mov"):
    """The packets of ``data`` in another container, each passed through ``change(number, bytes)``."""
    out = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(out, "w", format=target) as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux(video=0) if packet.size)
        for number, packet in enumerate(packets):
            new = av.Packet(change(number, bytes(packet), packet.is_keyframe))
            new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
            new.duration, new.is_keyframe, new.stream = packet.duration, packet.is_keyframe, stream
            sink.mux(new)
    return out.getvalue()


def exif_clip(tmp_path, orientations):
    """Motion JPEG whose images carry EXIF, as cameras write it."""
    frames = [FRAME] * len(orientations)
    options = {"qmin": "1", "qmax": "2"}
    plain = write_clip(tmp_path / "plain.mov", frames, codec="mjpeg", pix_fmt="yuvj444p", options=options)

    def with_exif(number, jpeg, key):
        entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientations[number], 0)
        body = b"Exif\0\0" + b"MM\0*\0\0\0\x08" + struct.pack(">H", 1) + entry + b"\0\0\0\0"
        return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]

    return remuxed(plain.read_bytes(), with_exif)


@pytest.mark.parametrize("orientation", EXIF)
def test_exif_beside_an_image_is_no_fault_and_turns_it(tmp_path, orientation):
    found, video = images(exif_clip(tmp_path, [orientation] * 3))
    assert len(found) == 3 and not video.table.warnings
    assert all(turned_by(EXIF[orientation](FRAME), pixels) for pixels in found)


def test_each_image_has_the_exif_of_its_own(tmp_path):
    found, _ = images(exif_clip(tmp_path, [6, 1, 8]))
    for orientation, pixels in zip([6, 1, 8], found, strict=True):
        assert turned_by(EXIF[orientation](FRAME), pixels)


def test_side_data_that_pyav_does_not_know_does_not_hide_the_matrix(tmp_path):
    with av.open(io.BytesIO(exif_clip(tmp_path, [8]))) as container:
        (frame,) = container.decode(video=0)
    assert display_matrix(frame) is not None and turn_of(*display_matrix(frame)) == Turn(0, -1, 1, 0)


def with_matrix(data, matrix):
    """An mp4 with the nine numbers of its track's display matrix replaced."""
    changed = bytearray(data)
    with opened(as_media_source(data)) as file:
        (header,) = find_boxes(file, ["moov", "trak", "tkhd"], 0, len(data))
    changed[header.start + 40 : header.start + 76] = struct.pack(">9i", *matrix)
    return bytes(changed)


ONE, UNIT = 1 << 16, 1 << 30
NO_TURN = {
    "zeros": [0] * 9,
    "zeros and a scale": [0, 0, 0, 0, 0, 0, 0, 0, UNIT],
    "one row": [ONE, ONE, 0, 0, 0, 0, 0, 0, UNIT],
    "one column": [ONE, 0, 0, ONE, 0, 0, 0, 0, UNIT],
    "all alike": [ONE, ONE, 0, ONE, ONE, 0, 0, 0, UNIT],
    "identity": [ONE, 0, 0, 0, ONE, 0, 0, 0, UNIT],
    "half the size": [ONE // 2, 0, 0, 0, ONE // 2, 0, 0, 0, UNIT],
    "a hair off": [ONE, 5, 0, -5, ONE, 0, 0, 0, UNIT],
}


@pytest.mark.parametrize("name", NO_TURN)
def test_a_matrix_that_turns_nothing_is_no_rotation_and_no_warning(tmp_path, name):
    clip = write_clip(tmp_path / "a.mp4", [FRAME] * 3, options={"bf": "0"})
    found, video = images(with_matrix(clip.read_bytes(), NO_TURN[name]))
    assert not video.table.warnings and video.table.rotation == 0
    assert all(turned_by(FRAME, pixels) for pixels in found)


def test_a_slanted_matrix_is_rounded_and_said(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", [FRAME] * 3, options={"bf": "0"})
    matrix = [round(ONE * value) for value in (0.5, 0.866, 0, -0.866, 0.5, 0, 0, 0)]
    found, video = images(with_matrix(clip.read_bytes(), [*matrix, UNIT]))
    (warning,) = video.table.warnings
    assert warning.code == "rotation_rounded" and found[0].shape == (80, 48, 3)


# Payloads of the message: cancel, mirrors, 16 bits anticlockwise, repetition; see ITU-T H.264, D.1.27.
LEFT, UPSIDE, AS_STORED, CANCELLED = b"\x08\x00\x18", b"\x10\x00\x18", b"\x00\x00\x18", b"\x80"


def h264(tmp_path, said):
    """An H.264 transport stream; ``said`` is what the messages at its keyframes say."""
    clip = write_clip(tmp_path / "plain.ts", [FRAME] * 25, options={**KEYFRAMES, "crf": "4"})
    out = io.BytesIO()
    with av.open(str(clip)) as source, av.open(out, "w", format="mpegts") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        bsf = BitStreamFilterContext(f"h264_metadata=display_orientation=insert:{said}", source.streams.video[0])
        for packet in [*source.demux(video=0), None]:
            if packet is not None and not packet.size:
                continue
            for new in bsf.filter(packet):
                new.stream = stream
                sink.mux(new)
    return out.getvalue()


SAID = {
    "rotate=90": lambda image: np.rot90(image, 1),
    "rotate=180": lambda image: np.rot90(image, 2),
    "rotate=270": lambda image: np.rot90(image, 3),
    "flip=horizontal": lambda image: image[:, ::-1],
    "flip=vertical": lambda image: image[::-1],
    "rotate=90:flip=horizontal": lambda image: np.rot90(image[:, ::-1], 1),
    "rotate=90:flip=vertical": lambda image: np.rot90(image[::-1], 1),
}


@pytest.mark.parametrize("said", SAID)
def test_a_message_at_keyframes_turns_every_image(tmp_path, said):
    data = h264(tmp_path, said)
    found, video = images(data)
    assert len(found) == 25 and not video.table.warnings
    assert all(turned_by(SAID[said](FRAME), pixels) for pixels in found)
    # FFmpeg hands it out with the first image, and later on with some other images.
    with av.open(io.BytesIO(data)) as container:
        first = next(container.decode(video=0))
    assert [turn for _, turn in video.table.turns] == [turn_of(*display_matrix(first))]


def with_lengths(tmp_path, suffix, messages):
    """A clip in a container that keeps units apart by their lengths, with messages by number of the keyframe."""
    clip = write_clip(tmp_path / f"plain.{suffix}", [FRAME] * 25, options={**KEYFRAMES, "crf": "4"})
    keyframes = []

    def with_message(number, data, key):
        keyframes.extend([number] if key else [])
        payload = messages.get(len(keyframes) - 1) if key else None
        if payload is None:
            return data
        unit = bytes([6, 47, len(payload)]) + payload.replace(b"\0\0", b"\0\0\3") + b"\x80"
        return len(unit).to_bytes(4, "big") + unit + data

    return remuxed(clip.read_bytes(), with_message, {"mkv": "matroska"}.get(suffix, suffix))


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_a_message_is_found_where_units_have_lengths(tmp_path, suffix):
    found, video = images(with_lengths(tmp_path, suffix, {0: LEFT, 1: AS_STORED}))
    assert len(found) == 25 and [turn for _, turn in video.table.turns] == [Turn(0, -1, 1, 0), UPRIGHT]
    assert all(turned_by(np.rot90(FRAME, 1), pixels) for pixels in found[:10])
    assert all(turned_by(FRAME, pixels) for pixels in found[10:])


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
@pytest.mark.parametrize("positions", [[13], [3, 24], [19, 20]])
def test_a_few_frames_are_turned_as_all_are(tmp_path, suffix, positions):
    said = h264(tmp_path, "rotate=90") if suffix == "ts" else with_lengths(tmp_path, "mkv", {0: LEFT})
    video = open_video(as_media_source(said))
    found = list(video.frames(np.array(positions)))
    assert [frame.position for frame in found] == positions
    assert all(turned_by(np.rot90(FRAME, 1), frame.pixels) for frame in found)


def hevc(tmp_path, messages, count=30):
    """An HEVC clip with messages at keyframes, by number of the keyframe."""
    params = "keyint=10:min-keyint=10:bframes=2:scenecut=0:open-gop=0:log-level=none:pools=1"
    if "libx265" not in av.codecs_available:
        pytest.skip("this PyAV has no encoder libx265")
    clip = write_clip(tmp_path / "plain.ts", [FRAME] * count, codec="libx265", options={"x265-params": params})
    keyframes = []

    def with_message(number, data, key):
        if not key:
            return data
        keyframes.append(number)
        payload = messages.get(len(keyframes) - 1)
        if payload is None:
            return data
        unit = bytes([39 << 1, 1, 47, len(payload)]) + payload + b"\x80"
        place = first_image(data)
        return data[:place] + b"\0\0\1" + unit.replace(b"\0\0", b"\0\0\3") + data[place:]

    return remuxed(clip.read_bytes(), with_message, "mpegts")


def first_image(data):
    place = data.find(b"\0\0\1")
    while data[place + 3] >> 1 & 63 >= 32:
        place = data.find(b"\0\0\1", place + 3)
    return place


def test_an_orientation_holds_until_another_is_said(tmp_path):
    found, video = images(hevc(tmp_path, {0: LEFT, 2: UPSIDE}))
    assert len(found) == 30
    assert all(turned_by(np.rot90(FRAME, 1), pixels) for pixels in found[:20])
    assert all(turned_by(np.rot90(FRAME, 2), pixels) for pixels in found[20:])
    # Also where decoding begins behind the message.
    (frame,) = video.frames(np.array([15]))
    assert turned_by(np.rot90(FRAME, 1), frame.pixels)


@pytest.mark.parametrize("end", [AS_STORED, CANCELLED])
def test_an_orientation_can_be_taken_back(tmp_path, end):
    found, _ = images(hevc(tmp_path, {0: LEFT, 1: end}))
    assert all(turned_by(np.rot90(FRAME, 1), pixels) for pixels in found[:10])
    assert all(turned_by(FRAME, pixels) for pixels in found[10:])


def test_what_is_said_later_does_not_turn_what_came_before(tmp_path):
    found, _ = images(hevc(tmp_path, {1: LEFT}))
    assert all(turned_by(FRAME, pixels) for pixels in found[:10])
    assert all(turned_by(np.rot90(FRAME, 1), pixels) for pixels in found[10:])


def test_orientations_by_time():
    said = Orientations([(2.0, Turn(0, 1, -1, 0)), (0.5, Turn(-1, 0, 0, -1))])
    assert said.at(0.4) is None and said.at(None) is None
    assert said.at(0.5) == said.at(1.9) == Turn(-1, 0, 0, -1)
    assert said.at(2.0).degrees == 90


def test_a_packet_of_noise_says_nothing_of_orientation():
    generator = np.random.default_rng(0)
    for codec in ("h264", "hevc"):
        for size in (0, 1, 3, 40, 400):
            packet = av.Packet(generator.integers(0, 256, size, dtype=np.uint8).tobytes()) if size else av.Packet(0)
            for extradata in (b"", b"\x01" * 30, b"\x01\0\0\0\xff" + bytes(30), None):
                assert orientation_message(packet, codec, extradata) in (None, UPRIGHT)
