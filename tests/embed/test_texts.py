"""Texts that a memory keeps: the same bits, embedded once, and never more than the memory may hold."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from vqe_core.embed import EmbedSettings, embed_texts
from vqe_core.embed.texts import TextMemory, remembering_texts
from vqe_core.encoders import load_image_text_encoder
from vqe_core.run import score_run
from vqe_core.tables import read_table, write_table
from vqe_core.timings import measured

TEXTS = ["a red circle", "a blue square moves left", "two dogs", "a very small green star on a grey ground"]


@cache
def toy():
    """One encoder for all tests: a memory knows it by what object it is."""
    return load_image_text_encoder("toy")


def embedded(texts):
    encoder = toy()
    with measured() as timings:
        found = embed_texts(texts, encoder, EmbedSettings(), long_text="windows")
    return found, timings.sums().get("texts_encoded", 0)


def test_a_text_that_is_kept_is_embedded_once_and_has_the_bits_that_it_has_alone():
    alone, _ = embedded(TEXTS)
    with remembering_texts(TextMemory()):
        _, first = embedded(TEXTS[:3])
        again, second = embedded(TEXTS)
    assert (first, second) == (3, 1)
    for one, other in ((again[text], alone[text]) for text in TEXTS):
        assert torch.equal(one.tokens, other.tokens) and torch.equal(one.pooled, other.pooled)
    assert embedded(TEXTS)[1] == 4  # nothing is kept outside


def test_the_oldest_make_room():
    size = sum(one.tokens.nbytes + one.pooled.nbytes + 200 for one in embedded(TEXTS[1:])[0].values())
    with remembering_texts(TextMemory(size)):
        embedded(TEXTS)
        assert embedded(TEXTS[1:])[1] == 0
        assert embedded(TEXTS[:1])[1] == 1


def test_texts_that_parts_have_in_common_are_embedded_once(tmp_path):
    rows = {"candidate": [TEXTS[n % 4] for n in range(40)], "reference": [TEXTS[(n + 1) % 4] for n in range(40)]}
    write_table(tmp_path / "rows.jsonl", rows)
    summary = score_run(tmp_path / "rows.jsonl", tmp_path / "many.parquet", rows_per_part=4, clip_model_path="toy")
    assert summary.time["texts_encoded"] == 4
    score_run(tmp_path / "rows.jsonl", tmp_path / "one.parquet", clip_model_path="toy")
    many, one = (read_table(tmp_path / name) for name in ("many.parquet", "one.parquet"))
    assert many == one and np.isfinite(many["EMScore(X,X*)_full_F"]).all()
