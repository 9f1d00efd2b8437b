"""Odd tables, made on the spot: what people, spreadsheets, torn downloads and other programs leave behind."""

from __future__ import annotations

import datetime
import decimal
import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

BASE = {"candidate": ["a", "b"], "reference": ["a", "b"]}
ROW = '"candidate":"a","reference":"b"'
HEADER = "candidate,reference,x\n"


def _line(x: str) -> bytes:
    """Two rows of jsonl, the first with a value ``x``."""
    return f'{{{ROW},"x":{x}}}\n{{{ROW},"x":"k"}}\n'.encode()


def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


# What is refused, by the name of a file: its content and a word of the one line that says why.
REFUSED: dict[str, tuple[bytes, str]] = {
    "open_quote.csv": (b"candidate,reference\na,b\n" + b'"a cat,x\n' + b"a,b\n" * 5000, "line 3: a quote is opened"),
    "open_quote_at_the_end.csv": (b'candidate,reference\na,"', "line 2: a quote is opened"),
    "open_header.csv": (b'"candidate,reference\na,b\n', "line 1: a quote is opened"),
    "after_quote.csv": (b'candidate,reference\n"a"x,b\n', "line 2: ',' expected after '\"'"),
    "utf16.csv": ("candidate,reference\na,b\n".encode("utf-16"), "it is UTF-16"),
    "utf16_be.csv": (b"\xfe\xff" + "candidate\na\n".encode("utf-16-be"), "it is UTF-16"),
    "utf16.jsonl": (f"{{{ROW}}}\n".encode("utf-16"), "it is UTF-16"),
    "utf16.json": (f"[{{{ROW}}}]\n".encode("utf-16"), "it is UTF-16"),
    "latin1.csv": ("candidate\na\né\n".encode("latin1"), "line 3: byte 0xe9 is no UTF-8"),
    "latin1.jsonl": (f'{{{ROW}}}\n{{"candidate":"é"}}\n'.encode("latin1"), "line 2: byte 0xe9 is no UTF-8"),
    "latin1.json": (f'[{{{ROW}}},\n{{"candidate":"é"}}]'.encode("latin1"), "line 2: byte 0xe9 is no UTF-8"),
    "deep.json": (f'[{{{ROW},"x":{_nested(100_000)}}}]'.encode(), "nested deeper than Python reads"),
    "deep.jsonl": (f'{{{ROW}}}\n{{"x":{_nested(100_000)}}}\n'.encode(), "line 2: nested deeper than Python reads"),
    "deep_objects.jsonl": (_line('{"a":' * 100_000 + "1" + "}" * 100_000), "line 1: nested deeper than Python reads"),
    "empty.csv": (b"", "has no rows"),
    "empty.json": (b"", "has no rows"),
    "empty.jsonl": (b"", "has no rows"),
    "empty.parquet": (b"", "file size is 0 bytes"),
    "blank.csv": (b"\n\n\n", "has no rows"),
    "blank.json": (b"  \n", "has no rows"),
    "blank.jsonl": (b"\n\n", "has no rows"),
    "header_alone.csv": (b"candidate,reference\n", "has no rows"),
    "no_rows.json": (b"[]", "has no rows"),
    "name_twice.csv": (b"candidate,candidate\na,b\n", "column names must differ"),
    "name_twice.jsonl": (b'{"candidate":"a","candidate":"b"}\n', "line 1: an object has the key 'candidate' twice"),
    "name_twice.json": (b'[{"candidate":"a","candidate":"b"}]', "an object has the key 'candidate' twice"),
    "empty_names.csv": (b"candidate,,\na,b,c\n", "column names must differ"),
    "ragged.csv": (b"candidate,reference\na,b\na,b,c\n", "line 3 has 3 cells, the header 2"),
    "object.json": (b'{"candidate":["a"]}', "it holds dict, not a list of rows"),
    "null.json": (b"null", "it holds NoneType, not a list of rows"),
    "mixed.json": (f"[{{{ROW}}},1]".encode(), "row 1 is int"),
    "torn.json": (
        f'[{{{ROW}}},\n{{"cand'.encode(),
        "line 2: Unterminated string starting at (column 2); is the file cut off",
    ),
    "torn.jsonl": (
        f'{{{ROW}}}\n{{"cand'.encode(),
        "line 2: Unterminated string starting at (column 2); is the file cut off",
    ),
    "two_values.json": (b"[]\n[]", "line 2: Extra data"),
    "several_lines.jsonl": (b'{\n"candidate":"a"}\n', "or the row on several lines"),
    "list.jsonl": (f"[{{{ROW}}}]\n".encode(), "row 0 is list"),
    "long_integer.jsonl": (_line("9" * 5000), "line 1: Exceeds the limit (4300"),
    "control.jsonl": (b'{"candidate":"a\x01"}\n', "line 1: Invalid control character"),
    "zeros.jsonl": (b"\0" * 1000, "line 1: Expecting value"),
    "noise.csv": (bytes(range(128, 256)) * 8, "is no UTF-8"),
    "noise.json": (bytes(range(128, 256)) * 8, "is no UTF-8"),
    "noise.parquet": (bytes(range(128, 256)) * 8, "cannot be read as parquet"),
    "gzip.jsonl": (gzip.compress(f"{{{ROW}}}\n".encode()), "it is compressed by gzip"),
    "magic_alone.parquet": (b"PAR1PAR1", "cannot be read as parquet"),
}

# What is read, odd as it is.
READ: dict[str, bytes] = {
    "long_cell.csv": b"candidate,reference\n" + b"a" * 200_000 + b",b\n",
    "long_header.csv": b"candidate," + b"r" * 200_000 + b"\na,b\n",
    "nested.csv": f"{HEADER}a,b,{_nested(100_000)}\n".encode(),
    "nested_900.csv": f"{HEADER}a,b,{_nested(900)}\n".encode(),
    "nested_900.jsonl": _line(_nested(900)),
    "long_integer.csv": f"{HEADER}a,b,[{'9' * 5000}]\n".encode(),
    "key_twice_in_a_cell.csv": f'{HEADER}a,b,"{{""k"": 1, ""k"": 2}}"\n'.encode(),
    "mark.json": f"[{{{ROW}}}]".encode("utf-8-sig"),
    "mark.jsonl": f"{{{ROW}}}\n".encode("utf-8-sig"),
    "mark.csv": "candidate,reference\na,b\n".encode("utf-8-sig"),
    "short_rows.csv": b"candidate,reference\na\n",
    "empty_lines_first.csv": b"\n\ncandidate,reference\na,b\n",
    "carriage_returns.csv": b"candidate,reference\ra,b\r",
    "long_line.json": f'[{{{ROW},"x":"{"b" * 3_000_000}"}}]'.encode(),
    "many_columns.csv": (",".join(f"c{i}" for i in range(3000)) + "\n" + ",".join("x" * 3000) + "\n").encode(),
    "nan.jsonl": _line('NaN,"y":[Infinity,-Infinity],"z":{"k":NaN}'),
    "infinity.json": f'[{{{ROW},"x":1e999}}]'.encode(),
    "beyond_64_bits.jsonl": f'{{{ROW},"x":{2**70}}}\n{{{ROW},"x":1}}\n'.encode(),
    "beyond_64_bits_inside.jsonl": _line(f'{{"k":[{2**70}]}}'),
    "unsigned.jsonl": f'{{{ROW},"x":{2**63 + 5}}}\n{{{ROW},"x":-1}}\n'.encode(),
    "surrogate.jsonl": _line('"half \\ud83d"'),
    "surrogate_in_a_name.jsonl": f'{{{ROW},"\\ud83d":"k"}}\n'.encode(),
    "surrogate_inside.jsonl": f'{{{ROW},"x":[{{"\\ud83d":"\\udc00"}}],"y":["\\ud83d"]}}\n'.encode(),
    "kinds.jsonl": _line('{"a":1}') + _line('[1,"a",{"b":[]}]') + _line("0.5") + _line("true"),
    "no_keys.jsonl": f'{{{ROW},"x":{{}}}}\n'.encode(),
    "no_keys_inside.jsonl": f'{{{ROW},"x":[{{"a":{{}}}}]}}\n'.encode(),
    "zero_letter.jsonl": _line('"\\u0000"'),
    "no_name.jsonl": f'{{{ROW},"":1}}\n'.encode(),
    "line_separators.jsonl": _line('"a\u2028b\u0085c\\r\\n"'),
}


def _table(**columns: Any) -> pa.Table:
    return pa.table({**BASE, **columns})


def _torn(path: Path, keep: Callable[[bytes], bytes]) -> None:
    pq.write_table(_table(), path)
    path.write_bytes(keep(path.read_bytes()))


def _broken(data: bytes, start: int, count: int) -> bytes:
    return data[:start] + bytes(byte ^ 0x55 for byte in data[start : start + count]) + data[start + count :]


def _write(table: Callable[[], pa.Table]) -> Callable[[Path], None]:
    return lambda path: pq.write_table(table(), path)


_NOT_UTF_8 = pa.array([b"\xff\xfe", b"a"])
REFUSED_PARQUET: dict[str, tuple[Callable[[Path], None], str]] = {
    "torn.parquet": (lambda path: _torn(path, lambda data: data[: len(data) // 2]), "cannot be read as parquet"),
    "beheaded.parquet": (lambda path: _torn(path, lambda data: data[len(data) // 2 :]), "cannot be read as parquet"),
    "broken_page.parquet": (lambda path: _torn(path, lambda data: _broken(data, 4, 60)), "cannot be read as parquet"),
    "broken_end.parquet": (
        lambda path: _torn(path, lambda data: _broken(data, len(data) - 200, 180)),
        "cannot be read as parquet",
    ),
    "name_twice.parquet": (
        _write(lambda: pa.Table.from_arrays([pa.array(["a"])] * 2, names=["candidate"] * 2)),
        "column names must differ",
    ),
    "no_rows.parquet": (_write(lambda: _table().slice(0, 0)), "has no rows"),
    "year_14000.parquet": (_write(lambda: _table(x=pa.array([400_000_000_000, 1], pa.timestamp("s")))), "column 'x'"),
    "time_zone.parquet": (_write(lambda: _table(x=pa.array([1, 2], pa.timestamp("s", "Mars/Phobos")))), "column 'x'"),
    "no_utf_8.parquet": (
        _write(lambda: _table(x=pa.Array.from_buffers(pa.string(), 2, _NOT_UTF_8.buffers()))),
        "column 'x'",
    ),
}
READ_PARQUET: dict[str, Callable[[Path], None]] = {
    "bytes.parquet": _write(lambda: _table(x=[b"\xff\0", None])),
    "decimals.parquet": _write(lambda: _table(x=[decimal.Decimal("1.10"), None])),
    "dates.parquet": _write(
        lambda: _table(
            x=[datetime.datetime(2020, 1, 1), None],
            y=[datetime.date(2020, 1, 1), None],
            z=[datetime.time(1, 2), None],
            d=[datetime.timedelta(1), None],
        )
    ),
    "nanoseconds.parquet": _write(
        lambda: _table(x=pa.array([1, None], pa.timestamp("ns")), y=pa.array([1, 2], pa.duration("ns")))
    ),
    "map.parquet": _write(lambda: _table(x=pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())))),
    "infinity.parquet": _write(lambda: _table(x=[float("inf"), float("nan")])),
    "unsigned.parquet": _write(lambda: _table(x=pa.array([2**64 - 1, 0], pa.uint64()))),
    "dictionary.parquet": _write(lambda: _table(x=pa.array(["a", "b"]).dictionary_encode())),
    "nulls.parquet": _write(lambda: _table(x=pa.nulls(2))),
    "no_json_signature.parquet": _write(lambda: _table().replace_schema_metadata({"signature": "{nojson"})),
    "list_as_signature.parquet": _write(lambda: _table().replace_schema_metadata({"signature": "[1]"})),
    "deep_signature.parquet": _write(lambda: _table().replace_schema_metadata({"signature": _nested(100_000)})),
    "bytes_as_metadata.parquet": _write(lambda: _table().replace_schema_metadata({b"\xff\xfe": b"\xff"})),
}


def _spreadsheet(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("xl/workbook.xml", "<workbook/>" * 100)


MADE: dict[str, tuple[Callable[[Path], None], str]] = {
    "spreadsheet.csv": (_spreadsheet, "cannot be read as csv"),
    "renamed.csv": (lambda path: pq.write_table(_table(), path), "cannot be read as csv"),
    "folder.csv": (lambda path: path.mkdir(), "no table at"),
    "absent.csv": (lambda path: None, "no table at"),
    f"{'x' * 300}.csv": (lambda path: None, "no table at"),
    "zero\0.csv": (lambda path: None, "no table at"),
    "surrogate \ud83d.csv": (lambda path: None, "no table at"),
}


def make(name: str, folder: Path) -> Path:
    """Make an odd table in a folder."""
    path = folder / name
    if name in REFUSED or name in READ:
        path.write_bytes(REFUSED[name][0] if name in REFUSED else READ[name])
    elif name in READ_PARQUET:
        READ_PARQUET[name](path)
    else:
        (REFUSED_PARQUET | MADE)[name][0](path)
    return path


REASONS = {name: reason for name, (_, reason) in {**REFUSED, **REFUSED_PARQUET, **MADE}.items()}
READABLE = [*READ, *READ_PARQUET]
