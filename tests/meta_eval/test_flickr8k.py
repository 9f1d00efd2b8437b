"""Flickr8k-Expert and -CF on a made-up release against a slow computation, in both layouts."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from tests.meta_eval import slow
from tests.meta_eval.releases import write_flickr8k
from tests.oracle import caption_vectors, frame_vector
from vqe_core.errors import InputError
from vqe_core.meta_eval import run_benchmark
from vqe_core.meta_eval.flickr8k import Flickr8kCF, Flickr8kExpert

PROMPT = "A photo depicts "


def prepared(folder, name):
    """What the published code makes of the files of Flickr8k, by its description: file -> entries by photo."""
    captions, references = {}, defaultdict(list)
    for line in (folder / "Flickr8k.token.txt").read_text().splitlines():
        key, text = line.strip().split("\t")
        captions[key] = text
        references[key.split("#")[0]].append(text)
    entries = {}
    for line in (folder / name).read_text().splitlines():
        photo, key, *values = line.split("\t")
        caption = captions[key]
        if name == "ExpertAnnotations.txt" and caption in references[photo]:
            continue
        entry = {
            "image_path": f"Flicker8k_Dataset/{photo}",
            "ground_truth": list(references[photo]),
            "human_judgement": [],
        }
        entry = entries.setdefault(photo, entry)
        if caption in entry["ground_truth"]:
            entry["ground_truth"].remove(caption)
        given = values if name == "ExpertAnnotations.txt" else values[:1]
        entry["human_judgement"] += [{"caption": caption, "rating": float(value)} for value in given]
    return entries


def slow_figures(folder, model, entries):
    scores, with_references, labels = [], [], []
    for entry in entries.values():
        seen = frame_vector(model, np.asarray(Image.open(folder / entry["image_path"])))
        for judged in entry["human_judgement"]:
            text = caption_vectors(model, PROMPT + " ".join(judged["caption"].split()))[1][-1]
            score = 2.5 * max(float(seen @ text), 0)
            others = [caption_vectors(model, PROMPT + " ".join(t.split()))[1][-1] for t in entry["ground_truth"]]
            best = max(0.0, *(float(text @ other) for other in others))
            scores.append(score)
            with_references.append(2 * score * best / (score + best) if score + best else 0.0)
            labels.append(judged["rating"])
    return {
        name: {each: slow.tau(values, labels, each[-1]) for each in ("tau_b", "tau_c")}
        for name, values in (("clip_score", scores), ("ref_clip_score", with_references))
    }


CASES = [
    ("flickr8k-expert", "ExpertAnnotations.txt", "flickr8k.json"),
    ("flickr8k-cf", "CrowdFlowerAnnotations.txt", "crowdflower_flickr8k.json"),
]


@pytest.mark.parametrize("layout", ["as downloaded", "as prepared"])
@pytest.mark.parametrize(("name", "ratings_file", "json_file"), CASES)
def test_the_figures_are_those_of_the_slow_computation(tmp_path, checkpoint, name, ratings_file, json_file, layout):
    folder = write_flickr8k(tmp_path)
    entries = prepared(folder, ratings_file)
    if layout == "as prepared":
        (folder / json_file).write_text(json.dumps(entries))
        (folder / ratings_file).unlink()
    report = run_benchmark(name, folder, options={"clip_model_path": checkpoint}, num_resamples=20)
    expected = slow_figures(folder, checkpoint, entries)
    assert report.figures.keys() == expected.keys()
    for score, figures in expected.items():
        assert {each: found.value for each, found in report.figures[score].items()} == pytest.approx(figures, abs=1e-4)


def test_each_rating_of_an_expert_is_a_row(tmp_path):
    release = Flickr8kExpert().load(write_flickr8k(tmp_path))
    assert len(release.items) == 3 * 10  # two captions a photo, the third is a reference and dropped
    assert all(item.candidate not in item.references for item in release.items)


def test_a_judged_caption_of_the_crowd_is_no_reference(tmp_path):
    release = Flickr8kCF().load(write_flickr8k(tmp_path))
    assert len(release.items) == 15
    assert {len(item.references) for item in release.items} == {4}


def test_ratings_that_are_no_numbers_are_left_out(tmp_path):
    folder = write_flickr8k(tmp_path)
    entries = prepared(folder, "ExpertAnnotations.txt")
    next(iter(entries.values()))["human_judgement"][0]["rating"] = float("nan")
    (folder / "flickr8k.json").write_text(json.dumps(entries))
    assert len(Flickr8kExpert().load(folder).items) == 29


def test_photos_are_found_in_either_folder(tmp_path):
    folder = write_flickr8k(tmp_path)
    (folder / "Flicker8k_Dataset").rename(folder / "images")
    assert len(Flickr8kExpert().load(folder).images) == 5


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    folder = write_flickr8k(tmp_path)
    (folder / "ExpertAnnotations.txt").write_text("100_ab.jpg\tnobody.jpg#0\t1\t2\t3\n")
    with pytest.raises(InputError, match="belong together"):
        Flickr8kExpert().load(folder)
    (folder / "flickr8k.json").write_text("[1]")
    with pytest.raises(InputError, match="not the file"):
        Flickr8kExpert().load(folder)
