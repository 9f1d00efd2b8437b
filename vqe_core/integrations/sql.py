"""Score the rows of a database, and write the scores back to a table of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from datasets import Dataset, Value
from datasets.exceptions import DatasetsError

from vqe_core.errors import InputError, MissingPackageError
from vqe_core.integrations.datasets import score_dataset, with_idf
from vqe_core.integrations.datasets.summary import scorer_before_fork
from vqe_core.options import check_choice
from vqe_core.run.rescue import rescued
from vqe_core.scorers.named import scorer_for

IfExists = Literal["fail", "replace", "append"]
SIGNATURE = "signature"
KEYS_AT_ONCE = 500  # in one statement: databases bound the number of values


def score_sql(
    query: str,
    url: str,
    metric: Any = "emscore",
    *,
    out_table: str | None = None,
    key: str | None = None,
    if_exists: IfExists = "fail",
    num_proc: int | None = None,
    base_dir: str | None = None,
    **options: Any,
) -> Any:
    """Score the rows of a query, and write the scores to a table of the same database.

    Every written row carries the ``signature`` that results have, with the columns that were read (``columns``), as
    JSON. What cannot change a score, such as ``row_timeout`` or ``on_error``, is not in it.
    The table is written in one transaction, so it is there as a whole or as it was.

    Args:
        query: a SELECT, or the name of a table. It is read anew at each call.
        url: any that SQLAlchemy knows, for example ``"sqlite:///rows.db"`` or
            ``"postgresql+psycopg://user@host/database"``. Its password is in no message.
        metric: as for ``score_dataset``.
        out_table: table to write. Default: none.
        key: column that tells rows apart. With it the table holds the key and the results; without it all columns that
            are plain values.
        if_exists: for ``out_table``. ``"append"`` needs ``key``: rows that are there already, with the same
            signature and scored, are not scored again; rows that failed then are, and take the place of the old ones.
            With ``idf=True`` the weights, and so the signature, change with every row of the query.
        num_proc, base_dir, options: as for ``score_dataset``.

    Returns:
        The rows scored now as a ``datasets.Dataset``. Where there are none, nothing is written, and ``"replace"``
        empties the table.

    Raises:
        InputError: a database, query or table that cannot be used, or as ``score_dataset``.
        OutputError: the database refused the scores at the end; it says in which file they are instead.
        MissingPackageError: SQLAlchemy or the driver of the database.

    Example:
        >>> import sqlite3
        >>> path = getfixture("tmp_path") / "rows.db"
        >>> with sqlite3.connect(path) as database:
        ...     _ = database.execute("CREATE TABLE clips AS SELECT 7 AS id, 'a cat' AS candidate, 'a cat' AS reference")
        >>> scored = score_sql("clips", f"sqlite:///{path}", clip_model_path="toy", out_table="scores", key="id")
        >>> sqlite3.connect(path).execute("SELECT id, status FROM scores").fetchall()
        [(7, 'ok')]
    """
    check_choice("if_exists", if_exists, IfExists)
    if if_exists == "append" and key is None:
        raise InputError("if_exists='append' needs key; name the column that tells rows apart")
    with _without_secrets(url):
        rows = _read(query, url)
        if key is not None and (key not in rows.features or not _all_differ(rows[key])):
            raise InputError(f"key ({key!r}) must be a column with a value of its own in every row of the query")
        if out_table is not None and SIGNATURE in rows.features and key in (None, SIGNATURE):
            raise InputError(
                f"the query has a column {SIGNATURE!r}, which is written too; rename it, or name another key"
            )
        scorer = with_idf(scorer_for(metric, options), [rows])
        signature = _signature(scorer, rows, num_proc)
        if out_table is not None:
            _check_writable(url, out_table, if_exists)
            done = _keys_done(url, out_table, (key, SIGNATURE, scorer.status_key), signature, if_exists)
            rows = rows.select([i for i, value in enumerate(rows[key]) if value not in done]) if done else rows
    scored = score_dataset(rows, scorer, num_proc=num_proc, base_dir=base_dir)
    if out_table is not None:
        results = _to_write(scored, scorer, key, signature)
        try:
            with _without_secrets(url):
                _write(results, out_table, url, if_exists, key)
        except InputError as error:
            raise rescued(Path(out_table), {}, results.to_dict(), error) from None
    return scored


def _signature(scorer: Any, rows: Any, num_proc: int | None) -> str:
    """Return what a row's scores depend on, as JSON: the signature, and the columns that were read."""
    names = rows.column_names
    keys = {entry.key for entry in scorer.inputs} | {"start_key", "end_key"}
    read = {key: name for key in sorted(keys) if (name := getattr(scorer, key)) in names}
    signature = scorer_before_fork(scorer, num_proc).signature_for(names)
    return json.dumps({**signature, "columns": read})


def _read(query: str, url: str) -> Any:
    """Read the rows of a query into memory, also where there are none, which ``Dataset.from_sql`` cannot."""
    import pandas

    with _connected(url) as connection:
        return Dataset.from_pandas(pandas.read_sql(query, connection), preserve_index=False)


def _all_differ(values: list[Any]) -> bool:
    try:
        return len(set(values)) == len(values)
    except TypeError:  # lists and objects
        return False


def _check_writable(url: str, table: str, if_exists: IfExists) -> None:
    """Make a table beside the one that is to be written, and drop it: what is not allowed is told before the work."""
    import sqlalchemy

    with _connected(url) as connection, connection.begin():
        if if_exists != "replace" and sqlalchemy.inspect(connection).has_table(table):
            return  # nothing is made
        column = sqlalchemy.Column("checked", sqlalchemy.Integer)
        beside = sqlalchemy.Table(f"{table[:40]}_{uuid.uuid4().hex[:8]}", sqlalchemy.MetaData(), column)
        beside.create(connection)
        beside.drop(connection)


def _keys_done(
    url: str, table: str, columns: tuple[str | None, str, str], signature: str, if_exists: IfExists
) -> set[Any]:
    """Return the keys of rows that need no score; raise now, not after hours, where the table must not be there."""
    import sqlalchemy

    key, _, status = columns
    with _connected(url) as connection:
        if not sqlalchemy.inspect(connection).has_table(table) or if_exists == "replace":
            return set()
        if if_exists == "fail":
            raise InputError(f"table {table!r} is there already; use if_exists='replace' or 'append', or another name")
        there = sqlalchemy.Table(table, sqlalchemy.MetaData(), autoload_with=connection)
        absent = [name for name in columns if name is None or name not in there.c]
        if absent:
            raise InputError(
                f"table {table!r} has no column {absent[0]!r}, so nothing can be appended; it needs {key!r}, "
                f"{SIGNATURE!r} and {status!r}, as score_sql writes them: name another table, or if_exists='replace'"
            )
        scored = sqlalchemy.and_(there.c[SIGNATURE] == signature, there.c[status] == "ok")
        return set(connection.execute(sqlalchemy.select(there.c[str(key)]).where(scored)).scalars())


def _to_write(scored: Any, scorer: Any, key: str | None, signature: str) -> Any:
    plain = [name for name, kind in scored.features.items() if isinstance(kind, Value) and "binary" not in kind.dtype]
    if key is not None:
        plain = [name for name in plain if name in {key, *scorer.columns_for(scored.features)}]
    return scored.select_columns(plain).add_column(SIGNATURE, [signature] * len(scored))


def _write(rows: Any, table: str, url: str, if_exists: IfExists, key: str | None) -> None:
    """Write all rows in one transaction; rows of the same key and signature, which had failed, give way."""
    import sqlalchemy

    with _connected(url) as connection, connection.begin():
        if sqlalchemy.inspect(connection).has_table(table):
            there = sqlalchemy.Table(table, sqlalchemy.MetaData(), autoload_with=connection)
            if if_exists == "replace" and not len(rows):
                connection.execute(there.delete())
            if if_exists == "append" and key is not None and len(rows):
                same = there.c[SIGNATURE] == rows[SIGNATURE][0]
                for batch in rows.select_columns([key]).iter(KEYS_AT_ONCE):
                    connection.execute(there.delete().where(same, there.c[key].in_(batch[key])))
        rows.to_sql(table, connection, if_exists=if_exists, index=False)


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    import sqlalchemy

    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _without_secrets(url: str) -> Iterator[None]:
    """Turn errors of the database into errors of ours, in one line, the URL without its secrets."""
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError, SQLAlchemyError
    except ImportError as error:
        raise MissingPackageError("score_sql needs SQLAlchemy (pip install vqe-core[sql])") from error
    try:
        address = make_url(url)
    except ArgumentError:
        raise InputError("url is none that SQLAlchemy knows; for example sqlite:///rows.db") from None
    secrets = {str(value) for value in (address.password, *address.query.values()) if value}
    shown = address.set(query={}).render_as_string(hide_password=True)
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"{address.drivername} needs {error.name} (pip install it)") from None
    # RecursionError: a column of JSON, of some thousand levels.
    except (
        SQLAlchemyError,
        DatasetsError,
        pa.ArrowException,
        ValueError,
        OSError,
        OverflowError,
        RecursionError,
    ) as error:
        if isinstance(error, InputError):
            raise
        words = _reason(error)
        for secret in sorted(secrets, key=len, reverse=True):
            words = words.replace(secret, "***")
        # Without the chain: what libraries raise may hold the whole URL.
        raise InputError(f"database {shown}: {words}") from None


def _reason(error: BaseException) -> str:
    """Return the first line of the innermost error: `datasets` wraps what the database said."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
