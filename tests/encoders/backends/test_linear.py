"""Every kernel multiplies as torch does, and the choice between them is torch's own where there is nothing to gain."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vqe_core.encoders.backends import linear as linear_kernels
from vqe_core.encoders.backends.linear import choose_kernel, linear, pack_linears

KERNELS = ["torch", *(["onednn"] if linear_kernels._has_onednn(torch.float32) else [])]


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.fixture(params=["torch", "onednn"])
def kernel(request):
    if request.param not in KERNELS:
        pytest.skip("this torch has no oneDNN layers for float32 on this machine")
    return request.param


@torch.inference_mode()
def test_a_layer_is_torchs_to_rounding_at_any_number_of_rows(kernel):
    weight, bias = rows(48, 32), rows(48)
    layer = linear(weight, bias, kernel)
    for shape in ((1, 32), (7, 32), (3, 5, 32), (400, 32), (1000, 32)):
        x = rows(*shape)
        expected = F.linear(x.double(), weight.double(), bias.double()).float()
        assert torch.allclose(layer(x), expected, atol=1e-4)
        assert torch.allclose(layer.activated(x, "silu"), F.silu(expected), atol=1e-4)
        assert torch.allclose(layer.activated(x, "gelu"), F.gelu(expected), atol=1e-4)
        residual = rows(*shape[:-1], 48)
        assert torch.allclose(layer.added_to(residual.clone(), x), residual + expected, atol=1e-4)


@torch.inference_mode()
def test_a_layer_without_bias(kernel):
    weight, x = rows(48, 32), rows(3, 5, 32)
    layer = linear(weight, None, kernel)
    expected = F.linear(x, weight)
    assert torch.allclose(layer(x), expected, atol=1e-4)
    assert torch.allclose(layer.added_to(rows(3, 5, 48), x), rows(3, 5, 48) + expected, atol=1e-4)


@pytest.mark.skipif("onednn" not in KERNELS, reason="this torch has no oneDNN layers on this machine")
@torch.inference_mode()
def test_packing_replaces_plain_layers_and_leaves_what_their_owners_read():
    module = nn.ModuleDict(
        {
            "plain": nn.Sequential(nn.Linear(32, 48), nn.GELU(), nn.Linear(48, 32, bias=False)),
            "attention": nn.MultiheadAttention(32, 4, batch_first=True),
        }
    ).eval()
    x = rows(2, 6, 32)
    before = module["plain"](x), module["attention"](x, x, x)[0]
    weight = module["plain"][0].weight.detach().clone()
    pack_linears(module)
    assert [type(part).__name__ for part in module["plain"]] == ["PackedLinear", "GELU", "PackedLinear"]
    assert torch.equal(module["plain"][0].weight, weight)
    assert module["plain"][2].bias is None
    after = module["plain"](x), module["attention"](x, x, x)[0]
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert not list(module["plain"].parameters())


def test_small_models_and_other_devices_take_torchs_own():
    assert choose_kernel((128, 384), torch.float32, "cpu") == "torch"
    assert choose_kernel((768, 3072), torch.float32, "cuda") == "torch"
    assert choose_kernel((0, 0), torch.bfloat16, "cpu") == "torch"


def test_a_large_float32_model_is_measured_once_and_threads_are_as_before():
    linear_kernels._measured.cache_clear()
    threads = torch.get_num_threads()
    first = choose_kernel((768, 3072), torch.float32, "cpu")
    assert first in KERNELS
    assert choose_kernel((768, 3072), torch.float32, "cpu") == first
    if "onednn" in KERNELS:
        assert linear_kernels._measured.cache_info().misses == 1
    assert torch.get_num_threads() == threads


def test_the_choice_follows_the_measurement_with_a_margin(monkeypatch):
    for seconds, expected in (((1.0, 0.5), "onednn"), ((1.0, 0.95), "torch"), ((0.5, 1.0), "torch")):
        linear_kernels._measured.cache_clear()
        monkeypatch.setattr(linear_kernels, "_seconds", lambda *_, s=seconds: {"torch": s[0], "onednn": s[1]})
        assert linear_kernels._measured((768, 3072)) == expected
    linear_kernels._measured.cache_clear()


def test_half_precision_is_by_rule_so_that_a_machine_never_changes_its_mind():
    for dtype in (torch.bfloat16, torch.float16):
        expected = "onednn" if linear_kernels._has_onednn(dtype) else "torch"
        assert choose_kernel((768, 3072), dtype, "cpu") == expected


def test_without_onednn_everything_is_torchs(monkeypatch):
    monkeypatch.setattr(linear_kernels.platform, "machine", lambda: "arm64")
    linear_kernels._has_onednn.cache_clear()
    assert choose_kernel((768, 3072), torch.float32, "cpu") == "torch"
    linear_kernels._has_onednn.cache_clear()


@pytest.mark.parametrize(("ratio", "warned"), [(15.24, True), (1.1, False), (0.3, False)])
def test_half_precision_that_takes_longer_than_float32_is_told_with_the_ratio(ratio, warned, monkeypatch):
    monkeypatch.setattr(linear_kernels, "times_float32", lambda dtype: ratio)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        linear_kernels.warn_of_slow_dtype(torch.bfloat16, "cpu")
    expected = ["dtype 'bfloat16' takes 15.2 times as long as float32 on this CPU (measured); it has no"] * warned
    assert [str(warning.message)[: len(expected[0])] for warning in told] == expected


def test_of_float32_and_of_a_gpu_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(linear_kernels, "times_float32", None)
    linear_kernels.warn_of_slow_dtype(torch.float32, "cpu")
    linear_kernels.warn_of_slow_dtype(torch.bfloat16, "cuda:0")


SLOW = """
import sys, warnings
from vqe_core.encoders import load_image_text_encoder
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    load_image_text_encoder("toy", device="cpu", dtype="bfloat16")
print(sum("takes" in str(warning.message) for warning in told))
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="instruction sets of x86")
def test_a_cpu_without_the_instructions_is_told_at_load():
    without = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    ran = subprocess.run(
        [sys.executable, "-c", SLOW],
        capture_output=True,
        text=True,
        env={**os.environ, **without, "OMP_NUM_THREADS": "1"},
    )
    assert ran.stdout.split() == ["1"], ran.stderr
