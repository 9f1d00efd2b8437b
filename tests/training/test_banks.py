"""The banks that ship are those that the script makes of the model that ships."""

from __future__ import annotations

import pytest
import torch

from training.banks import build_banks
from vqe_core.scorers.caption_bank import load_captions
from vqe_core.scorers.video_audio.calibration import load_bank
from vqe_core.toy import model_folder

pytestmark = pytest.mark.slow


def test_the_shipped_banks_can_be_built_again(tmp_path):
    for path in build_banks(model_folder(), tmp_path):
        shipped = model_folder() / path.name
        if path.suffix == ".json":
            one, other = load_captions(path), load_captions(shipped)
            assert one.captions == other.captions and one.made_for["revision"] == other.made_for["revision"]
            assert one.margins == pytest.approx(other.margins, abs=1e-3)
        else:
            one, other = load_bank(path), load_bank(shipped)
            assert torch.allclose(one.embeddings, other.embeddings, atol=1e-2)
            assert one.space == other.space and one.made_by == other.made_by
