"""The vision tower by OpenVINO, an optional package. Its numbers are its own."""

from __future__ import annotations

import os
import threading
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqe_core.errors import InputError, MissingPackageError
from vqe_core.runtime import check_not_forked

# Of each dtype, the name as a precision hint and as a capability of the CPU.
PRECISIONS = {torch.float32: ("f32", "FP32"), torch.bfloat16: ("bf16", "BF16"), torch.float16: ("f16", "FP16")}


@dataclass(frozen=True)
class OpenVinoVisionTower:
    """uint8 images (B, 3, h, w) -> pooled float32 (B, D), of any batch size."""

    request: Any = field(repr=False)
    lock: Any = field(default_factory=threading.Lock, repr=False)
    process: int = field(default_factory=os.getpid, repr=False)

    @classmethod
    def convert(cls, tower: nn.Module, example: Tensor, dtype: torch.dtype) -> OpenVinoVisionTower:
        """Compile ``tower`` for this CPU.

        Args:
            tower: float32, uint8 images to pooled embeddings.
            example: uint8 (1, 3, h, w), the shape of the images.
            dtype: to compute in.

        Raises:
            MissingPackageError: openvino is not installed.
            InputError: the CPU cannot compute in ``dtype``.
        """
        try:
            import openvino
        except ImportError as error:
            raise MissingPackageError(
                f"backend 'openvino' needs openvino ({error}); pip install 'vqe-core[openvino]'"
            ) from error
        core = openvino.Core()
        hint, capability = PRECISIONS[dtype]
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if capability not in able:
            raise InputError(
                f"dtype ({str(dtype).removeprefix('torch.')!r}) is not within reach of OpenVINO on this CPU, which has "
                f"{', '.join(able)}; use dtype='float32', or backend='torch'"
            )
        compiled = core.compile_model(
            _convert(tower, example),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": hint,
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            },
        )
        return cls(compiled.create_infer_request())

    def __call__(self, images: Tensor) -> Tensor:
        """Embed uint8 (B, 3, h, w) as float32 (B, D)."""
        check_not_forked(self.process, "backend 'openvino'")
        with self.lock:  # a request holds one batch at a time
            outputs = self.request.infer([images.contiguous().numpy()])
            return torch.from_numpy(np.array(outputs[0]))


def _convert(tower: nn.Module, example: Tensor) -> Any:
    """Convert the tower to an OpenVINO model with a free batch size.

    By the front end itself, as ``openvino.convert_model`` reports each conversion to its makers.
    """
    from openvino import PartialShape, Type
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    # Two images: a batch of one would be traced as a size that never changes.
    with warnings.catch_warnings():  # of sizes that become constants, as is wanted
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(tower, torch.cat([example, example]), check_trace=False)
    front_end = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced)  # must outlive the conversion
    model = front_end.convert(front_end.load(decoder))
    model.inputs[0].get_node().set_element_type(Type.u8)
    model.inputs[0].get_node().set_partial_shape(PartialShape([-1, *example.shape[1:]]))
    model.validate_nodes_and_infer_types()
    return model
