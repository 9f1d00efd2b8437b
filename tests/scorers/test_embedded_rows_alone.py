"""A row's scores are the same bits whether or not other rows of the call fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests import tiny, tiny_audio, tiny_families
from vqe_core import CLIPScore, EMScore, VideoAudioSimilarity
from vqe_core.errors import InputError

WORDS = tiny.WORDS
RATE = 16_000


@pytest.fixture(scope="module")
def models(tmp_path_factory, wide_folder) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    made = {
        "wide": wide_folder,
        "clap": tiny_audio.tiny_clap(folder / "clap"),
        "joint": tiny_families.tiny_clip_with_clap(folder / "joint"),
    }
    return {name: str(path) for name, path in made.items()}


def captions(count: int, generator: np.random.Generator) -> list[str]:
    """Texts of one to fourteen words."""
    return [" ".join(generator.choice(WORDS, generator.integers(1, 15))) for _ in range(count)]


def clips(count: int, generator: np.random.Generator, most: int = 5) -> list[np.ndarray]:
    """Videos of one to ``most`` frames."""
    return [generator.integers(0, 256, (generator.integers(1, most + 1), 24, 32, 3), np.uint8) for _ in range(count)]


def sounds(count: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    """Noise of 1.2 to 2.6 s."""
    lengths = generator.integers(12, 27, count) * RATE // 10
    return [{"array": generator.uniform(-0.5, 0.5, n).astype(np.float32), "sampling_rate": RATE} for n in lengths]


# A bad cell of each input: found at once, while it is read, or after.
BAD = {
    "predictions": ["", None, "\ud800"],
    "references": [[""], [3]],
    "videos": ["nowhere.mp4", b"no video" * 20, b"\0\0\0\x18ftypmp42 and no more", np.zeros((0, 8, 8, 3), np.uint8)],
    "audios": [{"array": np.zeros(RATE, np.float32), "sampling_rate": RATE}, b"no sound" * 20, "nowhere.wav"],
    "audio_descriptions": ["", 7],
}


def spoil(columns: dict[str, list[Any]], share: float, generator: np.random.Generator) -> tuple[dict[str, Any], Any]:
    """Replace a cell in so many of the rows, at random places; return the columns and which rows are still good.

    The texts of these rows are long, so that they change the shape of a batch in which they are embedded in vain.
    """
    count = len(next(iter(columns.values())))
    spoilt = {name: list(column) for name, column in columns.items()}
    bad = generator.choice(count, max(1, round(share * count)), replace=False)
    for i in bad:
        for name in ("predictions", "audio_descriptions"):
            if name in spoilt:
                spoilt[name][i] = " ".join(generator.choice(WORDS, 40))
        name = str(generator.choice(list(columns)))
        spoilt[name][i] = BAD[name][generator.integers(len(BAD[name]))]
    return spoilt, np.setdiff1d(np.arange(count), bad)


def differing(scorer: Any, spoilt: dict[str, list[Any]], good: Any) -> int:
    """Score the rows, and the good ones alone; count the good rows in which a bit differs."""
    together = scorer.score(**spoilt)
    alone = scorer.score(**{name: [column[i] for i in good] for name, column in spoilt.items()})
    assert {together.status[i] for i in good} == {"ok"} == set(alone.status)
    assert together.num_failed == len(together.status) - len(good)
    rows = {
        name: (np.array([column[i] for i in good], np.float64), np.array(alone.rows[name], np.float64))
        for name, column in together.rows.items()
        if name in alone.rows and isinstance(alone.rows[name][0], float | bool)
    }
    assert rows
    moved = np.zeros(len(good), bool)
    for one, other in rows.values():
        moved |= one.view(np.int64) != other.view(np.int64)
    return int(moved.sum())


def scorers(models: dict[str, str]) -> dict[str, tuple[Any, tuple[str, ...]]]:
    """Each metric and method, with its inputs."""
    shared: dict[str, Any] = {"on_error": "skip", "device": "cpu", "progress": False, "isolate": False}
    alike = {"min_score": None, "max_score": None, **shared}
    return {
        "emscore": (EMScore(clip_model_path=models["wide"], **shared), ("predictions", "references", "videos")),
        "clip_score": (CLIPScore(clip_model_path=models["wide"], **shared), ("predictions", "references", "videos")),
        "description": (
            VideoAudioSimilarity(hf_clip=models["wide"], method="description", **alike),
            ("videos", "audio_descriptions"),
        ),
        "tags": (
            VideoAudioSimilarity(hf_clip=models["wide"], hf_clap=models["clap"], method="tags", **alike),
            ("videos", "audios"),
        ),
        "joint": (VideoAudioSimilarity(hf_clip=models["joint"], method="joint", **alike), ("videos", "audios")),
    }


def rows_of(names: tuple[str, ...], count: int, seed: int) -> dict[str, list[Any]]:
    generator = np.random.default_rng(seed)
    made = {
        "predictions": lambda: captions(count, generator),
        "references": lambda: [captions(generator.integers(1, 4), generator) for _ in range(count)],
        "videos": lambda: clips(count, generator),
        "audios": lambda: sounds(count, generator),
        "audio_descriptions": lambda: captions(count, generator),
    }
    return {name: made[name]() for name in names}


@pytest.mark.filterwarnings("ignore:no row was scored")
@pytest.mark.parametrize("name", ["emscore", "clip_score", "description", "tags", "joint"])
@pytest.mark.parametrize("seed", [1, 2])
def test_good_rows_are_the_same_bits_with_and_without_bad_ones(models, name, seed):
    scorer, inputs = scorers(models)[name]
    spoilt, good = spoil(rows_of(inputs, 5, seed), 0.4, np.random.default_rng(seed))
    assert differing(scorer, spoilt, good) == 0


def test_a_percentile_against_a_bank_is_the_same_bits_with_and_without_bad_rows(models):
    scorer, inputs = scorers(models)["joint"]
    scorer = scorer.fit_bank(**rows_of(inputs, 4, 9))
    spoilt, good = spoil(rows_of(inputs, 5, 3), 0.3, np.random.default_rng(3))
    assert differing(scorer, spoilt, good) == 0


def test_a_row_alone_has_the_bits_that_it_has_among_others(models):
    scorer, inputs = scorers(models)["emscore"]
    columns = rows_of(inputs, 4, 5)
    together = scorer.score(**columns)
    for i in (0, 3):
        alone = scorer.score(**{name: [column[i]] for name, column in columns.items()})
        assert {name: column[0] for name, column in alone.rows.items()} == {
            name: column[i] for name, column in together.rows.items()
        }


@pytest.mark.parametrize("batch_size", [1, 3, 5, 8])
def test_it_holds_at_any_batch_size(models, batch_size):
    scorer, inputs = scorers(models)["emscore"]
    spoilt, good = spoil(rows_of(inputs, 5, 6), 0.3, np.random.default_rng(6))
    assert differing(replace(scorer, batch_size=batch_size), spoilt, good) == 0


@pytest.mark.filterwarnings("ignore:no row was scored")
def test_the_bad_cells_are_bad(models):
    scorer, inputs = scorers(models)["tags"]
    columns = rows_of(inputs, 1, 0)
    for name in inputs:
        for cell in BAD[name]:
            report = scorer.score(**{**columns, name: [cell]})
            assert report.status != ["ok"], (name, cell)
    with pytest.raises(InputError):
        replace(scorer, on_error="raise").score(**{**columns, "videos": [None]})


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("name", "seeds"), [("emscore", 1), ("clip_score", 2)])
def test_a_thousand_rows_of_which_a_twentieth_is_bad(models, name, seeds):
    """None of the 950 good rows of each seed may differ; matching tokens and frames takes a while for each row."""
    scorer, inputs = scorers(models)[name]
    generator = np.random.default_rng(0)
    few = clips(100, generator, most=2)  # many captions share a video
    moved = 0
    for seed in range(seeds):
        columns = {**rows_of(tuple(n for n in inputs if n != "videos"), 1000, seed), "videos": []}
        columns["videos"] = [few[i] for i in np.random.default_rng(seed).integers(0, len(few), 1000)]
        spoilt, good = spoil(columns, 0.05, np.random.default_rng(seed))
        moved += differing(scorer, spoilt, good)
    assert moved == 0
