"""The plan of packets, on made-up streams."""

from hypothesis import given, settings
from hypothesis import strategies as st

from vqe_core.media.video.seek_plan import Feed, PacketPlan

CLOSED = [
    (0, True),
    (3, False),
    (1, False),
    (2, False),
    (4, True),
    (7, False),
    (5, False),
    (6, False),
    (8, True),
    (9, False),
]


def fed(packets, targets, keyframes=None):
    """Times fed, in order, targets marked by their feed."""
    keyframes = sorted(t for t, key in packets if key) if keyframes is None else keyframes
    plan = PacketPlan(sorted(targets), keyframes)
    steps = [(time, plan.step(time, key)) for time, key in packets]
    assert plan.finished
    return [(time, feed) for time, feed in steps if feed is not Feed.SKIP]


def test_groups_without_target_are_skipped():
    assert fed(CLOSED, [5]) == [(4, Feed.REFERENCE), (7, Feed.REFERENCE), (5, Feed.TARGET)]


def test_a_group_is_left_after_its_last_target():
    assert fed(CLOSED, [3]) == [(0, Feed.REFERENCE), (3, Feed.TARGET)]


def test_two_groups_with_targets():
    assert fed(CLOSED, [0, 8]) == [(0, Feed.TARGET), (8, Feed.TARGET)]


def test_no_target_needs_nothing():
    assert fed(CLOSED, []) == []


def test_pictures_shown_before_an_open_keyframe_are_reached_from_the_group_before():
    packets = [(0, True), (3, False), (1, False), (6, True), (4, False), (5, False), (9, False)]
    assert fed(packets, [5]) == [(t, Feed.REFERENCE) for t in (0, 3, 1, 6, 4)] + [(5, Feed.TARGET)]


def test_a_keyframe_missing_from_the_table_costs_no_target():
    assert fed(CLOSED, [9], keyframes=[0, 4])[-1] == (9, Feed.TARGET)


@st.composite
def streams(draw):
    """Decode-ordered packets: groups of random length, shuffled inside, leading images allowed from the second on."""
    packets, time = [], 0
    for number in range(draw(st.integers(1, 6))):
        length = draw(st.integers(1, 7))
        lead = draw(st.integers(0, length - 1)) if number else 0
        times = list(range(time, time + length))
        key = times.pop(lead)
        packets += [(key, True)] + [(t, False) for t in draw(st.permutations(times))]
        time += length
    return packets


@settings(max_examples=60)
@given(streams(), st.data())
def test_every_target_is_fed_once_from_a_keyframe(packets, data):
    times = [t for t, _ in packets]
    targets = data.draw(st.sets(st.sampled_from(times)))
    feeds = fed(packets, targets)
    assert sorted(t for t, feed in feeds if feed is Feed.TARGET) == sorted(targets)
    order = {time: place for place, (time, _) in enumerate(packets)}
    places = [order[t] for t, _ in feeds]
    starts = [p for n, p in enumerate(places) if n == 0 or places[n - 1] != p - 1]
    assert all(packets[p][1] for p in starts)
    for time in targets:
        key = max((t for t, is_key in packets if is_key and t <= time), default=None)
        assert key is not None and set(range(order[key], order[time])) <= set(places)
