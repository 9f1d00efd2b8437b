"""A view of a file reads like a file of its own."""

from __future__ import annotations

import io
import os
import random

import pytest

from vqe_core.media.audio.file_view import FileView


def test_it_reads_its_part_and_leaves_the_file_open():
    file = io.BytesIO(b"0123456789")
    view = FileView(file, 2, 7)
    assert view.read() == b"23456" and view.read() == b""
    assert view.seek(-2, os.SEEK_END) == 3 and view.read(9) == b"56"
    assert view.seek(1) == 1 and view.seek(1, os.SEEK_CUR) == 2 and view.read(1) == b"4"
    assert view.seek(99) == 99 and view.read() == b""
    view.close()
    assert not file.closed


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_patches_are_read_whatever_the_blocks(size):
    data = bytes(range(100))
    expected = bytearray(data[10:90])
    expected[0:4], expected[30:33], expected[78:80] = b"abcd", b"xyz", b"!?"
    view = FileView(io.BytesIO(data), 10, 90, [(0, b"abcd"), (30, b"xyz"), (78, b"!?")])
    parts = iter(lambda: view.read(size), b"")
    assert b"".join(parts) == expected


def test_places_in_any_order():
    data, generator = os.urandom(5000), random.Random(0)
    view = io.BufferedReader(FileView(io.BytesIO(data), 100, 4900), buffer_size=64)
    for _ in range(300):
        at, size = generator.randrange(4800), generator.randrange(300)
        view.seek(at)
        assert view.read(size) == data[100 + at : min(100 + at + size, 4900)]
