"""Storages that give their rows in parts. Run by ``test_in_dataflow.py``, where open-dataflow is installed."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import Any

import pandas
import pytest
from dataflow.utils import storage as storages
from dataflow.utils.storage import DataFlowStorage

from tests.integrations.dataflow.tables import caption_rows, in_memory, storage_of, write_clips
from vqe_core import EMScore
from vqe_core import VideoAudioSimilarity as Scorer
from vqe_core.errors import InputError
from vqe_core.integrations.dataflow import EMScoreEval, VideoAudioSimilarity
from vqe_core.integrations.dataflow.score_operator import tells_of_parts

SELECT = re.compile(r"SELECT \* FROM (\w+) WHERE (.*?)\s*(?:LIMIT (\d+) OFFSET (-?\d+))?\s*$")


class FakeClient:
    """A ClickHouse of one table in memory: the two statements that the storage of DataFlow makes."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def execute(self, sql: str, given: Any = None, with_column_types: bool = False) -> Any:
        if sql.strip().startswith("INSERT"):
            names = re.search(r"\((.*?)\)", sql).group(1).split(", ")
            self.rows += [dict(zip(names, values, strict=True)) for values in given]
            return len(given)
        _, where, limit, offset = SELECT.match(sql).groups()
        assert all(f"{name} = %({name})s" in where for name in given)
        found = [row for row in self.rows if all(row[name] == value for name, value in given.items())]
        if limit is not None:
            assert int(offset) >= 0, "ClickHouse refuses an OFFSET below 0"
            found = found[int(offset) :][: int(limit)]
        names = ["pipeline_id", "task_id", "raw_data_id", "min_hashes", "data"]
        return [tuple(row.get(name) for name in names) for row in found], [(name, "String") for name in names]


class FakePool:
    def __init__(self) -> None:
        self.client = FakeClient()

    @contextmanager
    def get_connection(self):
        yield self.client


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return caption_rows(write_clips(tmp_path_factory.mktemp("clips"), 4))


@pytest.fixture
def database(rows, monkeypatch) -> FakeClient:
    pool = FakePool()
    monkeypatch.setattr(storages, "get_myscale_pool", lambda config: pool)
    for number, row in enumerate(rows):
        data = json.dumps({"sys:raw_data_id": number, **row})
        pool.client.rows.append(
            {"pipeline_id": "p", "task_id": "in", "raw_data_id": number, "min_hashes": [0], "data": data}
        )
    return pool.client


def page(size: Any, number: int) -> Any:
    options = {"pipeline_id": "p", "input_task_id": "in", "output_task_id": "out"}
    storage = storages.MyScaleDBStorage({"host": "localhost"}, **options, page_size=size, page_num=number)
    storage.page_size = size  # None becomes 10000 in the constructor
    return storage


def out(database: FakeClient) -> pandas.DataFrame:
    return pandas.DataFrame([json.loads(row["data"]) for row in database.rows if row["task_id"] == "out"])


def test_a_page_of_a_database_is_not_taken_for_the_table(database):
    operator = EMScoreEval(clip_model_path="toy", idf=True)
    with pytest.raises(InputError, match=r"gives its rows in parts.*idf = vqe_core.EMScore\(") as caught:
        operator.run(page(2, 1))
    assert "page_size=2" in str(caught.value)
    assert not [row for row in database.rows if row["task_id"] == "out"]
    with pytest.raises(InputError, match=r"page_size=10000"):
        operator.run(storages.MyScaleDBStorage({}, "p", "in", "out", page_num=1))


def test_what_is_fitted_first_makes_pages_what_the_table_is(rows, database):
    idf = EMScore(clip_model_path="toy").fit([row["reference"] for row in rows]).idf
    whole = EMScoreEval(clip_model_path="toy", idf=idf)
    whole.run(page(None, 1))
    expected = out(database)
    database.rows[:] = [row for row in database.rows if row["task_id"] == "in"]
    for number in (1, 2, 3):
        whole.run(page(2, number))
    found = out(database)
    assert found["emscore_status"].tolist() == expected["emscore_status"].tolist() == ["not_found", *["ok"] * 4]
    for name in ("EMScore(X,V)_figr_P", "EMScore(X,X*)_figr_P"):
        assert found[name].iloc[1:].tolist() == expected[name].iloc[1:].tolist()


def test_idf_over_the_whole_table_is_taken(rows, database):
    EMScoreEval(clip_model_path="toy", idf=True).run(page(None, 1))
    assert out(database)["emscore_status"].tolist() == ["not_found", *["ok"] * 4]


def test_a_percentile_of_pages_needs_a_bank(rows, database, caplog):
    options = {"hf_clip": "toy", "method": "tags"}
    VideoAudioSimilarity(**options).run(page(3, 1))
    assert "percentile" not in out(database) or out(database)["percentile"].isna().all()
    with pytest.raises(InputError, match=r"gives its rows in parts.*reference_bank=bank"):
        VideoAudioSimilarity(**options, min_percentile=0.5).run(page(3, 1))
    database.rows[:] = [row for row in database.rows if row["task_id"] == "in"]
    videos = [row["video_path"] for row in rows[1:]]
    bank = Scorer(**options).fit_bank(videos=videos).reference_bank
    for number in (1, 2):
        VideoAudioSimilarity(**options, reference_bank=bank).run(page(3, number))
    assert out(database)["percentile"].notna().sum() == 4


class Unheard(DataFlowStorage):
    """A storage of somebody's own that gives its rows in parts, and nothing about it says so."""

    def __init__(self, frame: pandas.DataFrame, size: int) -> None:
        self._frame, self._size, self._at, self.written = frame, size, 0, []

    def get_keys_from_dataframe(self) -> list[str]:
        return list(self._frame.columns)

    def read(self, output_type: str = "dataframe") -> pandas.DataFrame:
        found = self._frame.iloc[self._at : self._at + self._size]
        self._at += self._size
        return found

    def write(self, data: pandas.DataFrame) -> None:
        self.written.append(data)


def test_a_storage_that_gives_other_rows_when_it_is_read_again_gives_parts(rows):
    storage = Unheard(pandas.DataFrame(rows), 2)
    operator = EMScoreEval(clip_model_path="toy", idf=True)
    operator.run(storage)
    with pytest.raises(InputError, match="it gave other rows when it was read before"):
        operator.run(storage)
    assert len(storage.written) == 1


def test_a_storage_of_one_part_may_be_read_again(rows):
    storage = in_memory(pandas.DataFrame(rows))
    operator = EMScoreEval(clip_model_path="toy", idf=True, overwrite=True)
    for _ in range(2):
        operator.run(storage)
    assert storage.held["emscore_status"].tolist()[0] == "not_found"


@pytest.mark.parametrize("kind", ["FileStorage", "LazyFileStorage", "BatchedFileStorage", "StreamBatchedFileStorage"])
def test_files_are_whole_unless_they_have_a_batch_size(rows, tmp_path, kind):
    storage = storage_of(rows, "jsonl", tmp_path, kind)
    assert tells_of_parts(storage) == ""
    if "Batched" in kind:
        storage.batch_size = 2
        assert tells_of_parts(storage) == "batch_size=2"
