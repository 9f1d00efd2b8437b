"""Flickr8k-Expert and Flickr8k-CF: captions of photos, rated by three experts, or by a crowd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vqe_core.errors import InputError
from vqe_core.meta_eval.base import Benchmark, Item, Part, Published, Release, SourceKind, needed
from vqe_core.meta_eval.reading import read_json, read_lines

_TOKENS = "Flickr8k.token.txt"
_IMAGES = ("Flicker8k_Dataset", "images")  # as Flickr8k spells it, and as PAC-S has it
_PAC = "Sarto et al., PAC-S, CVPR 2023, and its README"
_HICE = "Zeng et al., HICEScore, ACM MM 2024"
_VC_INSPECTOR = "Dipta et al., VC-Inspector, arXiv 2509.16538"

# A photo with its references and its judgements: (caption, rating).
_Photo = tuple[str, list[str], list[tuple[str, float]]]


@dataclass(frozen=True)
class Flickr8k(Benchmark):
    """Base of the two: photos as videos of one frame.

    Source:
        Hessel et al., "CLIPScore", EMNLP 2021, appendix A, and the published code (flickr8k_example); Sarto et al.,
        "PAC-S", CVPR 2023 (compute_correlations.py). Each rating is a row of its own; "A photo depicts " stands before
        every text. Published by tau_c (CLIPScore), or tau_b and tau_c (PAC-S).
    """

    judged_file: ClassVar[str]  # of the JSON that the published code prepares
    ratings_file: ClassVar[str]  # of Flickr8k
    statistics: ClassVar[tuple[str, ...]] = ("tau_b", "tau_c")
    scorer: ClassVar[str] = "clip_score"
    headlines: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "clip_score": ("clip_score", "ref_clip_score"),
        "emscore": ("EMScore(X,V)_full_F", "EMScore(X,X*)_full_F", "EMScore(X,V,X*)_full_F"),
    }

    def load(self, folder: Path, *, partial: bool = False) -> Release:
        """Read the JSON that the published code prepares, or the files of Flickr8k; see ``Benchmark.load``."""
        if (folder / self.judged_file).exists():
            photos = self._prepared(folder / self.judged_file)
        else:
            photos = self._photos(*needed(folder, [self.ratings_file, _TOKENS], self.layout))
        items: list[Item] = []
        labels: list[float] = []
        for name, references, judgements in photos:
            texts = tuple(" ".join(text.split()) for text in references)
            for caption, rating in judgements:
                items.append(Item(f"{name}/{len(items)}", " ".join(caption.split()), texts, Path(name).stem))
                labels.append(rating)
        folders = [folder / name for name in _IMAGES]
        images = {path.stem: (path,) for place in folders for path in sorted(place.glob("*.jpg"))}
        return Release(tuple(items), np.array(labels)[:, None], images=images)

    def _prepared(self, path: Path) -> list[_Photo]:
        """Read the judged captions; those whose rating is no number are left out, as in the published code."""
        try:
            return [
                (
                    Path(entry["image_path"]).name,
                    entry["ground_truth"],
                    [
                        (each["caption"], each["rating"])
                        for each in entry["human_judgement"]
                        if not isnan(each["rating"])
                    ],
                )
                for entry in read_json(path).values()
            ]
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(f"{str(path)!r} is not the file of the release: {error!r}") from error

    def _photos(self, ratings: Path, tokens: Path) -> list[_Photo]:
        """Prepare the judged captions from the files of Flickr8k, as the published code does."""
        captions: dict[str, str] = {}
        references: dict[str, list[str]] = {}
        for line in read_lines(tokens):
            name, _, text = line.strip().partition("\t")
            captions[name] = text
            references.setdefault(name.split("#")[0].split(".")[0], []).append(text)
        photos: dict[str, _Photo] = {}
        try:
            for line in read_lines(ratings):
                photo, caption, *values = line.strip().split("\t")
                stem = photo.split(".")[0]
                known = photos.get(photo) or (photo, list(references[stem]), [])
                if self._judge(known, captions[caption], values):
                    photos[photo] = known
        except (KeyError, ValueError) as error:
            raise InputError(f"{str(ratings)!r} and {_TOKENS} do not belong together: {error!r}") from error
        return list(photos.values())

    def _judge(self, photo: _Photo, caption: str, values: list[str]) -> bool:
        """Add what one line says about a photo; False where the line does not count."""
        raise NotImplementedError

    def options_for(self, scorer: str, kind: SourceKind) -> dict[str, Any]:
        """Return model and prompt; see ``Benchmark.options_for``."""
        options = {"clip_model_path": "ViT-B/32", "resize": "pil", "long_text": "truncate"}
        return {**options, "prompt": "A photo depicts ", "frame_num": 1}


@dataclass(frozen=True)
class Flickr8kExpert(Flickr8k):
    """Flickr8k-Expert: captions of photos, each rated from 1 to 4 by three experts.

    Captions that are a reference of the photo are left out.
    """

    name: ClassVar[str] = "flickr8k-expert"
    title: ClassVar[str] = "Flickr8k-Expert"
    source: ClassVar[str] = "Hessel et al., CLIPScore, EMNLP 2021; github.com/jmhessel/clipscore"
    judged_file: ClassVar[str] = "flickr8k.json"
    ratings_file: ClassVar[str] = "ExpertAnnotations.txt"
    layout: ClassVar[tuple[Part, ...]] = (
        Part("flickr8k.json", "captions, references and ratings, by the published code", optional=True),
        Part("ExpertAnnotations.txt, Flickr8k.token.txt", "the same from Flickr8k, where there is no JSON"),
        Part("Flicker8k_Dataset/*.jpg or images/*.jpg", "photos", optional=True),
    )
    published: ClassVar[tuple[Published, ...]] = (
        Published("METEOR", "T", {"tau_b": 0.41538}, _PAC),
        Published("CIDEr", "T", {"tau_b": 0.43602}, _PAC),
        Published("CLIPScore", "V", {"tau_b": 0.511}, _PAC),
        Published("PAC-S", "V", {"tau_b": 0.53919}, _PAC),
        Published("HICE-S", "V", {"tau_b": 0.559}, _HICE),
        Published("VC-Inspector-7B", "V", {"tau_b": 0.634}, _VC_INSPECTOR),
    )

    def _judge(self, photo: _Photo, caption: str, values: list[str]) -> bool:
        _, references, judgements = photo
        if caption in references:
            return False
        judgements += [(caption, float(value)) for value in values]
        return True


@dataclass(frozen=True)
class Flickr8kCF(Flickr8k):
    """Flickr8k-CF: captions of photos, each with the share of a crowd that calls it right.

    A judged caption that is a reference of its photo is taken out of the references.
    """

    name: ClassVar[str] = "flickr8k-cf"
    title: ClassVar[str] = "Flickr8k-CF"
    source: ClassVar[str] = "Hessel et al., CLIPScore, EMNLP 2021; github.com/jmhessel/clipscore"
    judged_file: ClassVar[str] = "crowdflower_flickr8k.json"
    ratings_file: ClassVar[str] = "CrowdFlowerAnnotations.txt"
    layout: ClassVar[tuple[Part, ...]] = (
        Part("crowdflower_flickr8k.json", "captions, references and ratings, by the published code", optional=True),
        Part("CrowdFlowerAnnotations.txt, Flickr8k.token.txt", "the same from Flickr8k, where there is no JSON"),
        Part("Flicker8k_Dataset/*.jpg or images/*.jpg", "photos", optional=True),
    )
    published: ClassVar[tuple[Published, ...]] = (
        Published("METEOR", "T", {"tau_b": 0.22269}, _PAC),
        Published("CIDEr", "T", {"tau_b": 0.24619}, _PAC),
        Published("CLIPScore", "V", {"tau_b": 0.344}, _PAC),
        Published("PAC-S", "V", {"tau_b": 0.36037}, _PAC),
        Published("HICE-S", "V", {"tau_b": 0.372}, _HICE),
        Published("VC-Inspector-7B", "V", {"tau_b": 0.460}, _VC_INSPECTOR),
    )

    def _judge(self, photo: _Photo, caption: str, values: list[str]) -> bool:
        _, references, judgements = photo
        if caption in references:
            references.remove(caption)
        judgements.append((caption, float(values[0])))
        return True
