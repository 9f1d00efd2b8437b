"""Damaged files: the part that decodes is used and the rest is said, or there is an error; never a wrong frame."""

import errno
import os
import random

import av
import numpy as np
import pytest

from tests.clips import coded_frames, read_code, write_clip
from tests.media.recipes import coded_clip
from vqe_core.errors import MediaError, VqeError
from vqe_core.media import TableMismatchError, as_media_source, open_video
from vqe_core.media.file_checks import check_file, truncation_warning, unreadable

GROUPS = {"g": "10", "bf": "2"}


def codes_and_times(data):
    video = open_video(as_media_source(data))
    codes = [read_code(frame.pixels) for frame in video.frames(np.arange(len(video.table)))]
    return codes, (video.table.timestamps - video.table.start).tolist(), video.table.warnings


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    fast = {"movflags": "faststart"}
    frames = coded_frames(30)
    return {
        "fast.mp4": write_clip(folder / "fast.mp4", frames, options=GROUPS, container_options=fast),
        "sound.mp4": write_clip(
            folder / "sound.mp4", frames, options=GROUPS, container_options=fast, seconds_of_sound=3.0
        ),
        "end.mp4": write_clip(folder / "end.mp4", frames, options=GROUPS),
        "a.mkv": write_clip(folder / "a.mkv", frames, options=GROUPS),
        "a.ts": write_clip(folder / "a.ts", frames, options=GROUPS),
        "a.gif": write_clip(folder / "a.gif", frames, codec="gif", pix_fmt="rgb8"),
    }


@pytest.mark.parametrize("name", ["fast.mp4", "sound.mp4", "end.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("part", [0.98, 0.9, 0.75, 0.6, 0.45, 0.3, 0.15, 0.05])
def test_cut_files_give_a_true_prefix_or_an_error(whole, name, part):
    data = whole[name].read_bytes()
    try:
        codes, times, warnings = codes_and_times(data[: int(len(data) * part)])
    except MediaError as error:
        assert error.code == "decode_error"
        assert name != "a.ts" or part < 0.1
        return
    assert codes == [round(time * 10) for time in times]
    if len(codes) < 25 and name != "a.ts":
        assert any(text.startswith(("ends early: ", "cut off: ")) for text in warnings)


def test_ends_early_names_both_lengths(whole):
    data = whole["a.mkv"].read_bytes()
    _, times, warnings = codes_and_times(data[: int(len(data) * 0.75)])
    assert warnings == (f"ends early: {times[-1] + 0.1:.1f} of 3.0 s",)


def test_a_missing_index_is_named(whole):
    data = whole["end.mp4"].read_bytes()
    with pytest.raises(MediaError, match=r"index \('moov'\) is missing, so the upload"):
        open_video(as_media_source(data[: data.index(b"moov") - 4]))


def test_a_cut_gif_says_so(whole):
    data = whole["a.gif"].read_bytes()
    assert not open_video(as_media_source(data)).table.warnings
    cut = open_video(as_media_source(data[: len(data) * 3 // 4])).table
    assert len(cut) < 30
    assert cut.warnings == ("cut off: the end mark of the GIF is missing",)


def test_whole_files_have_no_remark(whole):
    for path in whole.values():
        assert truncation_warning(as_media_source(path)) is None
        assert not open_video(as_media_source(path)).table.warnings


def test_longer_sound_is_not_an_early_end(tmp_path):
    path = write_clip(tmp_path / "long.mp4", coded_frames(10), seconds_of_sound=4.0)
    assert not open_video(as_media_source(path)).table.warnings


def damaged_clip():
    """An mp4 whose frame 17 lost its content, header and all."""
    import av

    data = bytearray(coded_clip("closed.mp4").read_bytes())
    with av.open(str(coded_clip("closed.mp4"))) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size]
    hit = next(p for p in packets if round(float(p.pts * p.time_base) * 10) == 17)
    data[hit.pos : hit.pos + hit.size] = bytes(hit.size)
    return bytes(data)


def test_a_damaged_frame_is_found_when_it_is_wanted():
    video = open_video(as_media_source(damaged_clip()))
    assert [read_code(f.pixels) for f in video.frames(np.array([2, 30]))] == [2, 30]
    with pytest.raises(TableMismatchError, match=r"the frame at 1\.700 s cannot be decoded undamaged") as caught:
        list(video.frames(np.array([2, 17, 30])))
    assert caught.value.code == "decode_error"


def test_decoding_everything_leaves_the_damage_out_and_says_so():
    video = open_video(as_media_source(damaged_clip())).decoded()
    assert video.table.warnings
    codes = [read_code(f.pixels) for f in video.frames(np.arange(len(video.table)))]
    assert 17 not in codes
    times = video.table.timestamps
    assert codes == [round(time * 10) for time in times]


def test_what_is_read_of_a_damaged_video_is_read_again_from_what_decodes():
    whole, damaged = as_media_source(coded_clip("closed.mp4")), as_media_source(damaged_clip())

    def codes_near_the_damage(video):
        return [read_code(frame.pixels) for frame in video.frames(np.array([16, 17]))]

    assert open_video(whole).read(codes_near_the_damage) == [16, 17]
    assert open_video(damaged).read(codes_near_the_damage) == [16, 18]


def mutants(seed, count):
    generator = random.Random(seed)
    names = ["closed.mp4", "open.ts", "sound.mkv", "vp9.webm", "patches.gif", "mpeg4.avi", "fragments.mp4", "mpeg2.mpg"]
    for _ in range(count):
        name = generator.choice(names)
        data = bytearray(coded_clip(name).read_bytes())
        for _ in range(generator.choice([1, 3, 20])):
            place = generator.randrange(len(data) if generator.random() < 0.6 else min(1500, len(data)))
            if generator.random() < 0.5:
                data[place] ^= 1 << generator.randrange(8)
            else:
                data[place : place + 4] = generator.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"])
        yield bytes(data)


def test_mutants_give_frames_or_an_error_of_ours():
    kinds = set()
    for data in mutants(seed=0, count=150):
        try:
            video = open_video(as_media_source(data))
            positions = np.unique(np.linspace(0, len(video.table) - 1, 6).astype(int))
            try:
                got = list(video.frames(positions))
            except TableMismatchError:
                video = video.decoded()
                assert video.table.warnings
                positions = np.unique(np.linspace(0, len(video.table) - 1, 6).astype(int))
                got = list(video.frames(positions))
            assert [frame.position for frame in got] == positions.tolist()
            kinds.add("read")
        except VqeError as error:
            kinds.add(error.code)
    assert {"read", "decode_error"} <= kinds


def test_damaged_files_give_the_same_twice():
    for data in mutants(seed=1, count=20):
        runs = []
        for _ in range(2):
            try:
                video = open_video(as_media_source(data)).decoded()
                frames = list(video.frames(np.arange(0, len(video.table), 7)))
                runs.append((video.table.timestamps.tolist(), [frame.pixels.sum() for frame in frames]))
            except VqeError as error:
                runs.append(error.code)
        assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "not_readable"),
        (OSError(errno.EIO, "Input/output error"), "not_readable"),
        (OSError(errno.ESTALE, "Stale file handle"), "not_readable"),
        (OSError(errno.ENAMETOOLONG, "File name too long"), "bad_path"),
        (OSError(errno.ELOOP, "Too many levels of symbolic links"), "bad_path"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "not_found"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), "not_found"),
        (ValueError("embedded null byte"), "bad_path"),
    ],
)
def test_what_the_system_says_of_a_file_has_a_code(error, code):
    told = unreadable("clip.mp4", error)
    assert told.code == code and "'clip.mp4'" in str(told)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "a.mp4").chmod(0)
    with pytest.raises(MediaError) as caught:
        check_file(str(tmp_path / "a.mp4"))
    assert caught.value.code == "not_readable"


BYTES_AFTER = {
    "as if a box of 2,826 bytes": b"\0\0\x0b\x0a\x0e\0\0\0" + bytes(47),
    "as if a huge box": b"\x7f\xff\xff\xffabcd" + bytes(40),
    "text": b"made by a camera, serial number 12345",
    "fewer than a header": b"\0\0\0",
    "zeros": bytes(4096),
    "ones": b"\xff" * 700,
    "a cut box of nothing": b"\0\0\x10\0free" + bytes(20),
    "a cut box of its maker": b"\0\0\x10\0uuid" + bytes(20),
    "a cut index of fragments": b"\0\0\x10\0mfra" + bytes(20),
    "a long box": b"\0\0\0\x01skip" + (10**12).to_bytes(8, "big"),
    "a tag of ID3": b"TAG" + bytes(125),
}


@pytest.mark.parametrize("tail", BYTES_AFTER.values(), ids=BYTES_AFTER)
@pytest.mark.parametrize("name", ["fast.mp4", "end.mp4"])
def test_bytes_after_the_end_are_nothing_cut_off(whole, name, tail):
    codes, _, warnings = codes_and_times(whole[name].read_bytes() + tail)
    assert codes == list(range(30)) and not warnings


@pytest.mark.parametrize("tail", [b"\0", bytes(100), b"\xff" * 500, b"more of it", b"\x2c" + bytes(30)])
def test_bytes_after_the_end_of_a_gif(whole, tail):
    codes, _, warnings = codes_and_times(whole["a.gif"].read_bytes() + tail)
    assert codes == list(range(30)) and not warnings


def test_a_gif_that_ends_in_its_end_mark_by_chance_is_cut_all_the_same(whole):
    data = whole["a.gif"].read_bytes()
    ends = [end for end in range(len(data) // 2, len(data) - 1) if data[end - 1] == 0x3B]
    for end in ends[:5]:
        assert truncation_warning(as_media_source(data[:end])).code == "truncated"


def boxes_of(data):
    place, parts = 0, []
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        parts.append(data[place : place + size])
        place += size
    return parts


def test_the_last_box_may_run_to_the_end_of_the_file(tmp_path):
    options = {"movflags": "faststart"}
    data = write_clip(tmp_path / "a.mp4", coded_frames(30), options=GROUPS, container_options=options).read_bytes()
    *others, content = boxes_of(data)
    assert content[4:8] == b"mdat"
    for last in (bytes(4) + content[4:], content):
        codes, _, warnings = codes_and_times(b"".join(others) + last)
        assert codes == list(range(30)) and not warnings


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "dash", "frag_keyframe+empty_moov+default_base_moof"])
def test_fragments_are_complete_without_more(tmp_path, flags):
    options = {"movflags": flags}
    path = write_clip(tmp_path / "a.mp4", coded_frames(30), options=GROUPS, container_options=options)
    codes, _, warnings = codes_and_times(path.read_bytes())
    assert codes == list(range(30)) and not warnings


@pytest.mark.parametrize("extra", [b"\0\0\0\x10free12345678", b"\0\0\0\x18uuid" + bytes(16), b"\0\0\0\x08wide"])
def test_other_boxes_between_are_nothing_cut_off(whole, extra):
    data = whole["end.mp4"].read_bytes()
    parts = boxes_of(data)
    warning = truncation_warning(as_media_source(b"".join(part + extra for part in parts)))
    assert warning is None


def test_an_image_has_its_index_elsewhere(tmp_path):
    encoder = next((name for name in ("libsvtav1", "libaom-av1") if name in av.codecs_available), None)
    if encoder is None or "avif" not in av.formats_available:
        pytest.skip("this PyAV makes no AVIF")
    path = write_clip(tmp_path / "a.avif", coded_frames(1), codec=encoder, container_format="avif")
    data = path.read_bytes()
    assert b"meta" in data and truncation_warning(as_media_source(data)) is None
    assert truncation_warning(as_media_source(data[:-20])).code == "truncated"
