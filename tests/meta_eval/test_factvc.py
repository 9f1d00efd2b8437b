"""ActivityNet-Fact and YouCook2-Fact: made-up releases against a slow computation, and the real labels."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from tests.meta_eval import slow
from tests.meta_eval.releases import ACTIVITYNET, YOUCOOK2, write_activitynet_fact, write_youcook2_fact
from tests.oracle import against_references
from vqe_core.errors import InputError
from vqe_core.meta_eval import run_benchmark
from vqe_core.meta_eval.factvc import ActivityNetFact, YouCook2Fact, labels_of, letters

V, T, VT = "EMScore(X,V)_full_P", "EMScore(X,X*)_full_P", "EMScore(X,V,X*)_full_P"
COARSE = 0.25  # weight of cogr in full_P by the protocol


def read(folder, name):
    return json.loads((folder / name).read_text())


def plain(text):
    return " ".join(re.sub("[^a-zA-Z]", " ", text).strip().lower().split())


def slow_labels(entry):
    wrong = words = spans = 0
    for sentence in entry["sentences"]:
        sentence = sentence.replace(".", "").strip()
        wrong += "[" in sentence
        words += len(sentence.split())
        spans += sum(len(span.split()) for span in re.findall(r"\[([^]]*)\]", sentence))
    return entry["paragraph_score"], -wrong / len(entry["sentences"]), -spans / words


def slow_figures(folder, model, systems, reference_files):
    corpus = [plain(texts[0]) for texts in read(folder, "captions/ref_paragraphs.json").values()]
    weigh = slow.Weights(model, corpus, mean_at_end=False)
    videos = [line.strip() for line in (folder / "vids.txt").read_text().splitlines()]
    annotation = read(folder, "factuality_annotation.json")
    files = [read(folder, f"captions/{name}") for name in reference_files]
    scores, labels = {V: [], T: [], VT: []}, []
    for system, file in systems.items():
        captions = read(folder, f"captions/{file}")["results"]
        for video in videos:
            caption = plain(" ".join(each["sentence"].strip() for each in captions[video]))
            count = len(list((folder / "frames" / video).glob("*.jpg")))
            images = [np.asarray(Image.open(folder / "frames" / video / f"{i}.jpg")) for i in range(count)]
            seen = slow.of_vectors(model, caption, slow.frames_of(model, images), weigh)
            texts = [plain(each.get(video, files[0][video])) for each in files]
            by_text = against_references(model, caption, texts, weigh)
            full = [(1 - COARSE) * each["figr_P"] + COARSE * each["cogr"] for each in (seen, by_text)]
            for name, value in zip(scores, (*full, sum(full) / 2), strict=True):
                scores[name].append(value)
            labels.append(slow_labels(annotation[video][system]))
    columns = dict(zip(("paragraph", "sentence", "word"), zip(*labels, strict=True), strict=True))
    return {name: {level: slow.pearson(values, by) for level, by in columns.items()} for name, values in scores.items()}


@pytest.mark.parametrize(
    ("name", "write", "systems", "reference_files"),
    [
        ("youcook2-fact", write_youcook2_fact, YOUCOOK2, ["gt_val_para.json"]),
        (
            "activitynet-fact",
            write_activitynet_fact,
            ACTIVITYNET,
            ["gt_ae_test_1_para.json", "gt_ae_test_2_para.json"],
        ),
    ],
)
def test_the_figures_are_those_of_the_slow_computation(tmp_path, checkpoint, name, write, systems, reference_files):
    folder = write(tmp_path)
    report = run_benchmark(name, folder, options={"clip_model_path": checkpoint}, num_resamples=20)
    expected = slow_figures(folder, checkpoint, systems, reference_files)
    assert report.figures.keys() == expected.keys()
    for score, figures in expected.items():
        assert {level: found.value for level, found in report.figures[score].items()} == pytest.approx(
            figures, abs=1e-4
        )


def test_labels_are_counted_as_in_the_published_code():
    entry = {"paragraph_score": 2, "sentences": [" [a red cat] sits [down]. ", "a dog", "[runs ]. [in] circle ."]}
    assert labels_of(entry) == slow_labels(entry) == (2, -2 / 3, -6 / 11)
    with pytest.raises(InputError, match="pair up"):
        labels_of({"paragraph_score": 2, "sentences": ["a [red cat"]})


def test_a_paragraph_is_its_letters():
    assert letters("  Don't add 2 EGGS.\n") == "don t add eggs"


def test_frames_come_by_their_number(tmp_path):
    folder = write_youcook2_fact(tmp_path)
    for paths in YouCook2Fact().load(folder).images.values():
        assert [path.name for path in paths] == [f"{i}.jpg" for i in range(len(paths))]


def test_a_video_that_the_second_file_lacks_has_the_first_reference_twice(tmp_path):
    items = ActivityNetFact().load(write_activitynet_fact(tmp_path)).items
    first = next(item for item in items if item.video == "clip-0")
    assert len(first.references) == 2 and len(set(first.references)) == 1
    assert len(set(items[1].references)) == 2


def test_words_are_counted_in_first_paragraphs_and_the_end_token_weighs_nothing(tmp_path):
    folder = write_youcook2_fact(tmp_path)
    corpus = YouCook2Fact().read_corpus(folder / "captions" / "ref_paragraphs.json")
    assert len(corpus.captions) == 8 and not any("not counted" in text for text in corpus.captions)
    assert (corpus.end_weight, corpus.most_tokens) == ("own", 512)


def test_systems_that_are_absent_are_left_out_only_where_that_is_asked_for(tmp_path):
    folder = write_activitynet_fact(tmp_path)
    (folder / "captions" / "pdvc_gt_ae_test.json").unlink()
    with pytest.raises(InputError, match=r"has no captions/pdvc_gt_ae_test\.json.*--partial"):
        ActivityNetFact().load(folder)
    release = ActivityNetFact().load(folder, partial=True)
    assert len(release.items) == 25
    assert release.notes == ("5 of 6 systems: no captions of PDVC_gt",)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    folder = write_youcook2_fact(tmp_path)
    (folder / "vids.txt").write_text("nobody\n")
    with pytest.raises(InputError, match="nobody"):
        YouCook2Fact().load(folder)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("unigram-precision", (0.386, 0.414, 0.422)), ("rouge-l", (0.354, 0.328, 0.360))],
)
def test_text_metrics_on_the_real_labels_give_the_known_figures(ratings, metric, expected):
    report = run_benchmark("youcook2-fact", ratings / "factvc" / "youcook2", text_metric=metric, num_resamples=100)
    assert (report.num_items, report.num_videos) == (600, 100)
    values = [report.figures[metric][level].value for level in ("paragraph", "sentence", "word")]
    assert values == pytest.approx(expected, abs=6e-4)
    assert all(found.low < found.value < found.high for found in report.figures[metric].values())


def test_the_part_of_activitynet_that_is_at_hand_runs(ratings):
    folder = ratings / "factvc" / "activitynet"
    report = run_benchmark("activitynet-fact", folder, text_metric="rouge-l", partial=True, num_resamples=0)
    assert (report.num_items, report.num_videos) == (800, 200)
    assert report.notes == ("4 of 6 systems: no captions of PDVC_gt, PDVC_pred",)
