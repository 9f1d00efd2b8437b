"""Boxes and elements of container files, also of those that were cut or lie."""

from __future__ import annotations

import io

import numpy as np
import pytest

from vqe_core.media.structure import boxes, elements, find_boxes, find_elements, size_of


def box(name, content, *, long=False, size=None):
    length = len(content) + (16 if long else 8) if size is None else size
    head = (1 if long else length).to_bytes(4, "big") + name
    return head + (length.to_bytes(8, "big") if long else b"") + content


def found(parts):
    return [tuple(part) for part in parts]


def test_boxes_of_every_size():
    data = box(b"ftyp", b"isom") + box(b"wide", b"") + box(b"mdat", b"12345", long=True) + box(b"free", b"xyz", size=0)
    file = io.BytesIO(data)
    assert found(boxes(file, 0, size_of(file))) == [
        ("ftyp", 8, 12),
        ("wide", 20, 20),
        ("mdat", 36, 41),
        ("free", 49, 52),
    ]


@pytest.mark.parametrize("size", [2, 7])
def test_a_size_that_can_be_none_ends_the_walk(size):
    file = io.BytesIO(box(b"ftyp", b"isom") + box(b"moov", b"", size=size) + bytes(20))
    assert found(boxes(file, 0, size_of(file))) == [("ftyp", 8, 12)]


def test_a_cut_box_says_how_long_it_was():
    file = io.BytesIO(box(b"mdat", b"123", size=1000))
    assert found(boxes(file, 0, size_of(file))) == [("mdat", 8, 1000)]


def test_boxes_by_path():
    inner = box(b"tkhd", b"a") + box(b"mdia", box(b"hdlr", b"b"))
    file = io.BytesIO(box(b"moov", box(b"trak", inner) + box(b"udta", b"") + box(b"trak", inner)))
    assert len(found(find_boxes(file, ["moov", "trak", "mdia", "hdlr"], 0, size_of(file)))) == 2
    assert found(find_boxes(file, ["moov", "mdia"], 0, size_of(file))) == []


def test_elements_of_every_width_and_of_unknown_size():
    track = bytes.fromhex("ae") + b"\x83" + bytes.fromhex("8381") + b"\x01"
    tracks = bytes.fromhex("1654ae6b") + b"\x10\x00\x00\x05" + track
    segment = bytes.fromhex("18538067") + b"\x01" + b"\xff" * 7 + tracks
    file = io.BytesIO(segment)
    (kind,) = find_elements(file, ["18538067", "1654ae6b", "ae", "83"], 0, size_of(file))
    assert segment[kind.start : kind.end] == b"\x01"


def test_noise_ends_the_walk():
    generator = np.random.default_rng(0)
    for size in (0, 1, 5, 13, 400):
        data = generator.bytes(size)
        file = io.BytesIO(data)
        assert len(list(boxes(file, 0, len(data)))) <= size and len(list(elements(file, 0, len(data)))) <= size
