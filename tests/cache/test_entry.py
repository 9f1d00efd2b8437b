"""Entries prove what they hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import save

from vqe_core.cache import entry as entry_module
from vqe_core.cache.entry import DamagedEntryError, Entry, entry_from_bytes, entry_to_bytes, packed, unpacked

ENTRY = Entry(
    {"values": np.arange(12, dtype=np.float32).reshape(3, 4), "indices": np.array([0, 5, 9])},
    {"notes": ["the file is damaged: 3 of 5"], "start": 0.25},
)


def same(one: Entry, other: Entry) -> bool:
    if one.arrays.keys() != other.arrays.keys() or one.notes != other.notes:
        return False
    return all(
        one.arrays[name].dtype == other.arrays[name].dtype and np.array_equal(one.arrays[name], other.arrays[name])
        for name in one.arrays
    )


def test_an_entry_comes_back_as_it_was():
    key, entry = entry_from_bytes(entry_to_bytes("the key", ENTRY))
    assert key == "the key"
    assert same(entry, ENTRY)


@settings(deadline=None, max_examples=50)
@given(
    arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, min_side=0), elements=st.floats(width=32)),
    st.text(),
    st.lists(st.text(st.characters(codec="utf-8"))),
)
def test_any_array_and_text_come_back(values, key, notes):
    back_key, back = entry_from_bytes(entry_to_bytes(key, Entry({"values": values}, {"notes": notes})))
    assert (back_key, back.notes["notes"]) == (key, notes)
    assert back.arrays["values"].tobytes() == values.tobytes()
    assert back.arrays["values"].shape == values.shape


def test_entries_that_are_packed_come_back_each_by_itself_also_those_of_packed_ones():
    entries = {
        "a": ENTRY,
        "b": Entry({}, {"n": None}),
        "both": packed({"a": ENTRY, "c": Entry({"values": np.ones(2)})}),
    }
    _, held = entry_from_bytes(entry_to_bytes("k", packed(entries)))
    back = unpacked(held)
    assert list(back) == list(entries) and all(same(back[name], entries[name]) for name in entries)
    assert same(unpacked(back["both"])["a"], ENTRY)


def test_a_strided_array_is_stored_by_its_values():
    strided = np.arange(20, dtype=np.float32).reshape(4, 5)[::2, 1::2]
    _, back = entry_from_bytes(entry_to_bytes("k", Entry({"values": strided})))
    assert np.array_equal(back.arrays["values"], strided)


def test_no_flipped_bit_is_ever_read_as_another_value():
    data = entry_to_bytes("the key", ENTRY)
    damaged = 0
    for position in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[position] ^= 1 << bit
            try:
                key, entry = entry_from_bytes(bytes(altered))
            except DamagedEntryError:
                damaged += 1
                continue
            # Only in what carries nothing, such as blanks that fill up the header.
            assert key == "the key" and same(entry, ENTRY), f"bit {bit} of byte {position}"
    assert damaged > 0.9 * 8 * len(data)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 60, -1])
def test_a_cut_off_entry_is_damaged(length):
    with pytest.raises(DamagedEntryError):
        entry_from_bytes(entry_to_bytes("the key", ENTRY)[:length])


@pytest.mark.parametrize("data", [b"", b"\0" * 4096, b"PK\3\4" * 100, bytes(range(256)) * 20])
def test_what_is_no_entry_is_damaged(data):
    with pytest.raises(DamagedEntryError):
        entry_from_bytes(data)


def with_notes(notes: str) -> bytes:
    """Bytes of an entry whose checksum fits, and whose notes nobody here wrote."""
    arrays = {"pooled": np.ones(2, np.float32)}
    metadata = {"key": "k", "notes": notes, "checksum": entry_module._checksum("k", notes, arrays)}
    return save(arrays, metadata)


@pytest.mark.parametrize(
    "notes", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "no json", "[1]", "null", "7", ""]
)
def test_notes_that_are_none_are_damage(notes):
    with pytest.raises(DamagedEntryError):
        entry_from_bytes(with_notes(notes))


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 50_000 + b"]" * 50_000,
        b'{"__metadata__":' * 5000,
        b"[]",
        b"null",
        b"{}",
        b'{"__metadata__":[]}',
        b"\xff" * 9,
    ],
)
def test_headers_that_are_none_are_damage(header):
    with pytest.raises(DamagedEntryError):
        entry_from_bytes(len(header).to_bytes(8, "little") + header)


def test_any_cut_is_damage():
    data = entry_to_bytes("k", Entry({"pooled": np.ones(2, np.float32)}, {"answer": "a bell"}))
    for end in range(len(data)):
        with pytest.raises(DamagedEntryError):
            entry_from_bytes(data[:end])
