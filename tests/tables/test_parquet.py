"""Types of the columns of parquet."""

from __future__ import annotations

import json
import math

import pytest

from vqe_core.tables import read_table, write_table

pytestmark = pytest.mark.filterwarnings("ignore::vqe_core.errors.TableWarning")  # see test_values.py


def test_parquet_keeps_types_also_in_columns_of_nulls(tmp_path):
    import pyarrow.parquet as pq

    write_table(tmp_path / "t.parquet", {"score": [math.nan, None], "name": ["a", "b"]})
    assert str(pq.read_schema(tmp_path / "t.parquet").field("score").type) == "double"


def test_parquet_takes_columns_of_mixed_types(tmp_path):
    write_table(tmp_path / "t.parquet", {"reference": ["a", ["b", "c"], None], "any": [1, "x", None]})
    again = read_table(tmp_path / "t.parquet")
    assert again == {"reference": [["a"], ["b", "c"], None], "any": ["1", '"x"', None]}


def test_parquet_carries_the_signature(tmp_path):
    import pyarrow.parquet as pq

    write_table(tmp_path / "t.parquet", {"a": [1]}, {"metric": "emscore", "sampler": {"name": "uniform"}})
    metadata = pq.read_schema(tmp_path / "t.parquet").metadata
    assert json.loads(metadata[b"signature"]) == {"metric": "emscore", "sampler": {"name": "uniform"}}


def test_parquet_takes_numbers_beyond_64_bits_and_beyond_fractions(tmp_path):
    write_table(tmp_path / "t.parquet", {"huge": [2**70, 1], "exact": [2**53 + 1, 0.5]})
    assert read_table(tmp_path / "t.parquet") == {"huge": [str(2**70), "1"], "exact": [str(2**53 + 1), "0.5"]}
