"""ActivityNet-FOIL on a made-up release against a slow computation, and each rule of its protocol."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from tests.meta_eval import slow
from tests.meta_eval.releases import embeddings, write_activitynet_foil, write_json
from tests.oracle import against_references, combined
from vqe_core.meta_eval import run_benchmark
from vqe_core.meta_eval.activitynet_foil import ActivityNetFoil, references_of
from vqe_core.meta_eval.base import Item

V, T, VT = "EMScore(X,V)_full_F", "EMScore(X,X*)_full_F", "EMScore(X,V,X*)_full_F"


def read(folder, name):
    return json.loads((folder / name).read_text())


def slow_references(segment, entry):
    chosen = []
    for text, (start, end) in zip(entry["sentences"], entry["timestamps"], strict=True):
        own = list(range(int(start), int(end) + 1))
        shared = [second for second in own if second in range(int(segment[0]), int(segment[1]) + 1)]
        if len(shared) / len(own) > 0.4:
            chosen.append(text)
    return chosen or entry["sentences"]


def slow_scores(folder, model):
    """Mean over sentences of the right and of the foiled paragraph, by video and score."""
    one, two = read(folder, "anet_entities_test_1.json"), read(folder, "anet_entities_test_2.json")
    sentences = [text for entry in read(folder, "train.json").values() for text in entry["sentences"]]
    weigh = slow.Weights(model, [text for text in sentences if len(text.split(" ")) <= 66], mean_at_end=True)
    means = {}
    for path in sorted((folder / "ActivityNet-FOIL_video_feats").glob("*.pt")):
        stored, video = torch.load(path).double().numpy(), path.stem
        for kind in ("right", "foil"):
            rows = {V: [], T: [], VT: []}
            for i, entry in enumerate(read(folder, f"final_{kind}_video_sentences.json")["results"][video]):
                segment = one[video]["timestamps"][i]
                first, last = (int(time * len(stored) // two[video]["duration"]) for time in segment)
                texts = slow_references(segment, two[video])
                by_text = against_references(model, entry["sentence"], texts, weigh)
                rows[T].append(by_text["full_F"])
                if first == last:
                    rows[V].append(math.nan)
                    rows[VT].append(math.nan)
                    continue
                by_video = slow.of_vectors(model, entry["sentence"], list(stored[first:last]), weigh)
                rows[V].append(by_video["full_F"])
                rows[VT].append(combined(by_video, by_text)["full_F"])
            for name, values in rows.items():
                means[name, video, kind] = sum(values) / len(values)
    return means


@pytest.mark.parametrize("seed", [0, 3])
def test_the_figures_are_those_of_the_slow_computation(tmp_path, checkpoint, seed):
    folder = write_activitynet_foil(tmp_path, videos=9, seed=seed)
    report = run_benchmark("activitynet-foil", folder, options={"clip_model_path": checkpoint}, num_resamples=20)
    means = slow_scores(folder, checkpoint)
    for name in (V, T, VT):
        pairs = [(means[name, f"v_{i}", "right"], means[name, f"v_{i}", "foil"]) for i in range(8)]
        # Sums of equal numbers in another order may differ in the last bit.
        wins = [right > foil + 1e-9 for right, foil in pairs]
        assert report.figures[name]["accuracy"].value == pytest.approx(sum(wins) / len(wins), abs=1e-4)
        assert report.figures[name]["ties"].value >= 1 / 8  # the first video's twin is the same


def table_of(scores):
    """A table for two videos of one sentence each."""
    return {"id": list(scores), "score": list(scores.values())}


@pytest.fixture
def two_videos(tmp_path):
    """Two videos with two sentences each, without embeddings."""
    entry = {"duration": 10.0, "timestamps": [[0, 5], [5, 10]], "sentences": ["a cat", "a dog"]}
    texts = {vid: [{"sentence": "a cat"}, {"sentence": "a dog"}] for vid in ("v_a", "v_b")}
    for name in ("final_right_video_sentences", "final_foil_video_sentences"):
        write_json(tmp_path / f"{name}.json", {"results": texts})
    for name in ("anet_entities_test_1", "anet_entities_test_2"):
        write_json(tmp_path / f"{name}.json", dict.fromkeys(texts, entry))
    return tmp_path


@pytest.mark.parametrize(
    ("right", "foil", "accuracy", "ties"),
    [
        ([0.5, 0.5], [0.4, 0.5], 1.0, 0.0),
        ([0.5, 0.5], [0.5, 0.5], 0.5, 0.5),  # a tie is a loss
        ([0.4, 0.6], [0.6, 0.3], 1.0, 0.0),  # the mean counts, not the number of sentences that win
        ([0.5, None], [0.1, 0.1], 0.5, 0.0),  # what has no score has lost
        ([0.5, 0.5], [0.1, None], 0.5, 0.0),
    ],
)
def test_the_right_paragraph_must_score_strictly_higher(two_videos, right, foil, accuracy, ties):
    scores = {f"right/v_a/{i}": value for i, value in enumerate(right)}
    scores |= {f"foil/v_a/{i}": value for i, value in enumerate(foil)}
    scores |= {f"right/v_b/{i}": 0.9 for i in range(2)} | {f"foil/v_b/{i}": 0.1 for i in range(2)}
    report = run_benchmark("activitynet-foil", two_videos, scores=table_of(scores), columns=["score"], num_resamples=0)
    figures = report.figures["score"]
    assert (figures["accuracy"].value, figures["ties"].value) == (accuracy, ties)


@pytest.mark.parametrize(
    ("segment", "chosen"),
    [
        ((0.0, 4.0), ["one", "three"]),  # seconds 0 to 4: 5 of 10 of the first, 5 of 10 of the third
        ((0.0, 3.9), ["one", "two", "three"]),  # 4 of 10 are not more than .4: all
        ((12.0, 14.9), ["two"]),  # 3 of 5
        ((12.0, 13.0), ["one", "two", "three"]),  # 2 of 5
    ],
)
def test_references_are_those_that_the_segment_covers_by_more_than_two_fifths(segment, chosen):
    entry = {"sentences": ["one", "two", "three"], "timestamps": [[0.0, 9.9], [10.0, 14.2], [0.7, 9.0]]}
    assert list(references_of(segment, entry)) == chosen == slow_references(segment, entry)


def test_a_segment_is_cut_to_whole_frames_and_leaves_the_last_out():
    item = Item("a", "a cat", (), "v", segment=(1.0, 2.99), duration=10.0)
    assert ActivityNetFoil().frames_of(item, 50).tolist() == list(range(5, 14))
    assert ActivityNetFoil().frames_of(item, 3).tolist() == []


def test_long_sentences_do_not_count_for_idf(tmp_path):
    folder = write_activitynet_foil(tmp_path)
    captions = ActivityNetFoil().read_corpus(folder / "train.json").captions
    assert " ".join(["cat"] * 66) in captions
    assert not any("woman woman woman" in text for text in captions)


def test_videos_without_embeddings_are_left_out_where_there_are_some(tmp_path):
    folder = write_activitynet_foil(tmp_path)
    assert "v_5" not in ActivityNetFoil().load(folder).videos
    for path in (folder / "ActivityNet-FOIL_video_feats").glob("*.pt"):
        path.unlink()
    assert "v_5" in ActivityNetFoil().load(folder).videos


def test_the_duration_is_that_of_the_second_file(tmp_path):
    folder = write_activitynet_foil(tmp_path)
    release = ActivityNetFoil().load(folder)
    expected = read(folder, "anet_entities_test_2.json")
    assert all(item.duration == expected[item.video]["duration"] for item in release.items)
    assert expected["v_0"]["duration"] == read(folder, "anet_entities_test_1.json")["v_0"]["duration"]


def test_a_metric_that_needs_frames_has_no_score_where_a_segment_holds_none(tmp_path, checkpoint):
    folder = write_activitynet_foil(tmp_path)
    torch.save(embeddings(np.random.default_rng(0), 1), folder / "ActivityNet-FOIL_video_feats" / "v_1.pt")
    options = {"clip_model_path": checkpoint}
    report = run_benchmark("activitynet-foil", folder, scorer="clip_score", options=options, num_resamples=0)
    assert report.num_scored["clip_score"] < report.num_items
    assert any("holds none of the 1 stored frames" in note for note in report.notes)
    by_text = run_benchmark("activitynet-foil", folder, options=options, num_resamples=0)
    assert by_text.num_scored[T] == by_text.num_items > by_text.num_scored[V]
