"""Files of a release: what is data is read as it is, and nothing that a file says is run."""

from __future__ import annotations

import builtins
import collections
import contextlib
import datetime
import functools
import io
import operator
import os
import pickle
import pickletools
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vqe_core.errors import InputError
from vqe_core.meta_eval.reading import read_embeddings, read_json, read_lines, read_pickle

PROTOCOLS = (0, 2, 4, 5)


def stored(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def alike(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray)
        return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other)
    if isinstance(one, list | tuple):
        assert isinstance(other, list | tuple)
        return type(one) is type(other) and len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        assert isinstance(other, dict)
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(4, dtype=">i2"),
    np.array([True, False]),
    np.array(["a cat", "ein Hündchen"]),
    np.array([["a", "bb"], ["ccc", ""]]),
    np.array([b"ab", b"c"]),
    np.array(["a", ["b", 1], None], dtype=object),
    np.array(3.5),
    np.zeros((0, 4), dtype=np.float32),
    np.float32(0.25),
    np.int64(7),
    np.str_("word"),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", ARRAYS, ids=repr)
def test_arrays_come_as_they_were(tmp_path, value, protocol):
    read = read_pickle(stored(tmp_path / "a.pkl", value, protocol))
    assert alike(np.asarray(value), np.asarray(read))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=plain, protocol=st.sampled_from(PROTOCOLS))
def test_plain_values_come_as_they_were(tmp_path, value, protocol):
    assert alike(value, read_pickle(stored(tmp_path / "a.pkl", value, protocol)))


def test_sets_and_shared_parts(tmp_path):
    shared = np.arange(3)
    one, other, words = read_pickle(stored(tmp_path / "a.pkl", [shared, shared, {"a", "b"}]))
    assert np.array_equal(one, other) and words == {"a", "b"}


@pytest.mark.parametrize("room", ["numpy.core", "numpy._core"])
def test_arrays_of_old_and_new_numpy(tmp_path, room):
    written = pickle.dumps(np.arange(3), protocol=2)
    for known in (b"numpy.core.multiarray", b"numpy._core.multiarray"):
        written = written.replace(known + b"\n", f"{room}.multiarray\n".encode())
    (tmp_path / "a.pkl").write_bytes(written)
    assert np.array_equal(read_pickle(tmp_path / "a.pkl"), np.arange(3))


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Thing:
    pass


HOSTILE = {
    "os.system": Calls(os.system, "touch {mark}"),
    "eval": Calls(builtins.eval, "open({mark!r}, 'w').write('x')"),
    "exec": Calls(builtins.exec, "open({mark!r}, 'w').write('x')"),
    "open": Calls(builtins.open, "{mark}", "w"),
    "getattr": Calls(builtins.getattr, "", "join"),
    "import": Calls(builtins.__import__, "os"),
    "subprocess": Calls(subprocess.Popen, ["touch", "{mark}"]),
    "numpy.load": Calls(np.load, "{mark}"),
    "numpy.save": Calls(np.save, "{mark}", 1),
    "numpy.frombuffer": Calls(np.frombuffer, b"12345678"),
    "torch.load": Calls(torch.load, "{mark}"),
    "partial": Calls(functools.partial, os.system, "touch {mark}"),
    "attrgetter": Calls(operator.attrgetter, "system"),
    "methodcaller": Calls(operator.methodcaller, "write_text", "x"),
    "pickle.loads": Calls(pickle.loads, b"."),
    "inside an object array": np.array([Calls(os.system, "touch {mark}")], dtype=object),
    "inside a dictionary": {"scores": [1, Calls(os.system, "touch {mark}")]},
    "an object": Thing(),
    "a class": Thing,
    "a function": os.system,
    "a date": datetime.date(2024, 1, 1),
    "an ordered dictionary": collections.OrderedDict(a=1),
    "a default dictionary": collections.defaultdict(list),
    "a structured array": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "a masked array": np.ma.array([1, 2], mask=[0, 1]),
    "dates": np.array(["2024-01-01"], dtype="datetime64[D]"),
    "numpy's type": np.dtype("f8"),
    "bytes of a number": Calls(bytes, 2**40),
}


def marked(value, mark):
    """The value with the path of the mark that running it would leave."""
    if isinstance(value, Calls):
        arguments = tuple(
            [part.format(mark=mark) for part in argument]
            if isinstance(argument, list)
            else argument.format(mark=mark)
            if isinstance(argument, str)
            else argument
            for argument in value.arguments
        )
        return Calls(value.function, *arguments)
    if isinstance(value, dict) and "scores" in value:
        return {"scores": [1, marked(value["scores"][1], mark)]}
    if isinstance(value, np.ndarray) and value.dtype == object:
        return np.array([marked(part, mark) for part in value], dtype=object)
    return value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_data_is_refused_and_not_run(tmp_path, name, protocol):
    mark = tmp_path / "mark"
    path = stored(tmp_path / "a.pkl", marked(HOSTILE[name], str(mark)), protocol)
    with pytest.raises(InputError, match="only numbers, texts, lists and numpy arrays"):
        read_pickle(path)
    assert not mark.exists()


def test_the_hostile_files_do_harm_where_pickle_reads_them(tmp_path):
    """Else the test above would show nothing."""
    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps(marked(HOSTILE["os.system"], str(mark))))
    assert mark.exists()


SHAPE = b"(K\x03t"  # (3,)
DTYPE = b"cnumpy\ndtype\n(U\x02f8I00\nI01\ntR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
BEGUN = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"


def array(shape=SHAPE, dtype=DTYPE, content=b"U\x18" + bytes(24), by_columns=b"I00\n") -> bytes:
    """Protocol 2, written by hand."""
    return b"\x80\x02" + BEGUN + b"(K\x01" + shape + dtype + by_columns + content + b"tb."


def typed(code: bytes, order: bytes = b"<", state: bytes = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00") -> bytes:
    return b"cnumpy\ndtype\n(U" + bytes([len(code)]) + code + b"I00\nI01\ntR(K\x03U\x01" + order + state + b"tb"


def test_an_array_by_hand_is_read(tmp_path):
    (tmp_path / "a.pkl").write_bytes(array())
    assert alike(read_pickle(tmp_path / "a.pkl"), np.zeros(3))


BROKEN = {
    "too few bytes": array(content=b"U\x10" + bytes(16)),
    "more than the shape": array(shape=b"(K\x02t"),
    "a huge shape": array(shape=b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft"),
    "a negative shape": array(shape=b"(J\xfd\xff\xff\xfft"),
    "a truth value as a shape": array(shape=b"(I01\nt", content=b"U\x08" + bytes(8)),
    "a text as a shape": array(shape=b"(U\x013t"),
    "addresses in place of objects": array(dtype=typed(b"O8", b"|")),
    "fewer objects than the shape": array(dtype=typed(b"O8", b"|"), content=b"]"),
    "a type that is none": array(dtype=typed(b"zz")),
    "void": array(dtype=typed(b"V8", b"|")),
    "a list as a type": array(dtype=b"cnumpy\ndtype\n(]tR"),
    "an order that is none": array(dtype=typed(b"f8", b"X")),
    "fields of objects": array(dtype=typed(b"V8", b"|", b"N(U\x01at}U\x01aNsJ\x08\x00\x00\x00K\x01K\x00")),
    "no type": array(dtype=b"N"),
    "no state": b"\x80\x02" + BEGUN + b".",
    "half a state": b"\x80\x02" + BEGUN + b"(K\x01tb.",
    "state of a list": b"\x80\x02](K\x01tb.",
    "state of a stand-in": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n}U\x01aK\x01sb.",
    "a persistent id": b"\x80\x02U\x01aQ.",
    "a number that stands for a class": b"\x80\x02\x82\x01.",
    "an old object": b"(ios\nsystem\n.",
    "a new object": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "call of a text": b"\x80\x02U\x01a)R.",
    "bytes that are not there": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",
    "bytes past counting": b"\x80\x05\x96" + struct.pack("<Q", 2**64 - 1) + b"abc.",
    "a text that is not there": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"abc.",
    "a memo that is not there": b"\x80\x02j\xff\xff\xff\x7f.",
    "nothing on the stack": b"\x80\x02.",
    "nothing": b"",
    "a text": b"hello",
    "half a file": pickle.dumps(np.arange(100.0))[:200],
    "an empty mark": b"\x80\x02t.",
    "a protocol to come": b"\x80\x63N.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_damage_is_one_clear_error(tmp_path, name):
    (tmp_path / "a.pkl").write_bytes(BROKEN[name])
    with pytest.raises(InputError, match=r"a\.pkl"):
        read_pickle(tmp_path / "a.pkl")


def test_a_memo_takes_no_room_for_numbers_that_are_merely_named(tmp_path):
    """C's reader would make room for 2 ** 32 entries."""
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02K\x01r" + struct.pack("<I", 2**32 - 1) + b".")
    assert read_pickle(tmp_path / "a.pkl") == 1


def test_what_holds_itself_or_is_deep_ends(tmp_path):
    itself: list[object] = []
    itself.append(itself)
    deep: list[object] = []
    for _ in range(150):
        deep = [deep]
    for value in (itself, deep):
        with pytest.raises(InputError, match="deeper"):
            read_pickle(stored(tmp_path / "a.pkl", value))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutants_of_a_release_are_read_or_refused(tmp_path, data):
    """Bytes changed at will: data, or an error, and never a call of anything else."""
    written = bytearray(pickle.dumps({"a": np.array(["x", "yy"]), "b": [np.arange(3.0), np.float32(1)]}, protocol=2))
    for _ in range(data.draw(st.integers(1, 4))):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.pkl").write_bytes(bytes(written))
    with contextlib.suppress(InputError):
        read_pickle(tmp_path / "a.pkl")


def test_every_step_of_real_files_is_known():
    """The steps that are refused are none that numpy or plain data write."""
    steps = set()
    for protocol in PROTOCOLS:
        for value in [*ARRAYS, {"a": [1, (2,), "b", b"c", None, True, 1.5, 2**70], "d": {1}}]:
            steps |= {
                step.name for step, _, _ in pickletools.genops(io.BytesIO(pickle.dumps(value, protocol=protocol)))
            }
    assert not steps & {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}


def test_absent_files_are_told(tmp_path):
    for read in (read_pickle, read_json, read_lines, read_embeddings):
        with pytest.raises(InputError, match="absent"):
            read(tmp_path / "absent")


def test_json_and_lines(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1]}')
    (tmp_path / "b.txt").write_text("one\n\n two \n")
    assert read_json(tmp_path / "a.json") == {"a": [1]}
    assert read_lines(tmp_path / "b.txt") == ["one", " two "]
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="JSON"):
        read_json(tmp_path / "a.json")


def saved(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def test_embeddings_are_read_as_float32(tmp_path):
    values = torch.nn.functional.normalize(torch.randn(5, 8), dim=-1)
    read = read_embeddings(saved(tmp_path / "a.pt", values.half()))
    assert read.dtype == torch.float32
    torch.testing.assert_close(read, values, atol=1e-3, rtol=0)
    assert read_embeddings(saved(tmp_path / "b.pt", torch.zeros(0, 8))).shape == (0, 8)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.ones(3, 8), "unit rows"),
        (torch.full((3, 8), torch.nan), "unit rows"),
        (torch.ones(8), r"float \(N, D\)"),
        (torch.ones(3, 8, dtype=torch.int64), r"float \(N, D\)"),
        ([1, 2], r"float \(N, D\), got list"),
    ],
)
def test_embeddings_of_another_form_are_refused(tmp_path, value, words):
    with pytest.raises(InputError, match=words):
        read_embeddings(saved(tmp_path / "a.pt", value))


def test_embeddings_that_would_run_code_are_refused(tmp_path):
    mark = tmp_path / "mark"
    torch.save(Calls(os.system, f"touch {mark}"), tmp_path / "a.pt")
    with pytest.raises(InputError, match="cannot be read as a tensor"):
        read_embeddings(tmp_path / "a.pt")
    assert not mark.exists()
