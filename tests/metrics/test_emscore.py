"""EMScore through ``evaluate.load``, against the slow oracle and as users call it."""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
from PIL import Image

import vqe_core
from tests import oracle
from tests.clips import write_clip
from vqe_core.errors import InputError, MediaNotFoundError

EXACT = 1e-5  # float32 here, float64 in the oracle
RESIZED = 1e-3  # torchvision and PIL round a grey level differently here and there
CAPTIONS = ["a red cat runs", "the big dog sits on a blue house", "a man cooks; a woman plays with the ball!"]
REFERENCES = [
    ["a cat runs"],
    ["a dog in a house", "the small dog sits", "a tree"],
    ["a man and a woman play", "zoë 😀"],
]


@pytest.fixture(scope="module")
def metric(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return evaluate.load("metrics/emscore", cache_dir=str(tmp_path_factory.mktemp("evaluate")))


def noise(seed: int, count: int, height: int = 32, width: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def lossless(path: Path, frames: np.ndarray) -> str:
    return str(write_clip(path, frames, codec="libx264rgb", pix_fmt="rgb24", options={"qp": "0"}))


def uniform(frames: np.ndarray, count: int = 10) -> np.ndarray:
    return frames[np.linspace(0, len(frames) - 1, count).astype(int)]


def check(result: dict[str, Any], row: int, expected: dict[str, dict[str, float]], tolerance: float) -> None:
    for score_type, metrics in expected.items():
        for name, value in metrics.items():
            measured = result["samples"][f"{score_type}_{name}"][row]
            assert measured == pytest.approx(value, abs=tolerance), (row, score_type, name)


@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize(("size", "tolerance"), [((32, 32), EXACT), ((32, 41), EXACT), ((75, 60), RESIZED)])
def test_equals_the_published_formula(metric, clip_folder, tmp_path, idf, size, tolerance):
    clips = [noise(i, 7 + 6 * i, *size) for i in range(3)]  # fewer frames than sampled, and more
    videos = [lossless(tmp_path / f"{i}.mp4", clip) for i, clip in enumerate(clips)]
    result = metric.compute(
        predictions=CAPTIONS,
        videos=videos,
        references=REFERENCES,
        idf=idf,
        per_sample=True,
        clip_model_path=clip_folder,
    )
    weigh = oracle.idf_weights(clip_folder, [text for row in REFERENCES for text in row]) if idf else None
    means: dict[str, list[float]] = {}
    for row, (caption, references, clip) in enumerate(zip(CAPTIONS, REFERENCES, clips, strict=True)):
        video = oracle.against_video(clip_folder, caption, uniform(clip), weigh)
        text = oracle.against_references(clip_folder, caption, references, weigh)
        expected = {"EMScore(X,V)": video, "EMScore(X,X*)": text, "EMScore(X,V,X*)": oracle.combined(video, text)}
        check(result, row, expected, tolerance)
        for score_type, metrics in expected.items():
            for name, value in metrics.items():
                means.setdefault(f"{score_type}_{name}", []).append(value)
    for key, values in means.items():
        assert result[key] == pytest.approx(np.mean(values), abs=tolerance)
        assert type(result[key]) is float
    assert (result["num_rows"], result["num_failed"]) == (3, 0)


def test_idf_without_references_counts_the_predictions(metric, clip_folder):
    clips = [noise(i, 4) for i in range(3)]
    result = metric.compute(
        predictions=CAPTIONS, videos=clips, idf=True, per_sample=True, clip_model_path=clip_folder, frame_num=4
    )
    weigh = oracle.idf_weights(clip_folder, CAPTIONS)
    for row, (caption, clip) in enumerate(zip(CAPTIONS, clips, strict=True)):
        check(result, row, {"EMScore(X,V)": oracle.against_video(clip_folder, caption, clip, weigh)}, EXACT)


def test_idf_counts_the_references_also_where_none_is_compared(metric, clip_folder):
    arguments = {
        "predictions": CAPTIONS,
        "videos": [noise(i, 4) for i in range(3)],
        "references": REFERENCES,
        "idf": True,
    }
    every = metric.compute(**arguments, clip_model_path=clip_folder)
    video_only = metric.compute(**arguments, score_types="EMScore(X,V)", clip_model_path=clip_folder)
    assert video_only["signature"]["idf"] == every["signature"]["idf"]
    assert video_only["EMScore(X,V)_full_F"] == every["EMScore(X,V)_full_F"]


def test_a_caption_that_just_fits_the_context(metric, clip_folder):
    caption = " ".join(["cat dog man"] * 25)  # 75 words of one token each, start and end
    assert len(oracle.caption_vectors(clip_folder, caption)[0]) == 77
    clip = noise(3, 10)
    result = metric.compute(predictions=[caption], videos=[clip], per_sample=True, clip_model_path=clip_folder)
    check(result, 0, {"EMScore(X,V)": oracle.against_video(clip_folder, caption, clip)}, EXACT)
    assert result["samples"]["message"] == [""]


def test_a_longer_caption_says_how_it_was_read(metric, clip_folder):
    caption, clip = " ".join(["cat dog man"] * 40), noise(3, 10)
    arguments = {"predictions": [caption], "videos": [clip], "per_sample": True, "clip_model_path": clip_folder}
    windows = metric.compute(**arguments)
    assert windows["samples"]["message"] == ["caption of 122 tokens read in 2 windows of 77"]
    truncated = metric.compute(**arguments, long_text="truncate")
    cut = " ".join(caption.split()[:75])
    check(truncated, 0, {"EMScore(X,V)": oracle.against_video(clip_folder, cut, clip)}, EXACT)
    assert truncated["samples"]["message"] == ["caption truncated to 77 of 122 tokens"]
    refused = metric.compute(**arguments, long_text="error", on_error="skip")
    assert refused["samples"]["status"] == ["text_too_long"]


def test_frame_details_score_each_frame_as_a_video(metric, clip_folder, tmp_path):
    clip = noise(5, 12)
    video = lossless(tmp_path / "clip.mp4", clip)  # 10 frames per second
    arguments = {
        "predictions": CAPTIONS[:1],
        "videos": [video],
        "references": ["a cat runs"],
        "every_n_frames": 4,
        "clip_model_path": clip_folder,
    }
    result = metric.compute(**arguments, return_all_frames=True)
    (details,) = result["frame_details"]
    assert [entry["frame_index"] for entry in details] == [0, 4, 8]
    assert [entry["timestamp"] for entry in details] == pytest.approx([0.0, 0.4, 0.8])
    text = oracle.against_references(clip_folder, CAPTIONS[0], ["a cat runs"])
    for entry in details:
        video_scores = oracle.against_video(clip_folder, CAPTIONS[0], [clip[entry["frame_index"]]])
        assert entry["EMScore(X,V)"] == pytest.approx(video_scores, abs=EXACT)
        assert entry["EMScore(X,X*)"] == pytest.approx(text, abs=EXACT)
        assert entry["EMScore(X,V,X*)"] == pytest.approx(oracle.combined(video_scores, text), abs=EXACT)
    averaged = metric.compute(**arguments, frame_aggregation="mean_of_frames")
    for name in oracle.METRICS:
        mean = np.mean([entry["EMScore(X,V)"][name] for entry in details])
        assert averaged[f"EMScore(X,V)_{name}"] == pytest.approx(mean, abs=EXACT)


def test_columns_and_rows_may_lack_videos_or_references(metric, clip_folder):
    clip = noise(1, 3)
    both = metric.compute(
        predictions=["a cat", "a dog", "a man"],
        videos=[clip, None, clip],
        references=["a cat", ["a dog", "the dog"], None],
        per_sample=True,
        clip_model_path=clip_folder,
    )
    known = {
        key: [not math.isnan(v) for v in column] for key, column in both["samples"].items() if key.endswith("cogr")
    }
    assert known == {
        "EMScore(X,V)_cogr": [True, False, True],
        "EMScore(X,X*)_cogr": [True, True, False],
        "EMScore(X,V,X*)_cogr": [True, False, False],
    }
    assert both["samples"]["status"] == ["ok"] * 3
    assert both["samples"]["message"] == [
        "",
        "no video in this row: EMScore(X,V), EMScore(X,V,X*) left out",
        "no references in this row: EMScore(X,X*), EMScore(X,V,X*) left out",
    ]
    text_only = metric.compute(predictions=["a cat"], references=["a cat"], clip_model_path=clip_folder)
    assert text_only["EMScore(X,X*)_full_F"] == pytest.approx(1.0, abs=1e-6)
    assert not any(key.startswith("EMScore(X,V)") for key in text_only)


def test_add_and_add_batch_equal_compute(metric, clip_folder):
    clip = noise(1, 3)
    metric.add(prediction="a cat", videos=clip)
    metric.add(prediction="a dog", reference=["the dog", "a tree"])
    metric.add_batch(predictions=["a man", "a ball"], videos=[None, clip], references=["a man", None])
    added = metric.compute(clip_model_path=clip_folder, per_sample=True)
    at_once = metric.compute(
        predictions=["a cat", "a dog", "a man", "a ball"],
        videos=[clip, None, None, clip],
        references=[None, ["the dog", "a tree"], "a man", None],
        clip_model_path=clip_folder,
        per_sample=True,
    )
    for key, column in at_once["samples"].items():
        np.testing.assert_array_equal(added["samples"][key], column)


def test_every_form_of_a_video_scores_alike(metric, clip_folder, tmp_path):
    clip = noise(2, 6)
    path = lossless(tmp_path / "clip.mp4", clip)
    content = Path(path).read_bytes()
    forms = [path, content, {"path": path, "bytes": None}, {"path": None, "bytes": content}, clip, list(clip)]
    forms += [[Image.fromarray(frame) for frame in clip], {"path": path, "start": 0.0, "end": 60.0}]
    result = metric.compute(
        predictions=["a cat"] * len(forms), videos=forms, per_sample=True, clip_model_path=clip_folder
    )
    scores = result["samples"]["EMScore(X,V)_full_F"]
    assert scores == pytest.approx([scores[0]] * len(forms), abs=1e-6)


def test_bad_rows_say_why_and_the_others_score(metric, clip_folder, tmp_path):
    good = noise(2, 6)
    (tmp_path / "text.mp4").write_text("this is no video")
    rows = [
        ("a cat", good, "ok"),
        (None, good, "bad_caption"),
        (3.5, good, "bad_caption"),
        ("   ", good, "empty_caption"),
        ("a cat", str(tmp_path / "missing.mp4"), "not_found"),
        ("a cat", str(tmp_path), "is_directory"),
        ("a cat", str(tmp_path / "text.mp4"), "format_not_allowed"),
        ("a cat", 7, "bad_type"),
        ("a cat", None, "no_input"),
        ("\ud800", good, "bad_caption"),
        ("a dog", good, "ok"),
    ]
    captions, videos, expected = (list(column) for column in zip(*rows, strict=True))
    result = metric.compute(
        predictions=captions, videos=videos, on_error="skip", per_sample=True, clip_model_path=clip_folder
    )
    assert result["samples"]["status"] == expected
    assert result["num_failed"] == 9
    full = result["samples"]["EMScore(X,V)_full_F"]
    assert [math.isnan(value) for value in full] == [status != "ok" for status in expected]
    alone = metric.compute(predictions=["a cat", "a dog"], videos=[good, good], clip_model_path=clip_folder)
    assert result["EMScore(X,V)_full_F"] == pytest.approx(alone["EMScore(X,V)_full_F"], abs=1e-6)
    assert result["samples"]["message"][2].startswith("predictions (3.5) must be a string, got float")


def test_raise_names_row_value_and_way_out(metric, clip_folder, tmp_path):
    missing = str(tmp_path / "missing.mp4")
    with pytest.raises(MediaNotFoundError, match=re.escape(f"row 1: [not_found] no video file at {missing!r}")):
        metric.compute(predictions=["a", "b"], videos=[noise(0, 2), missing], clip_model_path=clip_folder)
    with pytest.raises(FileNotFoundError):
        metric.compute(predictions=["a"], videos=[missing], clip_model_path=clip_folder)
    with pytest.warns(UserWarning, match=re.escape("1 of 2 rows cannot be scored")):
        metric.compute(
            predictions=["a", "b"], videos=[noise(0, 2), missing], clip_model_path=clip_folder, on_error="warn"
        )


def test_when_no_row_scores_the_means_are_nan_and_never_zero(metric, clip_folder):
    result = metric.compute(predictions=["a"], videos=["no.mp4"], clip_model_path=clip_folder, on_error="skip")
    assert math.isnan(result["EMScore(X,V)_full_F"])
    assert (result["num_rows"], result["num_failed"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"predictions": "a cat"}, "predictions must be a list with one entry a row, got str"),
        ({"predictions": []}, "predictions is empty; give at least one row"),
        ({"predictions": ["a"], "videos": ["x", "y"]}, "columns must have one entry a row, got lengths"),
        ({"predictions": ["a"]}, "a caption is judged by something: give videos, references, or both"),
        ({"predictions": None, "videos": ["x"]}, "predictions must be given"),
        ({"predictions": ["a"], "references": ["a"], "audios": ["x"]}, "unexpected keyword argument 'audios'"),
        ({"predictions": ["a"], "references": ["a"], "bogus": 1}, "unexpected keyword argument 'bogus'"),
        ({"predictions": ["a"], "references": ["a"], "idf": 3}, "idf (3) must be False, True"),
        ({"predictions": ["a"], "references": ["a"], "metrics": ["bleu"]}, "metrics (['bleu']) must be among figr_P"),
        ({"predictions": ["a"], "references": ["a"], "score_types": "EMScore(X,V)"}, "EMScore(X,V) needs videos"),
        ({"predictions": ["a"], "references": ["a"], "on_error": "ignore"}, "on_error ('ignore') must be one of raise"),
        ({"predictions": ["a"], "references": ["a"], "batch_size": 0}, "batch_size (0) must be a whole number"),
        ({"predictions": ["a"], "references": ["a"], "dtype": "int8"}, "dtype ('int8') must be one of auto"),
        ({"predictions": ["a"], "references": ["a"], "device": "abacus"}, "device ('abacus') cannot be used here"),
        (
            {"predictions": ["a"], "references": ["a"], "every_n_seconds": 1, "every_n_frames": 1},
            "every_n_seconds (1) and every_n_frames (1) exclude each other",
        ),
    ],
)
def test_wrong_calls_are_told_plainly(metric, clip_folder, arguments, words):
    with pytest.raises((InputError, TypeError), match=re.escape(words)):
        metric.compute(**{"clip_model_path": clip_folder, **arguments})


def test_scores_and_metrics_can_be_chosen(metric, clip_folder):
    result = metric.compute(
        predictions=["a cat"],
        references=["a dog"],
        videos=[noise(0, 2)],
        score_types=["EMScore(X,X*)"],
        metrics=["full_F", "cogr"],
        clip_model_path=clip_folder,
    )
    assert [key for key in result if key.startswith("EMScore")] == ["EMScore(X,X*)_full_F", "EMScore(X,X*)_cogr"]


def test_the_signature_names_what_can_change_a_number(metric, clip_folder):
    def signature(**options: Any) -> dict[str, Any]:
        return metric.compute(predictions=["a cat"], videos=[noise(0, 4)], clip_model_path=clip_folder, **options)[
            "signature"
        ]

    base = signature()
    assert base["model"] == Path(clip_folder).name
    assert base["revision"].startswith("local-")
    assert base["sampler"] == {"name": "uniform", "frame_num": 10}
    assert signature(batch_size=3, progress=False, on_error="skip", per_sample=True) == base
    for changed in ({"frame_num": 3}, {"idf": ["a cat"]}, {"long_text": "truncate"}, {"dtype": "bfloat16"}):
        assert signature(**changed) != base, changed


def test_the_metric_pickles_before_and_after_compute(metric, clip_folder):
    metric.compute(predictions=["a"], references=["a"], clip_model_path=clip_folder)
    again = pickle.loads(pickle.dumps(metric))
    assert again.compute(predictions=["a"], references=["a"], clip_model_path=clip_folder)["num_rows"] == 1


def test_spilled_inputs_are_removed(metric, clip_folder):
    metric.compute(predictions=["a"], videos=[noise(0, 2)], clip_model_path=clip_folder)
    with pytest.raises(InputError):
        metric.compute(predictions=["a"], videos=[noise(0, 2)], clip_model_path=clip_folder, metrics=["bleu"])
    assert not list(Path(metric.data_dir).glob("spill-*"))
    assert not list(Path(metric.data_dir).glob("*.arrow"))


def test_two_metrics_side_by_side_keep_their_own_rows(tmp_path, clip_folder):
    one, two = (evaluate.load("metrics/emscore", cache_dir=str(tmp_path)) for _ in range(2))
    clips = [noise(0, 3), noise(1, 3)]
    alone = [one.compute(predictions=["a cat"], videos=[clip], clip_model_path=clip_folder) for clip in clips]
    for module, clip in zip((one, two), clips, strict=True):
        module.add(prediction="a cat", videos=clip)
    for module, expected in zip((one, two), alone, strict=True):
        assert module.compute(clip_model_path=clip_folder) == expected
    combined = evaluate.combine({"a": one, "b": two})
    combined.add_batch(predictions=["a cat"], references=None, videos=[clips[0]])
    result = combined.compute(clip_model_path=clip_folder)
    assert result["a_EMScore(X,V)_cogr"] == result["b_EMScore(X,V)_cogr"] == alone[0]["EMScore(X,V)_cogr"]


def test_a_misspelt_option_does_not_use_up_the_rows(metric, clip_folder):
    metric.add(prediction="a cat", reference="a cat")
    with pytest.raises(TypeError, match="metric"):
        metric.compute(metric="cogr", clip_model_path=clip_folder)
    assert metric.compute(clip_model_path=clip_folder)["num_rows"] == 1


def test_a_video_that_no_score_type_needs_is_not_opened(metric, clip_folder):
    arguments = {"predictions": ["a cat"], "references": ["a cat"], "videos": ["none.mp4"]}
    result = metric.compute(**arguments, score_types="EMScore(X,X*)", clip_model_path=clip_folder)
    assert result["num_failed"] == 0


def test_python_and_evaluate_give_the_same(metric, clip_folder):
    rows = {"predictions": CAPTIONS, "videos": [noise(i, 5) for i in range(3)], "references": REFERENCES}
    options = {"clip_model_path": clip_folder, "idf": True, "per_sample": True}
    assert metric.compute(**rows, **options) == vqe_core.EMScore(**options).compute(**rows)


def test_real_clips(metric, shared_media):
    import json

    rows = [json.loads(line) for line in (shared_media / "rows.jsonl").read_text().splitlines()]
    result = metric.compute(
        predictions=[row["candidate"] for row in rows],
        references=[row["reference"] for row in rows],
        videos=[str(shared_media / row["video_path"]) for row in rows],
        every_n_seconds=1,
        return_all_frames=True,
        clip_model_path="toy",
    )
    assert (result["num_rows"], result["num_failed"]) == (3, 0)
    for details in result["frame_details"]:
        times = [entry["timestamp"] for entry in details]
        # The frame on display at 0, 1, 2 ... seconds began at most one frame (1/24 s) earlier.
        assert all(second - 1 / 23 < time <= second + 1e-3 for second, time in enumerate(times))
