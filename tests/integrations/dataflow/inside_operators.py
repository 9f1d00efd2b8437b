"""Both operators over every form of storage. Run by ``test_in_dataflow.py``, where open-dataflow is installed."""

import inspect
import json
import logging
import pickle

import numpy as np
import pytest

import vqe_core
from tests.integrations.dataflow.tables import FORMATS, caption_rows, in_memory, storage_of, write_clips, written
from vqe_core.errors import InputError, InputTypeError, MediaNotFoundError
from vqe_core.integrations.dataflow import EMScoreEval, VideoAudioSimilarity

TYPES = ("EMScore(X,V)", "EMScore(X,X*)", "EMScore(X,V,X*)")
METRICS = ("figr_P", "figr_R", "figr_F", "cogr", "full_P", "full_R", "full_F")
ALL_SCORES = [f"{kind}_{metric}" for kind in TYPES for metric in METRICS]
SIMILARITIES = ["avg_similarity", "max_similarity", "min_similarity", "passed_filter"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def captions(clips):
    rows = caption_rows(clips)
    scorer = vqe_core.EMScore(clip_model_path="toy", every_n_seconds=0.5, return_all_frames=True, on_error="skip")
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return rows, scorer.score(**scorer.inputs_from(columns))


@pytest.mark.parametrize("form", FORMATS)
def test_captions_in_every_form_of_storage(form, captions, tmp_path):
    rows, report = captions
    storage = storage_of(rows, form, tmp_path)
    operator = EMScoreEval(every_n_seconds=0.5, return_all_frames=True, clip_model_path="toy")
    names = operator.run(storage.step())
    assert names == [*ALL_SCORES, "frame_details", "emscore_warnings", "emscore_status", "emscore_message"]
    frame = written(storage)
    assert list(frame.columns) == [*rows[0], *names]
    assert frame["video_path"].tolist() == [row["video_path"] for row in rows]
    for name in ALL_SCORES:
        np.testing.assert_allclose(frame[name].astype(float), report.rows[name], atol=1e-6, err_msg=name)
    assert frame["emscore_status"].tolist() == ["not_found", "ok", "ok", "ok"]
    assert "no video file at 'nowhere.mp4'" in frame["emscore_message"][0]
    details = [json.loads(text) for text in frame["frame_details"]]
    assert details[0] == []
    assert [len(each) for each in details[1:]] == [len(each) for each in report.details["frame_details"][1:]]
    first = details[1][0]
    assert (first["frame_index"], first["timestamp"]) == (0, 0.0)
    assert set(first) == {"frame_index", "timestamp", *TYPES}
    assert set(first["EMScore(X,V)"]) == set(METRICS)
    assert operator.summary["num_failed"] == 1
    assert operator.summary["signature"] == report.signature


@pytest.mark.parametrize("form", FORMATS)
def test_sounds_in_every_form_of_storage(form, clips, tmp_path):
    paths = [str(path) for path in clips]
    rows = [
        {"video_path": v, "audio_path": a} for v, a in zip(["nowhere.mp4", *paths], [paths[0], *paths], strict=True)
    ]
    storage = storage_of(rows, form, tmp_path)
    operator = VideoAudioSimilarity(hf_clip="toy", method="tags")
    names = operator.run(storage.step())
    assert names[:4] == SIMILARITIES
    assert names[-2:] == ["video_audio_status", "video_audio_message"]
    frame = written(storage)
    assert list(frame.columns) == [*rows[0], *names]
    scorer = vqe_core.VideoAudioSimilarity(hf_clip="toy", method="tags", on_error="skip", min_score=0.0, max_score=1.0)
    report = scorer.score(videos=["nowhere.mp4", *paths], audios=[paths[0], *paths])
    for name in SIMILARITIES:
        np.testing.assert_allclose(frame[name].astype(float), np.array(report.rows[name], float), atol=1e-6)
    assert frame["passed_filter"].dtype == bool
    assert not frame["passed_filter"][0]
    assert frame["video_audio_status"].tolist() == ["not_found", "ok", "ok", "ok"]
    assert frame["avg_similarity"].isna().tolist() == [True, False, False, False]


def test_unscored_cells_are_null_in_strict_json(captions, tmp_path):
    rows, _ = captions
    storage = storage_of(rows, "jsonl", tmp_path)
    EMScoreEval(clip_model_path="toy", metrics=["cogr"]).run(storage.step())
    lines = (tmp_path / "cache/dataflow_cache_step_step1.jsonl").read_text().splitlines()

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    first = json.loads(lines[0], parse_constant=refuse)
    assert first["EMScore(X,V)_cogr"] is None


def test_a_row_lacks_only_the_scores_that_it_lacks_the_inputs_for(clips, tmp_path):
    rows = caption_rows(clips)[1:]
    rows[0]["reference"] = None
    storage = storage_of(rows, "jsonl", tmp_path)
    EMScoreEval(clip_model_path="toy", metrics=["full_F"]).run(storage.step())
    frame = written(storage)
    assert frame["EMScore(X,X*)_full_F"].isna().tolist() == [True, False, False]
    assert frame["EMScore(X,V)_full_F"].notna().all()
    assert "EMScore(X,X*)" in frame["emscore_message"][0]


def test_without_a_reference_column_the_video_alone_judges(clips, tmp_path):
    rows = [{"clip": row["video_path"], "text": row["candidate"]} for row in caption_rows(clips)[1:]]
    storage = storage_of(rows, "parquet", tmp_path)
    names = EMScoreEval(clip_model_path="toy", metrics=["cogr"]).run(storage.step(), "clip", "text")
    assert names == ["EMScore(X,V)_cogr", "emscore_warnings", "emscore_status", "emscore_message"]


@pytest.fixture(params=["FileStorage", "BatchedFileStorage"])
def kind(request):
    """Name a storage whose rows are read at once, and one that gives them in batches."""
    return {"kind": request.param, **({"batch_size": 2} if request.param == "BatchedFileStorage" else {})}


def step_of(rows, form, folder, kind):
    storage = storage_of(rows, form, folder, kind["kind"])
    if "batch_size" in kind:
        storage.batch_size = kind["batch_size"]
    return storage


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("empty", ["video_path", "reference"])
def test_the_columns_of_the_table_decide_and_not_their_values(form, empty, kind, clips, tmp_path):
    rows = [{**row, empty: None} for row in caption_rows(clips)[1:3]]
    storage = step_of(rows, form, tmp_path, kind)
    names = EMScoreEval(clip_model_path="toy", metrics=["cogr"]).run(storage.step())
    own = ["emscore_warnings", "emscore_status", "emscore_message"]
    assert names == [*(f"{score_type}_cogr" for score_type in TYPES), *own]
    frame = written(storage)
    scored = {"video_path": "EMScore(X,X*)", "reference": "EMScore(X,V)"}[empty]
    for score_type in TYPES:
        assert frame[f"{score_type}_cogr"].notna().tolist() == [score_type == scored] * 2
    assert frame["emscore_status"].tolist() == ["ok", "ok"]


def test_a_column_without_a_video_fails_its_rows_and_not_the_storage(kind, clips, tmp_path):
    rows = [{**row, "video_path": None} for row in caption_rows(clips)[1:3]]
    storage = step_of(rows, "jsonl", tmp_path, kind)
    EMScoreEval(clip_model_path="toy", score_types=["EMScore(X,V)"], metrics=["cogr"]).run(storage.step())
    frame = written(storage)
    assert frame["emscore_status"].tolist() == ["no_input", "no_input"]
    assert frame["EMScore(X,V)_cogr"].isna().all()


def test_a_column_without_a_description_fails_its_rows_and_not_the_storage(kind, clips, tmp_path):
    rows = [{"video_path": str(path), "audio_description": None} for path in clips[:2]]
    storage = step_of(rows, "jsonl", tmp_path, kind)
    names = VideoAudioSimilarity(hf_clip="toy").run(storage.step())
    assert {*SIMILARITIES, "description"} <= set(names)
    assert written(storage)["video_audio_status"].tolist() == ["no_description", "no_description"]


def test_idf_is_counted_in_all_rows_of_a_storage(captions, tmp_path):
    rows, _ = captions
    storage = storage_of(rows, "jsonl", tmp_path)
    EMScoreEval(clip_model_path="toy", metrics=["figr_P"], idf=True).run(storage.step())
    scorer = vqe_core.EMScore(clip_model_path="toy", metrics=["figr_P"], idf=True, on_error="skip")
    report = scorer.score(**scorer.inputs_from({name: [row[name] for row in rows] for name in rows[0]}))
    found = written(storage)["EMScore(X,V)_figr_P"].astype(float)
    np.testing.assert_allclose(found, report.rows["EMScore(X,V)_figr_P"], atol=1e-6)


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_row_of_several_videos_and_paths_from_a_folder(form, clips, tmp_path):
    rows = [{"video_path": ["clip_0.mp4", "clip_1.mp4"], "audio_path": "clip_0.mp4"}] * 2
    storage = storage_of(rows, form, tmp_path)
    operator = VideoAudioSimilarity(hf_clip="toy", method="tags", base_dir=str(clips[0].parent), on_error="raise")
    operator.run(storage.step())
    assert written(storage)["video_audio_status"].tolist() == ["ok", "ok"]


def test_relative_paths_start_from_the_working_directory(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(clips[0].parent)
    storage = storage_of([{"video_path": "clip_0.mp4", "candidate": "a circle"}], "jsonl", tmp_path)
    EMScoreEval(clip_model_path="toy", on_error="raise").run(storage.step())
    assert written(storage)["emscore_status"].tolist() == ["ok"]


def test_segments_and_signature_columns(clips, tmp_path):
    row = {"video_path": str(clips[0]), "candidate": "a circle", "from": 0.5, "to": 1.0}
    storage = storage_of([row], "jsonl", tmp_path)
    operator = EMScoreEval(every_n_frames=1, clip_model_path="toy", return_all_frames=True, signature_key="signature")
    names = operator.run(storage.step(), start_key="from", end_key="to")
    assert names[-1] == "signature"
    frame = written(storage)
    times = [each["timestamp"] for each in json.loads(frame["frame_details"][0])]
    assert min(times) >= 0.5
    assert max(times) < 1.0
    signature = frame["signature"][0]
    assert (json.loads(signature) if isinstance(signature, str) else signature)["model"] == "toy"


def test_operators_follow_each_other_and_guard_what_is_there(captions, tmp_path):
    rows, _ = captions
    storage = storage_of(rows, "jsonl", tmp_path)
    EMScoreEval(clip_model_path="toy", return_all_frames=True).run(storage.step())
    VideoAudioSimilarity(hf_clip="toy", method="tags").run(storage.step())
    again = EMScoreEval(clip_model_path="toy", metrics=["cogr"])
    step = storage.step()
    with pytest.raises(InputError, match=r"has columns \['EMScore\(X,V\)_figr_P'.*overwrite=True"):
        again.run(step)
    EMScoreEval(clip_model_path="toy", metrics=["cogr"], overwrite=True).run(step)
    frame = written(storage, 3)
    assert {"EMScore(X,V)_cogr", "avg_similarity", "emscore_status", "video_audio_status"} <= set(frame.columns)
    assert frame.columns.is_unique


def test_with_raise_nothing_is_written(captions, tmp_path):
    rows, _ = captions
    storage = storage_of(rows, "jsonl", tmp_path)
    with pytest.raises(MediaNotFoundError, match="row 0"):
        EMScoreEval(clip_model_path="toy", on_error="raise").run(storage.step())
    assert not (tmp_path / "cache").exists()


def test_a_storage_without_rows_gets_the_columns(tmp_path):
    import pandas

    for operator, some in (
        (EMScoreEval(clip_model_path="toy", return_all_frames=True), ["EMScore(X,V)_cogr", "frame_details"]),
        (VideoAudioSimilarity(hf_clip="toy"), SIMILARITIES),
    ):
        storage = in_memory(pandas.DataFrame({"video_path": []}))
        names = operator.run(storage)
        assert set(some) <= set(names)
        assert list(storage.read().columns) == ["video_path", *names]
        assert len(storage.read()) == 0


def test_the_frame_of_a_storage_is_not_changed_and_its_index_stays(captions):
    import pandas

    rows, report = captions
    given = pandas.DataFrame(rows, index=[7, 7, 3, "x"])
    storage = in_memory(given)
    EMScoreEval(every_n_seconds=0.5, clip_model_path="toy", metrics=["cogr"]).run(storage)
    assert list(given.columns) == list(rows[0])
    result = storage.read()
    assert list(result.index) == [7, 7, 3, "x"]
    np.testing.assert_allclose(result["EMScore(X,V)_cogr"], report.rows["EMScore(X,V)_cogr"], atol=1e-6)


def test_parameters_of_the_original_operators_with_their_defaults():
    def shown(function):
        parameters = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}

    assert shown(EMScoreEval) == {
        "every_n_seconds": None,
        "every_n_frames": None,
        "return_all_frames": False,
        "clip_model_path": None,
        "score_types": None,
        "metrics": None,
    }
    keys = {"self": inspect.Parameter.empty, "storage": inspect.Parameter.empty, "video_key": "video_path"}
    assert shown(EMScoreEval.run) == {**keys, "candidate_key": "candidate", "reference_key": "reference"}
    assert shown(VideoAudioSimilarity) == {
        "hf_clip": "openai/clip-vit-base-patch32",
        "trust_remote_code": False,
        "min_score": 0.0,
        "max_score": 1.0,
        "frame_sampling_method": "uniform",
        "frame_num": 3,
        "horizontal_flip": False,
        "vertical_flip": False,
        "any_or_all": "any",
        "reduce_mode": "avg",
    }
    assert shown(VideoAudioSimilarity.run) == {**keys, "audio_key": "audio_path"}


def test_positional_parameters_reach_the_scorer():
    scorer = EMScoreEval(None, 2, True, "toy", ["EMScore(X,V)"], ["cogr"], idf=False, max_frames=9).scorer
    assert (scorer.every_n_frames, scorer.return_all_frames, scorer.clip_model_path) == (2, True, "toy")
    assert (scorer.score_types, scorer.metrics, scorer.max_frames) == (("EMScore(X,V)",), ("cogr",), 9)
    scorer = VideoAudioSimilarity("toy", False, None, 0.5, "uniform", 4, True, True, "all", "max", method="tags").scorer
    assert (scorer.hf_clip, scorer.min_score, scorer.max_score, scorer.frame_num) == ("toy", None, 0.5, 4)
    assert (scorer.horizontal_flip, scorer.vertical_flip) == (True, True)
    assert (scorer.any_or_all, scorer.reduce_mode, scorer.method) == ("all", "max", "tags")


def test_frame_num_is_of_uniform_sampling_only_and_defaults_are_the_scorers():
    assert VideoAudioSimilarity(frame_sampling_method="all_keyframes").scorer.frame_sampler.name == "all_keyframes"
    assert VideoAudioSimilarity().scorer.frame_num is None  # 3, or what a joint model wants
    assert VideoAudioSimilarity(frame_num=5).scorer.frame_sampler.frame_num == 5
    assert VideoAudioSimilarity(every_n_seconds=2).scorer.frame_sampler.every_n_seconds == 2
    assert VideoAudioSimilarity(hf_clip="clip").scorer.hf_clip == "openai/clip-vit-base-patch32"


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: EMScoreEval(every_n_seconds=1, every_n_frames=2), InputError, "exclude each other"),
        (lambda: EMScoreEval(score_types=["EMScore"]), InputError, "score_types"),
        (lambda: EMScoreEval(bogus=1), InputTypeError, "EMScoreEval has no option bogus; there are every_n_seconds"),
        (lambda: EMScoreEval(video_key="v"), InputTypeError, r"columns are named in run\(\), video_key too"),
        (lambda: EMScoreEval(per_sample=True), InputTypeError, "has no option per_sample"),
        (lambda: VideoAudioSimilarity(trust_remote_code=True), InputError, "code from a checkpoint is never run"),
        (lambda: VideoAudioSimilarity(any_or_all="some"), InputError, "any_or_all"),
    ],
)
def test_wrong_parameters_are_told_at_once(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_column_that_is_not_there_is_named(clips, tmp_path):
    storage = storage_of(caption_rows(clips), "jsonl", tmp_path)
    with pytest.raises(InputError, match=r"candidate_key \('caption'\) is no column; there are video_path"):
        EMScoreEval(clip_model_path="toy").run(storage.step(), candidate_key="caption")


def test_operators_are_real_pickle_small_and_describe_themselves():
    from dataflow.core import OperatorABC

    for operator in (EMScoreEval(clip_model_path="toy"), VideoAudioSimilarity(hf_clip="toy")):
        assert isinstance(operator, OperatorABC)
        content = pickle.dumps(operator)
        assert len(content) < 5000
        assert pickle.loads(content).scorer == operator.scorer
        assert "初始化参数" in operator.get_desc()
        assert "初始化参数" in operator.get_desc("zh")
        assert "Initialization Parameters" in operator.get_desc("en")


@pytest.fixture
def log():
    """Collect what the operators write to the log of DataFlow, as (level, words)."""
    from dataflow import get_logger

    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.levelname, record.getMessage()))
    get_logger().addHandler(handler)
    yield lines
    get_logger().removeHandler(handler)


def test_failing_rows_are_logged_up_to_a_bound(log):
    import pandas

    rows = [{"video_path": f"nowhere_{i}.mp4", "candidate": "a circle"} for i in range(12)]
    EMScoreEval(clip_model_path="toy").run(in_memory(pandas.DataFrame(rows)))
    errors = [words for level, words in log if level == "ERROR"]
    assert len(errors) == 10
    assert errors[9].startswith("row 9: [not_found] no video file at 'nowhere_9.mp4'")
    assert any("12 rows, 12 without scores, of which 10 are shown; signature" in words for _, words in log)


@pytest.mark.parametrize(("bound", "warned"), [(0.9999, True), (None, False)])
def test_a_bound_that_no_pair_of_a_joint_space_passes_is_pointed_out(bound, warned, clips, log):
    import pandas

    storage = in_memory(pandas.DataFrame({"video_path": [str(path) for path in clips]}))
    operator = VideoAudioSimilarity(hf_clip="toy", min_score=bound)
    operator.run(storage)
    assert operator.summary["signature"]["method"] == "joint"
    assert any("use min_score=None and min_percentile" in words for level, words in log if level == "WARNING") == warned
