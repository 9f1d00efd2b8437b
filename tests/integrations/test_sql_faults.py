"""Databases that hold or refuse what nobody expects: one line, and no score is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.required import required_package
from vqe_core import score_sql
from vqe_core.errors import InputError, OutputError
from vqe_core.integrations import sql
from vqe_core.tables import read_table

required_package("sqlalchemy")
TOY = {"clip_model_path": "toy"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two rows that need no video."""
    path = tmp_path / "rows.db"
    run(path, "CREATE TABLE rows (id INTEGER, candidate TEXT, reference TEXT, details JSON)")
    for number in range(2):
        run(path, f"INSERT INTO rows VALUES ({number}, 'a cat', 'a cat', '[1]')")
    return path


def run(path: Path, statement: str, *values: Any) -> list[Any]:
    with sqlite3.connect(path) as connection:
        return connection.execute(statement, values).fetchall()


def tables(path: Path) -> set[str]:
    return {name for (name,) in run(path, "SELECT name FROM sqlite_master")}


@pytest.mark.parametrize("details", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "no json"])
def test_json_that_cannot_be_read_is_told_in_one_line(database, details):
    run(database, "UPDATE rows SET details = ? WHERE id = 1", details)
    with pytest.raises(InputError, match=r"^database sqlite:///.*rows\.db: \w+Error") as refused:
        score_sql("rows", f"sqlite:///{database}", **TOY)
    assert "\n" not in str(refused.value)
    scored = score_sql("SELECT * FROM rows", f"sqlite:///{database}", **TOY)  # as texts, which they are to a SELECT
    assert scored["status"][:] == ["ok", "ok"]


def test_lists_are_no_keys(database):
    with pytest.raises(InputError, match=r"key \('details'\) must be a column with a value of its own in every row"):
        score_sql("rows", f"sqlite:///{database}", **TOY, out_table="scores", key="details")


def test_a_database_that_can_only_be_read_is_told_before_the_work(database, monkeypatch):
    def scored(*rows: Any, **options: Any) -> Any:
        raise AssertionError("the work began before the database was tried")

    monkeypatch.setattr(sql, "score_dataset", scored)
    url = f"sqlite:///file:{database}?mode=ro&uri=true"
    with pytest.raises(InputError, match="attempt to write a readonly database"):
        score_sql("rows", url, **TOY, out_table="scores", key="id")


def test_what_is_tried_leaves_nothing_behind(database):
    score_sql("rows", f"sqlite:///{database}", **TOY, out_table="scores", key="id")
    assert tables(database) == {"rows", "scores"}


def test_scores_that_the_database_refuses_at_the_end_are_kept_in_a_file(database, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = sql.score_dataset

    def scored(*rows: Any, **options: Any) -> Any:
        run(database, "CREATE TABLE scores (something TEXT)")  # by someone else, meanwhile
        return before(*rows, **options)

    monkeypatch.setattr(sql, "score_dataset", scored)
    with pytest.raises(OutputError, match=r"^'scores' could not be written \(.*Table 'scores' already exists"):
        score_sql("rows", f"sqlite:///{database}", **TOY, out_table="scores", key="id")
    (kept,) = tmp_path.glob("scores-*.jsonl")
    found = read_table(kept)
    assert (found["id"], found["status"]) == ([0, 1], ["ok", "ok"])
    assert found["EMScore(X,X*)_full_F"][0] > 0.99
