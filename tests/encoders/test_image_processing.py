"""Both resizing backends against transformers' own PIL image processor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPImageProcessorPil

from vqe_core.encoders import image_processing as preprocess
from vqe_core.encoders.image_processing import Preprocessing, load_preprocessing
from vqe_core.errors import InputError, MediaError

LEVEL = 0.016  # one grey level of 255 after division by the smallest deviation, 0.261


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("backend", ["torchvision", "pil"])
@pytest.mark.parametrize("size", [(32, 32), (32, 47), (50, 32), (48, 64), (361, 640), (20, 30), (7, 90)])
def test_within_one_grey_level_of_the_reference(backend, size):
    pixels = image(*size)
    ours = Preprocessing(32, (32, 32), backend=backend)
    measured = ours.normalise(ours.prepare(pixels)[None], torch.float32)[0].numpy()
    # Even margins: transformers rounds an odd margin down, the published code (and we) to the even side.
    reference = CLIPImageProcessorPil(size={"shortest_edge": 32}, do_center_crop=False)
    whole = reference(Image.fromarray(pixels), return_tensors="np")["pixel_values"][0]
    top, left = round((whole.shape[1] - 32) / 2), round((whole.shape[2] - 32) / 2)
    expected = whole[:, top : top + 32, left : left + 32]
    tolerance = 1e-6 if backend == "pil" or size[0] == 32 == min(size) else LEVEL
    assert np.abs(measured - expected).max() <= tolerance


def test_by_the_other_backend_where_there_is_one():
    bicubic, lanczos = Preprocessing(32, (32, 32)), Preprocessing(32, (32, 32), resample=1, backend="pil")
    assert bicubic.by("pil").backend == "pil" and bicubic.by("pil").by("torchvision") == bicubic
    with pytest.raises(InputError, match="torchvision has not the filter of this model; use 'pil'"):
        lanczos.by("torchvision")


def test_prepared_images_are_small_uint8():
    prepared = Preprocessing(32, (32, 32)).prepare(image(48, 64))
    assert (prepared.dtype, tuple(prepared.shape)) == (torch.uint8, (3, 32, 32))


def test_an_image_smaller_than_the_crop_is_padded():
    prepared = Preprocessing(None, (32, 32)).prepare(image(10, 12))
    assert tuple(prepared.shape) == (3, 32, 32)
    assert int(prepared[:, 0].sum()) == 0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"resize": 224, "crop": (224, 224)}),
        ({"size": {"height": 20, "width": 24}, "do_center_crop": False}, {"resize": (20, 24), "crop": None}),
        ({"do_resize": False, "resample": 2}, {"resize": None, "resample": 2}),
        ({"resample": 1}, {"backend": "pil"}),
        ({"do_normalize": False, "do_rescale": False}, {"scale": 1.0, "mean": (0.0,) * 3, "std": (1.0,) * 3}),
    ],
)
def test_reads_what_the_image_processor_says(tmp_path, settings, expected):
    CLIPImageProcessor(**settings).save_pretrained(tmp_path)
    loaded = load_preprocessing(tmp_path, image_size=32)
    assert {name: getattr(loaded, name) for name in expected} == expected


def test_without_an_image_processor_openais_at_the_models_size(tmp_path: Path):
    loaded = load_preprocessing(tmp_path, image_size=48)
    assert (loaded.resize, loaded.crop, loaded.mean) == (48, (48, 48), preprocess.CLIP_MEAN)


def test_pil_serves_where_torchvision_does_not_load(tmp_path, monkeypatch):
    monkeypatch.setattr(preprocess, "torchvision_works", lambda: False)
    loaded = load_preprocessing(tmp_path, image_size=32)
    assert loaded.backend == "pil"
    assert tuple(loaded.prepare(image(48, 64)).shape) == (3, 32, 32)


BROKEN = """
import datasets, transformers  # as a user's script may have done before
import numpy as np
import vqe_core
frames = np.zeros((2, 90, 80, 3), np.uint8)
result = vqe_core.EMScore(clip_model_path="toy").compute(predictions=["a red square"], videos=[frames])
print(result["signature"]["resize"], result["num_failed"])
"""


@pytest.mark.slow
def test_a_torchvision_that_does_not_load_is_as_good_as_none(tmp_path):
    # What the one on PyPI does beside a CPU-only torch: it is installed, and raises when imported.
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", BROKEN], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["pil", "0"]


def test_an_image_as_narrow_as_a_thread_is_refused_before_memory_is_asked_for():
    thread = np.zeros((1, 65535, 3), np.uint8)
    with pytest.raises(
        MediaError, match=re.escape("65535 x 1 pixels would become 14679840 x 224 for the model")
    ) as caught:
        Preprocessing(224, (224, 224)).prepare(thread)
    assert caught.value.code == "too_large"
    assert Preprocessing(32, (32, 32)).prepare(thread[:, :30000]).shape == (3, 32, 32)
