"""Clips are repeatable; files hold the right frames at the right times, and the sound."""

import re

import av
import numpy as np
import pytest

from vqe_core.errors import InputError
from vqe_core.toy.clips import make_clip, write_clip
from vqe_core.toy.world import (
    ABSENT,
    APPEAR,
    ATTRIBUTES,
    BACKGROUND,
    BACKGROUNDS,
    COLOUR,
    COLOURS,
    COUNT,
    LEFT,
    MOTION,
    RIGHT,
    SHAPES,
    SIZE,
    STILL,
    VANISH,
)

RED, PLAIN = tuple(COLOURS).index("red"), BACKGROUNDS.index("plain")


def one_event(motion=STILL, *, colour=RED, shape="circle", count=0, size=1, background=PLAIN):
    attributes = np.full((2, len(ATTRIBUTES)), ABSENT)
    kind = SHAPES.index(shape)
    attributes[0] = count, size, colour, kind, motion, background, kind
    return attributes


def centre_of_colour(frame):
    """Mean (x, y) of the saturated red pixels, in shares of the side."""
    red = (frame[..., 0] > 150) & (frame[..., 1] < 100)
    y, x = np.nonzero(red)
    return x.mean() / frame.shape[1], y.mean() / frame.shape[0]


def test_a_seed_gives_the_same_clip_bit_for_bit():
    first, again, other = make_clip(3), make_clip(3), make_clip(4)
    assert (first.frames == again.frames).all() and (first.waveform == again.waveform).all()
    assert first.frames.shape == other.frames.shape and not (first.frames == other.frames).all()


def test_shapes_types_and_units():
    clip = make_clip(0, size=32, num_frames=5, seconds=2.0, sampling_rate=8000)
    assert clip.frames.shape == (5, 32, 32, 3) and clip.frames.dtype == np.uint8
    assert clip.timestamps.dtype == np.float64 and np.allclose(clip.timestamps, [0, 0.4, 0.8, 1.2, 1.6])
    assert clip.waveform.shape == (16000,) and clip.waveform.dtype == np.float32
    assert 0.3 < abs(clip.waveform).max() <= 1
    assert clip.seconds == 2.0


def test_neither_size_nor_frame_rate_changes_what_happens():
    small, large = make_clip(5, size=32), make_clip(5, size=128, num_frames=6)
    assert (small.attributes == large.attributes).all()
    shrunk = large.frames.reshape(6, 32, 4, 32, 4, 3).mean((2, 4))
    assert abs(shrunk[:, 2:-2, 2:-2] - small.frames[::2, 2:-2, 2:-2]).mean() < 12


@pytest.mark.parametrize(("motion", "sign"), [(LEFT, -1), (RIGHT, 1)])
def test_objects_move_the_way_they_are_said_to(motion, sign):
    frames = make_clip(0, attributes=one_event(motion)).frames
    start, end = centre_of_colour(frames[0]), centre_of_colour(frames[-1])
    assert sign * (end[0] - start[0]) > 0.2
    assert abs(end[1] - start[1]) < 0.05


def test_the_object_has_its_colour_count_and_size():
    for count in range(4):
        areas = []
        for size in (0, 1):
            clip = make_clip(1, attributes=one_event(count=count, size=size))
            red = (clip.frames[0, ..., 0] > 150) & (clip.frames[0, ..., 1] < 100)
            areas.append(red.mean() / (count + 1))
        assert 0.02 < areas[0] < areas[1] < 0.13


@pytest.mark.parametrize("motion", [APPEAR, VANISH])
def test_a_hidden_object_is_neither_seen_nor_heard(motion):
    clip = make_clip(2, attributes=one_event(motion, count=3))
    assert 3 <= clip.visible.sum() <= 9
    assert clip.visible[-1] == (motion == APPEAR)
    loudness = abs(clip.waveform).reshape(len(clip.frames), -1).max(1)
    seen = (clip.frames[..., 0] > 150).mean((1, 2)) > 0.02
    assert (seen == clip.visible).all()
    assert loudness[~clip.visible].max() < 0.02 < 0.3 < loudness[clip.visible].max()


def test_the_count_is_the_number_of_notes():
    for count in range(4):
        clip = make_clip(0, attributes=one_event(count=count, shape="cross"))
        loud = abs(clip.waveform[:24000]).reshape(-1, 160).max(1) > 0.1  # 10 ms steps of the first cycle
        assert np.sum(loud[1:] & ~loud[:-1]) + loud[0] == count + 1


def test_small_shapes_sound_higher_and_speckled_grounds_hiss():
    def centroid(**options):
        wave = make_clip(0, attributes=one_event(shape="triangle", **options)).waveform
        power = abs(np.fft.rfft(wave)) ** 2
        return (np.fft.rfftfreq(len(wave), 1 / 16000) * power).sum() / power.sum()

    assert centroid(size=0) > 1.3 * centroid(size=1)
    quiet, hiss = (
        make_clip(0, attributes=one_event(VANISH, background=b)) for b in (PLAIN, BACKGROUNDS.index("speckled"))
    )
    assert hiss.waveform[-2000:].std() > 10 * quiet.waveform[-2000:].std()


def test_two_events_sound_in_turn():
    attributes = one_event(shape="cross")
    attributes[1] = one_event(shape="circle")[0]
    clip = make_clip(0, attributes=attributes)
    bell, buzzer = (make_clip(0, attributes=one_event(shape=s)).waveform for s in ("circle", "cross"))
    halves = [abs(np.fft.rfft(w)) for w in (clip.waveform[:24000], clip.waveform[24000:], buzzer[:24000], bell[:24000])]
    match = np.corrcoef(halves)[:2, 2:]
    assert match[0, 0] > match[0, 1] and match[1, 1] > match[1, 0]


@pytest.mark.parametrize("seed", [0, 4])  # one event, two events
def test_a_written_file_decodes_to_the_clip(tmp_path, seed):
    clip = make_clip(seed)
    path = write_clip(clip, tmp_path / "clip.mp4")
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    with av.open(str(path)) as container:
        sound = list(container.decode(audio=0))
        waveform = np.concatenate([block.to_ndarray()[0] for block in sound])
    assert np.allclose([frame.time for frame in frames], clip.timestamps)
    assert abs(decoded.astype(int) - clip.frames).mean() < 6
    assert sum(bool(frame.key_frame) for frame in frames) >= 3
    assert sound[0].time == 0 and sound[0].sample_rate == 16000
    assert abs(len(waveform) - len(clip.waveform)) <= 1024  # AAC rounds up to its blocks
    assert np.corrcoef(waveform[: len(clip.waveform)], clip.waveform)[0, 1] > 0.95


def test_decoded_colours_are_the_drawn_ones(tmp_path):
    for colour in range(len(COLOURS)):
        clip = make_clip(colour, attributes=one_event(colour=colour, shape="square"))
        with av.open(str(write_clip(clip, tmp_path / "clip.mp4"))) as container:
            image = next(container.decode(video=0)).to_ndarray(format="rgb24")
        drawn = clip.frames[0].astype(int)
        reference = np.array(tuple(COLOURS.values())[colour])
        inside = abs(drawn - reference).max(-1) < 45
        assert inside.mean() > 0.03
        assert abs(image[inside].mean(0) - drawn[inside].mean(0)).max() < 6


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    paths = [write_clip(make_clip(9), tmp_path / name) for name in ("a.mp4", "b.mp4")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert len(paths[0].read_bytes()) < 60_000


def test_an_odd_size_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match=re.escape("clip must have an even size for 4:2:0 colours, got 33 pixels")):
        write_clip(make_clip(0, size=33), tmp_path / "clip.mp4")


def test_columns_are_named_in_order():
    assert [ATTRIBUTES[column] for column in (COUNT, SIZE, COLOUR, MOTION, BACKGROUND)] == [
        "count",
        "size",
        "colour",
        "motion",
        "background",
    ]
