"""Scores that found no room where they were to be."""

from __future__ import annotations

import tempfile

import pytest

from tests.disks import small_disk
from vqe_core.errors import OutputError, VqeError
from vqe_core.run.rescue import rescued
from vqe_core.tables import read_table

FULL = OSError(28, "No space left on device")


def test_the_whole_table_is_kept_beside_the_output_where_the_format_was_at_fault(tmp_path):
    error = rescued(tmp_path / "out.parquet", {"id": [1, 2]}, {"score": [0.5, None]}, ValueError("no\ntype"))
    assert isinstance(error, OutputError)
    assert isinstance(error, VqeError)
    (kept,) = tmp_path.iterdir()
    said = f"{str(tmp_path / 'out.parquet')!r} could not be written (ValueError: no type); the scored table is in"
    assert str(error) == f"{said} {str(kept)!r}"
    assert read_table(kept) == {"id": [1, 2], "score": [0.5, None]}


def test_another_folder_takes_what_a_full_disk_does_not(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with small_disk(tmp_path / "disk", "64k") as disk:
        (disk / "full").write_bytes(b"x" * 2**16)
        error = rescued(disk / "out.csv", {"id": [1]}, {"score": [0.5]}, FULL)
    (kept,) = (tmp_path / "tmp").iterdir()
    assert str(error).endswith(f"(No space left on device); the scored table is in {str(kept)!r}")
    assert read_table(kept) == {"id": [1], "score": [0.5]}


@pytest.mark.parametrize("name", ["é\ud83d", "x" * 250])
def test_any_name_will_do(tmp_path, name):
    rescued(tmp_path / f"{name}.csv", {"id": [1]}, {"score": [0.5]}, FULL)
    (kept,) = tmp_path.iterdir()
    assert read_table(kept)["score"] == [0.5]
