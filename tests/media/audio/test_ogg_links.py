"""Links of Ogg files are found by their first pages."""

from __future__ import annotations

import io

import pytest

from tests.media.corpus.making import tones
from tests.media.corpus.sounds import ogg
from vqe_core.media.audio import ogg_links
from vqe_core.media.audio.ogg_links import is_cut_off, link_bounds


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_bounds_of_chains(subtype, monkeypatch):
    links = [ogg(tones(seconds, first=i), subtype=subtype) for i, seconds in enumerate((1.0, 0.3, 2.0))]
    for size in (1 << 20, 64):  # also where the mark of a page lies across two blocks
        monkeypatch.setattr(ogg_links, "_BLOCK", size)
        for count in (1, 2, 3):
            data = b"".join(links[:count])
            ends = [sum(map(len, links[:i])) for i in range(count + 1)]
            assert link_bounds(io.BytesIO(data)) == ends


def test_streams_side_by_side_are_one_link():
    """The first pages of all streams of a link come before any other page."""
    first, second = ogg(tones(1.0)), ogg(tones(1.0, first=3))
    head = len(first[:27]) + first[26] + sum(first[27 : 27 + first[26]])
    both = first[:head] + second[:head] + first[head:] + second[head:]
    assert link_bounds(io.BytesIO(both + first)) == [0, len(both), len(both) + len(first)]


def test_marks_without_a_page_behind_them():
    data = ogg(tones(0.5))
    assert link_bounds(io.BytesIO(data + b"OggS\0")) == [0, len(data) + 5]
    assert link_bounds(io.BytesIO(b"")) == [0]


def test_what_is_cut_off():
    data = ogg(tones(2.0))
    assert not is_cut_off(io.BytesIO(data))
    assert not is_cut_off(io.BytesIO(data + bytes(100)))
    assert all(is_cut_off(io.BytesIO(data[: len(data) - lost])) for lost in (1, 100, len(data) // 2))
    assert not is_cut_off(io.BytesIO(b"RIFF" + bytes(100)))
