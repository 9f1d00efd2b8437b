"""``make_compute_metrics`` in real training: padding, order, several processes, and the best checkpoint."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from transformers import EvalPrediction

import vqe_core
from tests.alike import assert_alike
from tests.required import required_package
from tests.tiny_training import toy_rows, toy_trainer
from vqe_core.encoders import load_image_text_encoder
from vqe_core.errors import InputError, MediaNotFoundError
from vqe_core.integrations.trainer import make_compute_metrics

required_package("accelerate")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[datasets.Dataset, Any]:
    return toy_rows(tmp_path_factory.mktemp("clips"), 7)


def generated(tokenizer: Any, captions: list[str], labels: Any = None) -> EvalPrediction:
    """Make what a Seq2SeqTrainer hands over: start token, words, end token, padding, and -100 where batches differ."""
    ids = [tokenizer(caption)["input_ids"] for caption in captions]
    width = max(map(len, ids)) + 2
    padded = [[*row, 0, *[-100] * (width - len(row) - 1)] for row in ids]
    return EvalPrediction(predictions=np.array(padded), label_ids=labels)


def expected(rows: datasets.Dataset, captions: list[str], **options: Any) -> dict[str, Any]:
    return vqe_core.EMScore(**{"clip_model_path": "toy", **options}).compute(
        predictions=captions, videos=list(rows["video"]), references=list(rows["reference"])
    )


def test_captions_are_decoded_without_padding_and_scored(data):
    rows, tokenizer = data
    said = list(rows["reference"])[::-1]
    metrics = make_compute_metrics(rows, tokenizer, clip_model_path="toy")(
        generated(tokenizer, said, np.array(rows["labels"]))
    )
    alone = expected(rows, said)
    assert_alike(
        {key: value for key, value in metrics.items() if key.startswith("EMScore")},
        {key: value for key, value in alone.items() if key.startswith("EMScore")},
    )
    assert metrics["emscore"] == pytest.approx(alone["EMScore(X,V,X*)_full_F"])
    assert (metrics["emscore_num_empty"], metrics["emscore_num_failed"]) == (0, 0)
    assert all(type(value) is float for value in metrics.values())


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: rows.with_transform(lambda batch: {"pixel_values": batch["pixel_values"]}),
        lambda rows: rows.with_format("torch"),
        lambda rows: rows.cast_column("video", datasets.Video()),
        lambda rows: {"video": rows["video"], "reference": rows["reference"]},
        lambda rows: [{"video": row["video"], "reference": row["reference"]} for row in rows],
    ],
    ids=["transform", "torch", "Video column", "columns", "list of rows"],
)
def test_rows_are_read_from_whatever_holds_them(data, form):
    rows, tokenizer = data
    said = list(rows["reference"])[::-1]
    compute_metrics = make_compute_metrics(form(rows), tokenizer, clip_model_path="toy")
    assert compute_metrics(generated(tokenizer, said))["emscore"] == pytest.approx(
        expected(rows, said)["EMScore(X,V,X*)_full_F"], abs=1e-6
    )


def test_the_headline_is_of_what_is_compared(data):
    rows, tokenizer = data
    said = generated(tokenizer, list(rows["reference"]))
    video_only = make_compute_metrics(rows, tokenizer, reference_key=None, clip_model_path="toy")(said)
    assert video_only["emscore"] == pytest.approx(video_only["EMScore(X,V)_full_F"])
    assert "EMScore(X,X*)_full_F" not in video_only
    chosen = {"score_types": ["EMScore(X,X*)"], "metrics": ["cogr"]}
    text_only = make_compute_metrics(rows, tokenizer, clip_model_path="toy", **chosen)(said)
    assert text_only["emscore"] == pytest.approx(1.0, abs=1e-5)
    assert [key for key in text_only if key.startswith("EMScore")] == ["EMScore(X,X*)_cogr"]


def test_saying_nothing_gains_nothing(data):
    rows, tokenizer = data
    said = ["", *list(rows["reference"])[1:]]
    compute_metrics = make_compute_metrics(rows, tokenizer, clip_model_path="toy")
    metrics = compute_metrics(generated(tokenizer, said))
    assert metrics["emscore_num_empty"] == 1
    # The mean of what was said is in the long names; in the headline the empty caption counts 0.
    assert metrics["emscore"] == pytest.approx(metrics["EMScore(X,V,X*)_full_F"] * 6 / 7)
    silent = compute_metrics(generated(tokenizer, [""] * 7))
    assert (silent["emscore"], silent["emscore_num_empty"]) == (0, 7)
    assert silent.keys() == metrics.keys()
    assert math.isnan(silent["EMScore(X,V)_full_F"])


def test_idf_is_counted_once_in_all_references(data):
    rows, tokenizer = data
    said = ["", *list(rows["reference"])[1:]]
    metrics = make_compute_metrics(rows, tokenizer, idf=True, clip_model_path="toy")(generated(tokenizer, said))
    subset = rows.select(range(1, 7))
    alone = expected(subset, said[1:], idf=list(rows["reference"]))
    assert_alike(metrics["EMScore(X,V)_full_F"], alone["EMScore(X,V)_full_F"])


def test_a_second_evaluation_embeds_no_frame_again(data, tmp_path):
    rows, tokenizer = data
    toy = load_image_text_encoder("toy")
    embedded: list[int] = []

    class Counting(type(toy)):
        def embed_images(self, images: torch.Tensor) -> torch.Tensor:
            embedded.append(len(images))
            return super().embed_images(images)

    encoder = Counting(**vars(toy))
    compute_metrics = make_compute_metrics(rows, tokenizer, clip_model_path=encoder, cache_dir=str(tmp_path))
    first = compute_metrics(generated(tokenizer, list(rows["reference"])))
    assert sum(embedded) > 0
    embedded.clear()
    assert compute_metrics(generated(tokenizer, list(rows["reference"]))) == first
    other = compute_metrics(generated(tokenizer, list(rows["reference"])[::-1]))
    assert other["EMScore(X,V)_full_F"] < first["EMScore(X,V)_full_F"]
    assert embedded == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"video_key": "clip"}, "video_key ('clip') is no column; there are video, reference"),
        ({"reference_key": "caption"}, "reference_key ('caption') is no column"),
        ({"scorer": vqe_core.EMScore(), "frame_num": 3}, "give scorer, or options for one (frame_num), not both"),
        ({"idf": True, "reference_key": None}, "idf=True needs reference_key"),
        ({"frame_num": 0}, "frame_num (0) must be a whole number"),
    ],
)
def test_wrong_options_are_told_before_training(data, options, words):
    with pytest.raises(InputError, match=re.escape(words)):
        make_compute_metrics(*data, **options)


def test_a_stream_is_refused(data):
    rows, tokenizer = data
    with pytest.raises(InputError, match="must have a length"):
        make_compute_metrics(rows.to_iterable_dataset(), tokenizer)


def test_rows_that_are_not_those_of_the_data_set_are_told(data):
    rows, tokenizer = data
    said, labels = list(rows["reference"]), np.array(rows["labels"])
    compute_metrics = make_compute_metrics(rows, tokenizer, clip_model_path="toy")
    with pytest.raises(InputError, match="the trainer evaluated 8 rows and eval_dataset has 7"):
        compute_metrics(generated(tokenizer, [*said, said[0]]))
    with pytest.raises(InputError, match="row 0: the trainer's labels are not those of eval_dataset"):
        compute_metrics(generated(tokenizer, said[::-1], labels[::-1]))
    with pytest.raises(InputError, match="set predict_with_generate=True"):
        compute_metrics(EvalPrediction(np.zeros((7, 4, 9), np.float32), labels))
    missing = make_compute_metrics({"video": ["none.mp4"]}, tokenizer, reference_key=None, clip_model_path="toy")
    with pytest.raises(MediaNotFoundError, match=r"none\.mp4"):
        missing(generated(tokenizer, said[:1]))


@pytest.fixture
def first_of_two(monkeypatch):
    """Pose as the first process of a distributed run; the other gets nothing."""
    two = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        get_world_size=lambda: 2,
        get_rank=lambda: 0,
        broadcast_object_list=lambda answer, src: None,
    )
    monkeypatch.setattr("vqe_core.integrations.trainer.dist", two)


def test_rows_that_fill_up_the_last_batch_are_dropped(data, first_of_two):
    rows, tokenizer = data
    said, labels = list(rows["reference"]), np.array(rows["labels"])
    compute_metrics = make_compute_metrics(rows, tokenizer, clip_model_path="toy")
    alone = compute_metrics(generated(tokenizer, said, labels))
    filled = [*range(7), 0, 1, 2]
    more = compute_metrics(generated(tokenizer, [said[i] for i in filled], labels[filled]))
    assert more == alone
    single = make_compute_metrics(rows.select([3]), tokenizer, clip_model_path="toy")  # one row fills up all others
    assert single(generated(tokenizer, [said[3]] * 4, labels[[3] * 4]))["emscore_num_empty"] == 0


@pytest.mark.parametrize("columns", [["video", "reference"], ["video", "reference", "labels"]], ids=len)
def test_more_rows_that_repeat_no_first_row_are_told(data, first_of_two, columns):
    rows, tokenizer = data
    said, labels = list(rows["reference"]), np.array(rows["labels"])
    fewer = make_compute_metrics(rows.select_columns(columns).select(range(5)), tokenizer, clip_model_path="toy")
    with pytest.raises(InputError, match=r"evaluated 7 rows and eval_dataset has 5.*row 5 has not the labels of row 0"):
        fewer(generated(tokenizer, said, labels))
    with pytest.raises(InputError, match="row 5 has not the labels"):
        fewer(generated(tokenizer, said, (labels, np.arange(7))))  # a second kind of label
    with pytest.raises(InputError, match="row 5 has not the labels"):
        fewer(generated(tokenizer, said))
    with pytest.raises(InputError, match="evaluated 4 rows and eval_dataset has 5"):
        fewer(generated(tokenizer, said[:4], labels[:4]))


@pytest.mark.slow
@pytest.mark.parametrize("best", ["emscore", "EMScore(X,V)_full_F"])
def test_the_best_checkpoint_by_emscore_is_the_one_that_is_loaded(data, tmp_path, best):
    rows, tokenizer = data

    def learn_then_wreck(model: torch.nn.Module) -> tuple[Any, Any]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
        # Two thirds of learning, then steps a thousand times too long: the last checkpoint is a bad one.
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 if step < 80 else 1000.0)

    trainer = toy_trainer(
        rows,
        tokenizer,
        make_compute_metrics(rows, tokenizer, clip_model_path="toy", cache_dir=str(tmp_path / "cache")),
        tmp_path / "out",
        optimizers=learn_then_wreck,
        max_steps=120,
        per_device_train_batch_size=7,
        eval_strategy="steps",
        eval_steps=40,
        save_strategy="steps",
        save_steps=40,
        load_best_model_at_end=True,
        metric_for_best_model=best,
    )
    trainer.train()
    key = f"eval_{best}"
    scores = {entry["step"]: entry[key] for entry in trainer.state.log_history if key in entry}
    assert list(scores) == [40, 80, 120]
    winner = max(scores, key=lambda step: scores[step])
    assert winner != 120
    assert trainer.state.best_metric == scores[winner]
    assert Path(trainer.state.best_model_checkpoint).name == f"checkpoint-{winner}"
    loaded = trainer.evaluate()
    assert loaded[key] == pytest.approx(scores[winner], abs=1e-6)
    assert loaded["eval_emscore_num_failed"] == 0


RANK = """
    import json, os, sys
    from pathlib import Path
    import torch.distributed as dist
    import vqe_core
    from tests.tiny_training import toy_rows, toy_trainer
    from vqe_core.integrations.trainer import make_compute_metrics

    class Counting(vqe_core.EMScore):
        calls = []
        def score(self, **columns):
            self.calls.append(len(columns["predictions"]))
            return super().score(**columns)

    folder, rank = Path(sys.argv[1]), os.environ.get("RANK", "0")
    rows, tokenizer = toy_rows(folder.parent / "clips", 7)
    compute_metrics = make_compute_metrics(rows, tokenizer, scorer=Counting(clip_model_path="toy"))
    trainer = toy_trainer(
        rows, tokenizer, compute_metrics, folder / "out", max_steps=2, per_device_train_batch_size=2,
        learning_rate=0.0, eval_strategy="steps", eval_steps=1, save_strategy="steps", save_steps=1,
        load_best_model_at_end=True, metric_for_best_model="emscore",
    )
    trainer.train()
    best = trainer.state.best_metric
    metrics = trainer.evaluate()
    errors = []
    for wrong in ({"video": ["none.mp4"] * 7}, {"video": rows["video"][:6]}):
        trainer.compute_metrics = make_compute_metrics(wrong, tokenizer, reference_key=None, clip_model_path="toy")
        try:
            trainer.evaluate()
        except Exception as caught:
            errors.append(f"{type(caught).__name__}: {caught}")
    scores = {key: value for key, value in metrics.items() if "EMScore" in key or "emscore" in key}
    answer = {"scores": scores, "calls": Counting.calls, "best": best, "errors": errors}
    (folder / f"answer_{rank}.json").write_text(json.dumps(answer))
    trainer.accelerator.end_training()  # torch may abort at exit where the process group is still there
"""


@pytest.mark.slow
def test_several_processes_score_once_and_all_know_the_result(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    (tmp_path / "clips").mkdir()
    toy_rows(tmp_path / "clips", 7)
    answers = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        (folder / "rank.py").write_text(textwrap.dedent(RANK))
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command = [*(launch if processes > 1 else [sys.executable]), str(folder / "rank.py"), str(folder)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
        assert ran.returncode == 0, ran.stderr
        answers[processes] = [json.loads((folder / f"answer_{rank}.json").read_text()) for rank in range(processes)]
    (alone,), (first, second) = answers[1], answers[2]
    assert alone["calls"] == first["calls"] == [7, 7, 7]  # two evaluations in training, and one after it
    assert second["calls"] == []
    assert first["scores"] == second["scores"] == pytest.approx(alone["scores"], abs=1e-6)
    assert first["best"] == second["best"] == first["scores"]["eval_emscore"]
    missing, fewer = first["errors"]
    assert missing.startswith("MediaNotFoundError: 7 of 7 rows cannot be scored")
    assert fewer.startswith("InputError: the trainer evaluated 8 rows and eval_dataset has 6")
    assert second["errors"] == [f"VqeError: the first process could not score: {error}" for error in first["errors"]]
