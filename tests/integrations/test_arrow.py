"""Scores beside the columns of Arrow tables are those of the scorer, and Ray Data keeps the columns it has."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.required import required_package
from vqe_core import EMScore
from vqe_core.errors import InputError
from vqe_core.integrations.arrow import ScoreArrow, score_ray_data
from vqe_core.toy.clips import make_clip, write_clip

TOY = {"clip_model_path": "toy", "metrics": "cogr", "frame_num": 3}
SCORE = "EMScore(X,V)_cogr"


@pytest.fixture
def table(tmp_path):
    """Three rows about a clip, one about none."""
    write_clip(make_clip(0), tmp_path / "clip.mp4")
    videos = ["clip.mp4", "none.mp4", "clip.mp4"]
    return pa.table({"id": [1, 2, 3], "video_path": videos, "candidate": ["a circle", "a dog", "a red square"]})


def test_columns_stay_and_scores_are_those_of_the_scorer(table, tmp_path):
    scored = ScoreArrow(**TOY, base_dir=str(tmp_path))(table)
    expected = EMScore(**TOY, on_error="skip").score_batch(table.to_pydict(), str(tmp_path))
    assert scored.select(table.column_names) == table
    assert scored["status"].to_pylist() == expected.status == ["ok", "not_found", "ok"]
    one, none, other = scored[SCORE].to_pylist()
    assert none is None and [one, other] == pytest.approx([expected.rows[SCORE][i] for i in (0, 2)], abs=1e-7)
    assert scored.schema.field(SCORE).type == pa.float32()


def test_record_batches_and_no_rows_have_the_same_columns(table, tmp_path):
    score = ScoreArrow(**TOY, base_dir=str(tmp_path))
    schema = score(table).schema
    batches = list(score.batches([*table.to_batches(max_chunksize=2), table.to_batches()[0].slice(0, 0)]))
    assert [batch.num_rows for batch in batches] == [2, 1, 0]
    assert all(isinstance(batch, pa.RecordBatch) and batch.schema == schema for batch in batches)


def test_what_would_differ_from_batch_to_batch_is_refused_before_the_work():
    with pytest.raises(InputError, match="idf=True would differ from batch to batch"):
        ScoreArrow(**TOY, idf=True)


@pytest.mark.slow
def test_ray_data_keeps_the_columns_of_its_rows(table, tmp_path):
    ray = required_package("ray")
    data = required_package("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        rows = score_ray_data(data.from_arrow(table), rows_per_batch=2, base_dir=str(tmp_path), **TOY).take_all()
    finally:
        ray.shutdown()
    assert [row["id"] for row in rows] == [1, 2, 3] and [row["status"] for row in rows] == ["ok", "not_found", "ok"]
    assert rows[0][SCORE] == pytest.approx(ScoreArrow(**TOY, base_dir=str(tmp_path))(table)[SCORE][0].as_py())
