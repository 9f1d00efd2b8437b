"""Small made-up releases, each in exactly the layout of its authors. Nothing of a real release is in here."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.tiny import tiny_clip

WORDS = "a the red blue green cat dog man woman runs sits plays in house ball".split()  # noqa: SIM905
SIZE = 16  # of the tiny checkpoint's space


def positive_checkpoint(folder: Path) -> str:
    """Random weights by which cosines of captions and images are positive, so that CLIPScore is not 0 throughout."""
    torch.manual_seed(0)  # of what transformers draws before the weights are set
    return str(tiny_clip(folder, seed=9))


def sentence(generator: np.random.Generator, least: int = 3, most: int = 9) -> str:
    return " ".join(generator.choice(WORDS, generator.integers(least, most)))


def embeddings(generator: np.random.Generator, count: int, size: int = SIZE) -> torch.Tensor:
    values = torch.from_numpy(generator.standard_normal((count, size)).astype(np.float32))
    return values / values.norm(dim=-1, keepdim=True)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_vatex_eval(folder: Path, *, videos: int = 6, systems: int = 4, seed: int = 0) -> Path:
    """Captions of ``systems`` a video, references, three ratings each, and embeddings of all frames."""
    generator = np.random.default_rng(seed)
    names = [f"video{i}_000{i}" for i in range(videos)]
    count = videos * systems
    content = {
        "candidates_list": np.array([sentence(generator) for _ in range(count)]),
        "gts_list": np.array([[sentence(generator) for _ in range(9)] for _ in range(count)]),
        "human_scores": generator.integers(1, 6, 3 * count).astype(float),
        "video_ids": np.array([names[i // systems] for i in range(count)]),
    }
    for name, value in content.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(value, protocol=4))
    (folder / "VATEX-EVAL_video_feats").mkdir()
    for i, name in enumerate(names):
        torch.save(embeddings(generator, 7 + 9 * i), folder / "VATEX-EVAL_video_feats" / f"{name}.pt")
    corpus = {f"train{i}": [sentence(generator) for _ in range(3)] for i in range(8)}
    write_json(folder / "vatex_train_en_annotations.json", corpus)
    return folder


def write_activitynet_foil(folder: Path, *, videos: int = 6, seed: int = 0) -> Path:
    """Paragraphs with segments, a foiled twin of each, references, and embeddings of all videos but one."""
    generator = np.random.default_rng(seed)
    right: dict[str, Any] = {}
    foil: dict[str, Any] = {}
    one: dict[str, Any] = {}
    two: dict[str, Any] = {}
    (folder / "ActivityNet-FOIL_video_feats").mkdir()
    for i in range(videos):
        name, count = f"v_{i}", int(generator.integers(2, 4))
        duration = float(generator.uniform(20, 40))
        sentences = [sentence(generator) for _ in range(count)]
        twins = [*sentences[:-1], sentences[-1].replace("a ", "blue ") if i % 2 else sentence(generator)]
        if i == 0:  # a tie
            twins = list(sentences)
        right[name], foil[name] = ([{"sentence": text} for text in texts] for texts in (sentences, twins))
        one[name], two[name] = (
            {
                "duration": duration,
                "timestamps": np.sort(generator.uniform(0, duration, (count, 2)), axis=1).round(2).tolist(),
                "sentences": [sentence(generator) for _ in range(count)],
            }
            for _ in range(2)
        )
        if i < videos - 1:
            values = embeddings(generator, int(generator.integers(30, 60)))
            torch.save(values, folder / "ActivityNet-FOIL_video_feats" / f"{name}.pt")
    write_json(folder / "final_right_video_sentences.json", {"version": "1", "results": right})
    write_json(folder / "final_foil_video_sentences.json", {"version": "1", "results": foil})
    write_json(folder / "anet_entities_test_1.json", one)
    write_json(folder / "anet_entities_test_2.json", two)
    train = {f"t{i}": {"sentences": [sentence(generator) for _ in range(2)]} for i in range(6)}
    train["long"] = {"sentences": [" ".join(["woman"] * 67), " ".join(["cat"] * 66)]}
    write_json(folder / "train.json", train)
    return folder


ACTIVITYNET = {
    "MART": "mart_ae_test.json",
    "COOT": "coot_ae_test.json",
    "PDVC_gt": "pdvc_gt_ae_test.json",
    "PDVC_pred": "pdvc_pred_ae_test.json",
    "Song": "song_ae_test.json",
    "VLTinT": "vltint_ae_test.json",
}
YOUCOOK2 = {
    "VTrans": "vtrans_val.json",
    "MART": "mart_val.json",
    "COOT": "coot_val.json",
    "COOT_100m": "coot_100m_val.json",
    "UniVL": "univl_val.json",
    "VLTinT": "vltint_val.json",
}


def write_factuality(folder: Path, systems: dict[str, str], *, videos: int = 5, seed: int = 0) -> Path:
    """Paragraphs of six systems, annotated, references and frames, a frame a second."""
    generator = np.random.default_rng(seed)
    names = [f"clip-{i}" for i in range(videos)]
    # Videos without a label are there too, and names of videos may end in a blank, as in the releases.
    (folder / "vids.txt").write_text("".join(f"{name} \n" for name in names))
    annotation: dict[str, Any] = {name: {} for name in names}
    for system, file in systems.items():
        results = {}
        for name in [*names, "other"]:
            texts = [sentence(generator) for _ in range(int(generator.integers(1, 4)))]
            results[name] = [{"sentence": f"{text} 2 . "} for text in texts]
            if name in annotation:
                marked = [_marked(text, generator) for text in texts]
                annotation[name][system] = {"paragraph_score": int(generator.integers(1, 6)), "sentences": marked}
        write_json(folder / "captions" / file, {"version": "1", "results": results})
    write_json(folder / "factuality_annotation.json", annotation)
    files = ["gt_ae_test_1_para.json", "gt_ae_test_2_para.json"] if systems is ACTIVITYNET else ["gt_val_para.json"]
    for i, file in enumerate(files):
        known = names[i:]  # the second file lacks a video
        write_json(folder / "captions" / file, {name: f"{sentence(generator, 8, 20)}. It's 1." for name in known})
    paragraphs = {f"p{i}": [sentence(generator, 8, 20), "not counted: woman"] for i in range(8)}
    write_json(folder / "captions" / "ref_paragraphs.json", paragraphs)
    for name in names:
        (folder / "frames" / name).mkdir(parents=True)
        for i in range(int(generator.integers(2, 13))):  # more than ten: 10.jpg comes after 9.jpg
            pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "frames" / name / f"{i}.jpg", quality=95)
    return folder


def _marked(text: str, generator: np.random.Generator) -> str:
    words = text.split()
    if generator.random() < 0.6:
        start = int(generator.integers(0, len(words) - 1))
        words[start] = "[" + words[start]
        words[start + 1] += "]"
    return " ".join(words) + " ."


def write_activitynet_fact(folder: Path, **how: Any) -> Path:
    return write_factuality(folder, ACTIVITYNET, **how)


def write_youcook2_fact(folder: Path, **how: Any) -> Path:
    return write_factuality(folder, YOUCOOK2, **how)


def write_flickr8k(folder: Path, *, photos: int = 5, seed: int = 0) -> Path:
    """The files of Flickr8k itself: five captions a photo, ratings of experts and of a crowd, and the photos."""
    generator = np.random.default_rng(seed)
    names = [f"{100 + i}_ab.jpg" for i in range(photos)]
    captions = {f"{name}#{i}": f"{sentence(generator)} {name[:3]} {i}  ." for name in names for i in range(5)}
    (folder / "Flickr8k.token.txt").write_text("".join(f"{key}\t{text}\n" for key, text in captions.items()))
    experts, crowd = [], []
    for i, name in enumerate(names):
        for other in (names[(i + 1) % photos], names[(i + 2) % photos], name):  # the last is a reference
            key = f"{other}#{int(generator.integers(0, 5))}"
            experts.append("\t".join([name, key, *map(str, generator.integers(1, 5, 3))]))
            yes = int(generator.integers(0, 4))
            crowd.append("\t".join([name, key, repr(yes / 3), str(yes), str(3 - yes)]))
    (folder / "ExpertAnnotations.txt").write_text("\n".join(experts) + "\n")
    (folder / "CrowdFlowerAnnotations.txt").write_text("\n".join(crowd) + "\n")
    (folder / "Flicker8k_Dataset").mkdir()
    for name in names:
        pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "Flicker8k_Dataset" / name, quality=95)
    return folder


def write_msvd_eval(folder: Path, *, videos: int = 8, seed: int = 0) -> Path:
    """Captions with ratings of two people in four respects, and their mean."""
    generator = np.random.default_rng(seed)
    entries = {}
    for i in range(videos):
        ratings = generator.integers(1, 6, (2, 4))
        entries[f"vid{i}"] = {
            "vname": f"clip{i}_1_9.avi",
            "ref": [f"{sentence(generator)} " for _ in range(3)],
            "candidate": f" {sentence(generator)}.",
            "human_score": [[*map(int, row), float(row.mean())] for row in ratings],
        }
    write_json(folder / "MSVD-Eval.json", entries)
    return folder


WRITERS = {
    "vatex-eval": write_vatex_eval,
    "activitynet-foil": write_activitynet_foil,
    "activitynet-fact": write_activitynet_fact,
    "youcook2-fact": write_youcook2_fact,
    "flickr8k-expert": write_flickr8k,
    "flickr8k-cf": write_flickr8k,
    "msvd-eval": write_msvd_eval,
}
