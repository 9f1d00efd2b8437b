"""The clock of a file: where second 0 is, and what follows a jump."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.clips import coded_frames, frame_times, read_code
from tests.media.joined import heard_tones, numbered_clip
from vqe_core.media import as_audio_source, as_media_source, open_video, read_audio
from vqe_core.media.clock import ClockRepair, TimedPacket

SECOND = 1000  # ticks


def packets(stream, times, duration=0.1):
    ticks = [round(time * SECOND) for time in times]
    return [TimedPacket(stream, time, time, round(duration * SECOND)) for time in ticks]


def merged(*streams):
    """Packets of several streams in the order of their index in each."""
    longest = max(map(len, streams))
    return [stream[n] for n in range(longest) for stream in streams if n < len(stream)]


def placed(streams, given):
    """Repaired times by stream."""
    repair = ClockRepair(streams, SECOND)
    times = {stream: [] for stream in streams}
    for packet, shift in repair.repaired(given):
        times[packet.stream].append((packet.time + shift) / SECOND)
    return times, repair.jumps


def steps(start, count, step=0.1):
    return [round(start + step * n, 6) for n in range(count)]


@pytest.mark.parametrize("second", [1000.0, 0.0, 1.5, 94_000.0])
def test_both_streams_of_a_second_part_follow_the_first_by_one_shift(second):
    video = packets(0, [*steps(5, 30), *steps(second, 30)])
    audio = packets(1, [*steps(5, 30), *steps(second, 30)])
    times, jumps = placed([0, 1], merged(video, audio))
    assert jumps == 1
    for stream in (0, 1):
        np.testing.assert_allclose(times[stream], steps(5, 60), atol=1e-9)


def test_one_stream_that_is_handed_out_ahead_waits_for_the_other():
    video = packets(0, [*steps(0, 30), *steps(1000, 30)])
    audio = packets(1, [*steps(0, 30), *steps(1000, 30)])
    times, jumps = placed([0, 1], [*video, *audio])
    assert jumps == 1
    assert times[0] == times[1] == pytest.approx(steps(0, 60))


def test_what_sound_and_picture_of_a_part_are_apart_they_stay_apart():
    video = packets(0, [*steps(0, 30), *steps(1000.25, 30)])
    audio = packets(1, [*steps(0, 30), *steps(1000, 30)])
    times, _ = placed([0, 1], merged(video, audio))
    assert times[1][30] == pytest.approx(3.0) and times[0][30] == pytest.approx(3.25)


def test_a_part_follows_the_longer_of_the_streams_before_it():
    video = packets(0, [*steps(0, 30), *steps(0, 30)])
    audio = packets(1, [*steps(0, 20), *steps(0, 30)])
    times, jumps = placed([0, 1], merged(video, audio))
    assert (times[0][30], times[1][20], jumps) == (pytest.approx(3.0), pytest.approx(3.0), 1)


@pytest.mark.parametrize("pause", [15, 25, 300])
def test_a_pause_of_one_stream_is_no_jump(pause):
    video = packets(0, steps(0, 10 * pause + 40))
    audio = packets(1, [*steps(0, 20), *steps(pause + 2, 20)])
    times, jumps = placed([0, 1], sorted([*video, *audio], key=lambda packet: packet.time))
    assert jumps == 0
    assert times[1][20] == pytest.approx(pause + 2)


def test_a_stream_that_begins_late_is_no_jump():
    given = sorted([*packets(0, steps(0, 300)), *packets(1, steps(20, 50))], key=lambda packet: packet.time)
    times, jumps = placed([0, 1], given)
    assert (times[1][0], jumps) == (20.0, 0)


def test_a_damaged_time_of_one_stream_does_not_move_the_other():
    video = packets(0, steps(0, 900))
    audio = packets(1, [*steps(0, 20), *steps(5002, 20), *steps(4, 860)])
    times, _ = placed([0, 1], merged(video, audio))
    np.testing.assert_allclose(times[0], steps(0, 900), atol=1e-9)
    assert max(times[1]) < 95


def test_a_stream_without_packets_does_not_hold_the_other_up():
    times, jumps = placed([0, 1], packets(0, [*steps(0, 30), *steps(1000, 30)]))
    assert (jumps, times[0]) == (1, pytest.approx(steps(0, 60)))


def test_steps_stand_for_durations_that_are_not_stated():
    times, _ = placed([0], packets(0, [*steps(0, 5), *steps(1000, 5)], 0.0))
    assert times[0] == pytest.approx(steps(0, 10))


@pytest.mark.parametrize("seed", range(20))
def test_random_joins_give_back_the_recording_that_was_cut(seed):
    generator = np.random.default_rng(seed)
    cuts = [0, *sorted(generator.choice(np.arange(5, 195), size=generator.integers(1, 4), replace=False).tolist()), 200]
    video, audio, order = [], [], []
    for first, last in itertools.pairwise(cuts):
        begin = round(float(generator.choice([-5000.0, 0.0, 3000.0, 90_000.0]) + generator.uniform(0, 999)), 3)
        part = [packets(stream, steps(begin, last - first)) for stream in (0, 1)]
        video += part[0]
        audio += part[1]
        ahead = int(generator.integers(0, 8))
        order += sorted([*part[0], *part[1]], key=lambda packet: packet.time + packet.stream * ahead * SECOND / 10)
    times, jumps = placed([0, 1], order)
    assert jumps == len(cuts) - 2
    for stream in (0, 1):
        first = times[stream][0]
        np.testing.assert_allclose(np.array(times[stream]) - first, steps(0, 200), atol=1e-6)


@pytest.mark.parametrize("start", [0.0, 1.6, 7.25, 90_000.0, 95_440.0])
@pytest.mark.parametrize("container", ["ts", "mkv", "mp4"])
def test_a_segment_means_the_same_whatever_the_containers_clock(tmp_path, container, start):
    path = numbered_clip(tmp_path / f"clip.{container}", seconds=6, start=start)
    cut = open_video(as_media_source({"path": str(path), "start": 2, "end": 4}))
    numbers = [read_code(frame.pixels) for frame in cut.frames(np.arange(len(cut.table)))]
    assert numbers == list(range(20, 40)) or numbers == list(range(19, 39))
    assert not cut.table.warnings
    sound = read_audio(as_audio_source({"path": str(path), "start": 2, "end": 4}))
    assert heard_tones(sound) == {2: 500, 3: 600}


def test_images_that_begin_late_are_late_on_the_files_clock(tmp_path):
    path = numbered_clip(tmp_path / "late.mp4", seconds=4, images_from=1.5)
    video = open_video(as_media_source(str(path)))
    assert video.table.start == pytest.approx(1.5, abs=0.03)
    assert read_audio(as_audio_source(str(path))).start == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("second", [1000.0, 0.0, 4.5])
def test_joined_recordings_keep_images_and_sound_together(tmp_path, second):
    parts = [
        numbered_clip(tmp_path / "a.ts", seconds=3, start=5.0),
        numbered_clip(tmp_path / "b.ts", seconds=3, start=second, first_second=3),
    ]
    data = b"".join(part.read_bytes() for part in parts)
    video, sound = open_video(as_media_source(data)), read_audio(as_audio_source(data))
    numbers = [read_code(frame.pixels) for frame in video.frames(np.arange(60))]
    assert numbers == list(range(60))
    np.testing.assert_allclose(video.table.timestamps - video.table.start, frame_times(60), atol=0.08)
    assert heard_tones(sound) == {k: 300 + 100 * k for k in range(6)}
    for warnings in (video.table.warnings, sound.warnings):
        assert [(w.code, w.count) for w in warnings if w.code == "clock_jumps"] == [("clock_jumps", 1)]


def test_a_gap_in_a_container_with_one_clock_is_an_image_that_stays(tmp_path):
    times = [*frame_times(10), *(time + 600 for time in frame_times(10))]
    path = numbered_clip(tmp_path / "still.mp4", frames=coded_frames(20), times=times)
    table = open_video(as_media_source(str(path))).table
    assert table.timestamps[10] == pytest.approx(600.0)
    assert table.end == pytest.approx(601.0, abs=0.11)
    assert not table.warnings


def test_an_image_that_is_shown_long_after_it_is_decoded_is_not_lost_at_a_jump():
    still = TimedPacket(0, 1000 * SECOND, 1015 * SECOND, 100)
    times, jumps = placed([0, 1], [*packets(0, steps(0, 30)), still, *packets(0, steps(1000.1, 5))])
    assert (len(times[0]), jumps) == (36, 1)


def test_streams_that_never_meet_do_not_take_long():
    video, audio = packets(0, steps(0, 6000)), packets(1, steps(5000, 6000))
    times, _ = placed([0, 1], merged(video, audio))
    assert (len(times[0]), len(times[1])) == (6000, 6000)
