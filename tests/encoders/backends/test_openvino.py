"""Images by OpenVINO: near torch's numbers, named in the signature, refused where it cannot run."""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tests import tiny
from tests.encoders.backends.near_torch import check_near_torch, prepared
from tests.required import required_package
from vqe_core.encoders import load_image_text_encoder, unload_encoders
from vqe_core.errors import InputError, MissingPackageError
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity

FAMILIES = [tiny.tiny_clip, tiny.tiny_metaclip_2, tiny.tiny_chinese_clip, tiny.tiny_altclip, tiny.tiny_siglip]


@pytest.fixture
def openvino():
    return required_package("openvino")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_family_is_near_torch_at_any_batch_size(openvino, family, tmp_path):
    check_near_torch(family(tmp_path), "openvino")


def test_the_signature_names_it_and_only_it(openvino, clip_folder):
    plain, auto, other = (load_image_text_encoder(clip_folder, backend=name) for name in ("torch", "auto", "openvino"))
    assert plain is auto
    assert "backend" not in plain.signature()
    assert other.signature() == {**plain.signature(), "backend": "openvino"}


def test_bfloat16_is_computed_in_bfloat16_or_refused(openvino, clip_folder):
    able = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if not able:
        with pytest.raises(InputError, match="not within reach of OpenVINO on this CPU"):
            load_image_text_encoder(clip_folder, "cpu", "bfloat16", "openvino")
        return
    unload_encoders()
    full, half = (load_image_text_encoder(clip_folder, "cpu", d, "openvino") for d in ("float32", "bfloat16"))
    images = prepared(full, 4)
    moved = (full.embed_images(images) - half.embed_images(images)).abs().max()
    assert 1e-5 < moved < 0.05


def test_threads_share_an_encoder(openvino, clip_folder):
    encoder = load_image_text_encoder(clip_folder, "cpu", backend="openvino")
    images = prepared(encoder, 12)
    expected = [encoder.embed_images(images[i : i + 1]) for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: encoder.embed_images(images[i : i + 1]), range(12)))
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_is_told_and_does_not_hang(openvino, clip_folder):
    encoder = load_image_text_encoder(clip_folder, "cpu", backend="openvino")
    images = prepared(encoder, 1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            encoder.vision_tower(images)  # type: ignore[attr-defined]
        except InputError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert b"was loaded before this process was forked" in os.read(reading, 1000)


def test_both_metrics_score_with_it(openvino):
    from vqe_core.toy.clips import make_clip

    frames = make_clip(0).frames
    results = [
        EMScore(clip_model_path="toy", frame_num=2, backend=name).compute(
            predictions=["a red square"], videos=[frames], references=["a blue circle"]
        )
        for name in ("torch", "openvino")
    ]
    for key in (key for key in results[0] if key.startswith("EMScore")):
        assert results[0][key] == pytest.approx(results[1][key], abs=1e-4)
    result = VideoAudioSimilarity(hf_clip="toy", method="description", backend="openvino").compute(
        videos=[frames], audio_descriptions=["a bell tolls"]
    )
    assert result["signature"]["backend"] == "openvino"


def test_a_joint_space_has_no_such_images():
    with pytest.raises(InputError, match=re.escape("use backend='torch', or method 'tags' or 'description'")):
        VideoAudioSimilarity(hf_clip="toy", method="joint", backend="openvino").compute(
            videos=[np.zeros((4, 64, 64, 3), np.uint8)], audios=[{"array": np.zeros(8000), "sampling_rate": 8000}]
        )


def test_wrong_backends_and_devices_are_told_before_anything_is_loaded(clip_folder):
    with pytest.raises(InputError, match=re.escape("backend ('onnx') must be one of auto, torch, compile, openvino")):
        load_image_text_encoder(clip_folder, backend="onnx")  # type: ignore[arg-type]
    for scorer in (EMScore, VideoAudioSimilarity):
        with pytest.raises(InputError, match=re.escape("backend ('onnx') must be one of")):
            scorer(backend="onnx")
    with pytest.raises(InputError, match=re.escape("backend 'openvino' runs on the CPU, but device ('meta')")):
        load_image_text_encoder(clip_folder, device="meta", backend="openvino")


def test_a_missing_package_is_named_with_its_pip_line(clip_folder, monkeypatch):
    unload_encoders()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingPackageError, match=re.escape("pip install 'vqe-core[openvino]'")):
        load_image_text_encoder(clip_folder, "cpu", backend="openvino")
