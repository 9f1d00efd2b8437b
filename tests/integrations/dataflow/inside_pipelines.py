"""Registry and pipelines. Run by ``test_in_dataflow.py``, where open-dataflow is installed."""

import subprocess
import sys

import numpy as np
import pytest

from tests.integrations.dataflow.tables import caption_rows, storage_of, write_clips, written
from vqe_core.errors import InputError
from vqe_core.integrations import dataflow as ours
from vqe_core.integrations.dataflow import EMScoreEval, VideoAudioSimilarity


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def registry():
    """Return the registry, restored afterwards."""
    from dataflow.utils.registry import OPERATOR_REGISTRY

    entries = OPERATOR_REGISTRY.get_obj_map()
    before = dict(entries)
    yield OPERATOR_REGISTRY
    entries.clear()
    entries.update(before)


def test_the_registry_knows_the_operators_by_names_of_their_own(registry):
    assert registry.get("VqeEMScoreEval") is EMScoreEval
    assert registry.get("VqeVideoAudioSimilarity") is VideoAudioSimilarity
    assert "EMScoreEval" not in registry
    assert registry.get_type_of_objects()["VqeEMScoreEval"][0] == "vqe_core"


def test_on_request_they_have_their_plain_names(registry):
    assert ours.register() == ["EMScoreEval", "VideoAudioSimilarity"]
    assert ours.register() == ["EMScoreEval", "VideoAudioSimilarity"]
    assert registry.get("EMScoreEval") is EMScoreEval


def test_a_class_of_the_same_name_stays_until_it_is_replaced(registry):
    other = type("EMScoreEval", (), {})
    registry.register(other)
    with pytest.raises(InputError, match=r"EMScoreEval \(.*\) is in OPERATOR_REGISTRY already.*VqeEMScoreEval"):
        ours.register()
    assert registry.get("EMScoreEval") is other
    assert "VideoAudioSimilarity" not in registry
    ours.register(replace=True)
    assert registry.get("EMScoreEval") is EMScoreEval


def test_a_class_registered_before_the_import_is_left_alone():
    code = (
        "from dataflow.utils.registry import OPERATOR_REGISTRY as R\n"
        "other = type('EMScoreEval', (), {}); R.register(other)\n"
        "from vqe_core.integrations.dataflow import EMScoreEval\n"
        "assert R.get('EMScoreEval') is other and R.get('VqeEMScoreEval') is EMScoreEval\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def pipeline_of(storage, base, **options):
    class Pipeline(base):
        def __init__(self):
            super().__init__()
            self.captions = EMScoreEval(clip_model_path="toy", metrics=["cogr", "figr_F"], **options)
            self.sounds = VideoAudioSimilarity(hf_clip="toy", method="tags")

        def forward(self):
            self.captions.run(storage=storage.step())
            self.sounds.run(storage=storage.step())

    return Pipeline()


def test_a_compiled_pipeline_and_one_in_batches_give_the_same_scores(clips, tmp_path):
    from dataflow.pipeline import BatchedPipelineABC, PipelineABC

    rows = caption_rows(clips)
    rows[1]["reference"] = None
    frames = []
    for kind, base, size in (
        ("FileStorage", PipelineABC, {}),
        ("BatchedFileStorage", BatchedPipelineABC, {"batch_size": 2}),
    ):
        folder = tmp_path / kind
        folder.mkdir()
        storage = storage_of(rows, "csv", folder, kind)
        pipeline = pipeline_of(storage, base)
        pipeline.compile()
        pipeline.forward(**size)
        if size:
            storage.batch_size = None
        frames.append(written(storage, 2))
    whole, batched = frames
    assert len(batched) == len(rows)
    assert list(batched.columns) == list(whole.columns)
    for name in ("EMScore(X,V)_cogr", "EMScore(X,X*)_figr_F", "avg_similarity"):
        np.testing.assert_allclose(batched[name], whole[name], atol=1e-5)
    assert batched["emscore_status"].tolist() == whole["emscore_status"].tolist() == ["not_found", "ok", "ok", "ok"]
    assert whole["percentile"].notna().any()
    assert batched["percentile"].isna().all()  # a batch is not the data set


def test_in_batches_words_cannot_be_counted_over_the_data_set(clips, tmp_path):
    storage = storage_of(caption_rows(clips), "csv", tmp_path, "BatchedFileStorage")
    storage.batch_size = 2
    with pytest.raises(InputError, match="idf=True would differ from batch to batch"):
        EMScoreEval(clip_model_path="toy", idf=True).run(storage.step())


def test_a_storage_in_memory_works_too(clips, tmp_path):
    storage = storage_of(caption_rows(clips), "jsonl", tmp_path, "LazyFileStorage", save_on_exit=False)
    EMScoreEval(clip_model_path="toy", metrics=["cogr"]).run(storage.step())
    assert "EMScore(X,V)_cogr" not in storage._buffers[0].columns
    storage.flush_all()
    assert written(storage)["emscore_status"].tolist()[0] == "not_found"
