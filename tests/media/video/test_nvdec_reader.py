"""Files by the GPU: the right frames or those of the CPU, never wrong ones.

On "cpu" the same code runs with torchcodec's decoder for CPUs; on "cuda" with NVDEC.
"""

from __future__ import annotations

import re
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.clips import read_code, write_clip
from tests.gpu import required_gpu
from tests.media.decoders import StandInDecoder, required_torchcodec
from tests.media.recipes import coded_clip
from tests.media.video.test_pixels import corner_frame
from vqe_core import EMScore, VideoAudioSimilarity
from vqe_core.errors import InputError, MissingPackageError
from vqe_core.media import TableMismatchError, as_media_source, decoders_of, open_video
from vqe_core.media.video.nvdec_reader import NvdecReader, check_nvdec, on_gpu


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    required_torchcodec()
    return required_gpu() if request.param == "cuda" else "cpu"


def opened(source, device):
    return on_gpu(open_video(as_media_source(source)), device)


def codes(video, positions):
    return [read_code(frame.pixels) for frame in video.frames(np.array(positions))]


@pytest.mark.parametrize("name", ["closed.mp4", "vp9.webm", "hevc.mp4"])
def test_files_and_bytes_give_the_right_frames(name, device):
    path = coded_clip(name)
    known = open_video(as_media_source(path))
    for source in (path, path.read_bytes()):
        video = opened(source, device)
        assert video.read(lambda video: codes(video, [0, 17, 18, 39])) == [0, 17, 18, 39]
        np.testing.assert_array_equal(video.table.timestamps, known.table.timestamps)
    if name == "closed.mp4":
        assert video.read_by.startswith("nvdec ")
        for one, other in zip(video.frames(np.arange(40)), known.frames(np.arange(40)), strict=True):
            assert np.abs(one.pixels.astype(int) - other.pixels).mean() < 2


def test_a_segment_keeps_its_frames(device):
    video = opened({"path": str(coded_clip("closed.mp4")), "start": 1.0, "end": 2.0}, device)
    assert video.read_by.startswith("nvdec ")
    assert codes(video, [0, 4, 9]) == [10, 14, 19]


class Late:
    """A decoder whose times are a second too late."""

    def __init__(self, decoder):
        self.decoder = decoder

    def get_frames_at(self, indices):
        batch = self.decoder.get_frames_at(indices)
        return replace(batch, pts_seconds=batch.pts_seconds + 1.0)


def test_frames_that_are_not_those_of_the_table_are_read_without_the_card(device):
    video = opened(coded_clip("closed.mp4"), device)
    late = replace(video, reader=replace(video.reader, decoder=Late(video.reader.decoder)))
    with pytest.raises(TableMismatchError, match=r"the frame at 0\.500 s"):
        codes(late, [5])
    assert late.read(lambda video: (video.reader.name, video.table.warnings, codes(video, [5]))) == (
        "pyav",
        ("the GPU gave other frames than the file's packets promise; read without it",),
        [5],
    )


@pytest.mark.parametrize("name", ["open.mkv", "open.ts", "fragments.mp4", "closed.flv"])
def test_no_container_gives_a_wrong_frame(name, device):
    assert opened(coded_clip(name), device).read(lambda video: codes(video, [0, 7, 30])) == [0, 7, 30]


@pytest.mark.parametrize("turn", [{"rotation": 90}, {"mirrored": True}, {"rotation": 180, "mirrored": True}])
def test_turned_and_mirrored_pictures_are_upright(tmp_path, turn, device):
    path = write_clip(tmp_path / "selfie.mp4", [corner_frame()] * 3, **turn)
    expected = next(open_video(as_media_source(path)).frames(np.array([0]))).pixels
    pixels = next(opened(path, device).frames(np.array([0]))).pixels
    assert np.abs(pixels.astype(int) - expected).mean() < 5


def test_frames_in_memory_stay_as_they_are(device):
    video = open_video(as_media_source(np.zeros((3, 48, 64, 3), np.uint8)))
    assert on_gpu(video, device) is video


@pytest.mark.parametrize("scorer", [EMScore, VideoAudioSimilarity])
def test_a_machine_without_a_card_is_told_before_anything_is_read(scorer, monkeypatch):
    required_torchcodec()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    model = {"clip_model_path": "toy"} if scorer is EMScore else {"hf_clip": "toy", "method": "description"}
    columns = {"predictions": ["a"]} if scorer is EMScore else {"audio_descriptions": ["a"]}
    with pytest.raises(InputError, match="needs an NVIDIA GPU, and torch finds none; use decoder='pyav'"):
        scorer(**model, decoder="nvdec").compute(**columns, videos=[str(coded_clip("closed.mp4"))])
    with pytest.raises(InputError, match=re.escape("decoder ('cuda') must be one of auto, pyav, nvdec")):
        scorer(decoder="cuda")


def test_a_missing_package_is_named_with_its_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(MissingPackageError, match=re.escape("pip install 'vqe-core[torchcodec]'")):
        check_nvdec()


def test_an_absent_ffmpeg_is_named_though_the_package_can_be_imported(monkeypatch):
    def unloadable(content):
        raise RuntimeError("Could not load libtorchcodec. Likely causes: 1. FFmpeg is not properly installed")

    module = types.ModuleType("torchcodec.decoders")
    module.VideoDecoder = unloadable
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)
    with pytest.raises(MissingPackageError, match="Could not load libtorchcodec"):
        check_nvdec()


class Fallback(StandInDecoder):
    """Decodes on the CPU, and knows it only after the first frame, as torchcodec by FFmpeg's way to the card."""

    cpu_fallback = False

    def __init__(self, content, device, dimension_order):
        super().__init__(coded_clip("closed.mp4"), dimension_order)

    def get_frames_at(self, indices):
        self.cpu_fallback = True
        return super().get_frames_at(indices)


def test_what_the_cpu_decodes_in_the_cards_place_is_not_named_after_the_card(monkeypatch):
    module = types.ModuleType("torchcodec.decoders")
    module.VideoDecoder = Fallback
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)
    assert opened(coded_clip("closed.mp4"), "cpu").read_by.startswith("pyav ")


def test_what_the_card_made_is_stored_under_its_name(tmp_path):
    device = required_gpu()
    path = coded_clip("closed.mp4")
    assert torch.cuda.get_device_name(device) in decoders_of(as_media_source(path), NvdecReader())
    results = [
        EMScore(clip_model_path="toy", decoder=decoder, cache_dir=tmp_path).compute(
            predictions=["a red square"], videos=[str(path)]
        )
        for decoder in ("pyav", "nvdec", "nvdec")
    ]
    names = [result["signature"]["reader"].split()[0] for result in results]
    assert names == ["pyav", "nvdec", "nvdec"]
    assert results[1] == results[2]
    assert results[0]["EMScore(X,V)_full_F"] == pytest.approx(results[1]["EMScore(X,V)_full_F"], abs=0.02)
