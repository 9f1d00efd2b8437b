"""Rows of real databases, and scores written back to them."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from tests.databases import PASSWORD, serve_postgres
from tests.required import required_package
from vqe_core import EMScore, score_sql
from vqe_core.errors import InputError, MissingPackageError
from vqe_core.toy.clips import make_clip, write_clip

TOY = {"clip_model_path": "toy", "frame_num": 2}
SCORE = "EMScore(X,V)_full_F"
sqlalchemy = required_package("sqlalchemy")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    required_package("psycopg")
    with serve_postgres() as url:
        yield url


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(make_clip(seed), folder / f"clip_{seed}.mp4")) for seed in range(3)]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Any, clips: list[str]) -> str:
    """Make a database with a table of four clips, of which one is not there."""
    url = f"sqlite:///{tmp_path / 'rows.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")
    ask(url, 'DROP TABLE IF EXISTS "clips"', 'DROP TABLE IF EXISTS "scores"')
    ask(url, "CREATE TABLE clips (id INTEGER PRIMARY KEY, video_path TEXT, candidate TEXT)")
    for number, clip in enumerate([*clips, "none.mp4"]):
        ask(url, f"INSERT INTO clips VALUES ({number}, '{clip}', 'a red circle')")
    return url


def ask(url: str, *statements: str) -> list[Any]:
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.begin() as connection:
            results = [connection.execute(sqlalchemy.text(statement)) for statement in statements]
            return results[-1].fetchall() if results[-1].returns_rows else []
    finally:
        engine.dispose()


def test_rows_are_read_scored_and_written_back(url):
    scored = score_sql("SELECT * FROM clips ORDER BY id", url, **TOY, out_table="scores", key="id")
    assert scored["status"][:] == ["ok", "ok", "ok", "not_found"]
    written = ask(url, f'SELECT id, status, "{SCORE}", message, signature FROM scores ORDER BY id')
    assert [(row[0], row[1]) for row in written] == [(0, "ok"), (1, "ok"), (2, "ok"), (3, "not_found")]
    assert [row[2] for row in written[:3]] == pytest.approx(scored[SCORE][:3], abs=1e-6)
    assert written[3][2] is None  # a number that is not known is NULL, not NaN
    assert "none.mp4" in written[3][3]
    assert json.loads(written[0][4])["metric"] == "emscore"
    joined = ask(url, "SELECT count(*) FROM clips JOIN scores ON clips.id = scores.id WHERE scores.status = 'ok'")
    assert joined[0][0] == 3


APPEND: dict[str, Any] = {**TOY, "out_table": "scores", "key": "id", "if_exists": "append"}


def test_append_scores_only_rows_that_are_not_there_with_these_options(url):
    ask(url, "DELETE FROM clips WHERE id = 3")
    assert len(score_sql("SELECT * FROM clips WHERE id < 2", url, **APPEND)) == 2
    assert score_sql("SELECT * FROM clips ORDER BY id", url, **APPEND)["id"][:] == [2]
    assert len(score_sql("clips", url, **APPEND)) == 0
    assert len(score_sql("clips", url, **{**APPEND, "frame_num": 3})) == 3
    assert ask(url, "SELECT count(*), count(DISTINCT signature) FROM scores")[0] == (6, 2)


def test_append_tries_rows_again_that_failed_and_stores_each_once(url, tmp_path):
    assert len(score_sql("clips", url, **APPEND)) == 4
    assert score_sql("clips", url, **APPEND)["status"][:] == ["not_found"]
    score_sql("clips", url, **{**APPEND, "frame_num": 3})  # rows of other signatures stay as they are
    mended = write_clip(make_clip(3), tmp_path / "mended.mp4")
    ask(url, f"UPDATE clips SET video_path = '{mended}' WHERE id = 3")
    assert score_sql("clips", url, **APPEND)["status"][:] == ["ok"]
    assert len(score_sql("clips", url, **APPEND)) == 0
    failed = ask(url, "SELECT count(*) FROM scores WHERE status = 'not_found'")
    assert (failed[0][0], ask(url, "SELECT count(*) FROM scores")[0][0]) == (1, 8)
    assert ask(url, "SELECT id, signature FROM scores GROUP BY id, signature HAVING count(*) > 1") == []


def test_idf_of_another_corpus_is_another_signature_and_a_file_keeps_it(url, tmp_path):
    captions = ["a red circle", "four blue squares"]
    assert len(score_sql("SELECT * FROM clips WHERE id < 2", url, **APPEND, idf=True)) == 2
    assert len(score_sql("SELECT * FROM clips WHERE id < 2", url, **APPEND, idf=True)) == 0
    assert len(score_sql("SELECT * FROM clips WHERE id < 3", url, **APPEND, idf=True)) == 3
    assert ask(url, "SELECT count(*), count(DISTINCT signature) FROM scores")[0] == (5, 2)
    EMScore(clip_model_path="toy").fit(captions, tmp_path / "idf.json")
    kept = {**APPEND, "idf": str(tmp_path / "idf.json")}
    assert len(score_sql("SELECT * FROM clips WHERE id < 2", url, **kept)) == 2
    assert score_sql("SELECT * FROM clips WHERE id < 3", url, **kept)["id"][:] == [2]


@pytest.mark.parametrize("idf", [False, True])
def test_a_query_without_rows_has_no_scores_and_writes_none(url, idf):
    nothing = "SELECT * FROM clips WHERE id > 9"
    empty = score_sql(nothing, url, **{**APPEND, "if_exists": "fail", "idf": idf})
    assert (len(empty), empty["status"][:]) == (0, [])
    assert SCORE in empty.features
    assert len(score_sql(nothing, url, **APPEND, idf=idf)) == 0
    assert len(score_sql("clips", url, **APPEND)) == 4
    assert len(score_sql(nothing, url, **{**APPEND, "if_exists": "replace"})) == 0
    assert ask(url, "SELECT count(*) FROM scores")[0][0] == 0


def test_a_signature_column_of_the_query_is_not_written_over(url):
    query = "SELECT id, video_path, candidate, 'mine' AS signature FROM clips"
    with pytest.raises(InputError, match="the query has a column 'signature', which is written too"):
        score_sql(query, url, **TOY, out_table="scores")
    score_sql(query, url, **TOY, out_table="scores", key="id")
    assert json.loads(ask(url, "SELECT signature FROM scores")[0][0])["metric"] == "emscore"


def test_a_table_that_is_there_stays_unless_it_is_to_be_replaced(url):
    score_sql("clips", url, **TOY, out_table="scores", key="id")
    with pytest.raises(InputError, match="table 'scores' is there already; use if_exists='replace' or 'append'"):
        score_sql("clips", url, **TOY, out_table="scores", key="id")
    score_sql("SELECT * FROM clips WHERE id = 1", url, **TOY, out_table="scores", if_exists="replace")
    assert ask(url, "SELECT id, candidate, status FROM scores") == [(1, "a red circle", "ok")]


def test_a_changed_row_is_read_anew(url):
    assert score_sql("clips", url, **TOY)["candidate"][:] == ["a red circle"] * 4
    ask(url, "UPDATE clips SET candidate = 'a blue square'")
    assert score_sql("clips", url, **TOY)["candidate"][:] == ["a blue square"] * 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": "SELECT * FROM nothing"}, "nothing"),
        ({"key": "candidate"}, "key ('candidate') must be a column with a value of its own in every row"),
        ({"key": "none"}, "key ('none') must be a column"),
        ({"if_exists": "append", "out_table": "scores"}, "if_exists='append' needs key"),
        ({"if_exists": "maybe"}, "if_exists ('maybe')"),
        (
            {"if_exists": "append", "out_table": "clips", "key": "id"},
            "'clips' has no column 'signature', so nothing can be appended",
        ),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(url, arguments, words):
    with pytest.raises(InputError, match=re.escape(words)):
        score_sql(**{"query": "clips", "url": url, **TOY, **arguments})


@pytest.mark.parametrize("query", ["clips", "SELECT nothing FROM clips", "SELECT 's3cret-word' FROM none"])
def test_a_password_is_in_no_error(postgres, query):
    nowhere = re.sub(r":\d+/", ":1/", postgres)
    for address in (nowhere, postgres + f"?password={PASSWORD}&connect_timeout=2", postgres):
        with pytest.raises(InputError) as caught:
            score_sql(query if address != nowhere else "clips", address, **TOY, key="none")
        shown = "".join(traceback.format_exception(caught.value))
        assert PASSWORD not in str(caught.value)
        assert "judge" in str(caught.value) or "key" in str(caught.value)
        assert not re.search(rf"judge:{PASSWORD}|password={PASSWORD}", shown)


def test_an_address_or_driver_that_is_not_there():
    with pytest.raises(InputError, match="url is none that SQLAlchemy knows") as caught:
        score_sql("clips", "rows.db?password=s3cret-word")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(MissingPackageError, match="needs pymssql"):
        score_sql("clips", "mssql+pymssql://user:s3cret-word@host/rows")
