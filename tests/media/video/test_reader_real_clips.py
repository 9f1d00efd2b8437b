"""Three real clips, where they are at hand: set VQE_REAL_CLIPS to their folder."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.clips import forward_decode
from vqe_core.media import as_media_source, open_video
from vqe_core.samplers.time_based import EveryNSecondsSampler

FOLDER = Path(os.environ.get("VQE_REAL_CLIPS", Path(__file__).parents[3] / "shared" / "media"))


@pytest.mark.parametrize("name", ["bigbuckbunny.mp4", "emscore_sample.mp4", "nasa_13013.mp4"])
def test_real_clip_reads_as_a_full_decode(name):
    if not (FOLDER / name).is_file():
        pytest.skip(f"no {name} in {FOLDER}; set VQE_REAL_CLIPS to the folder that holds it")
    video = open_video(as_media_source(FOLDER / name))
    times, pictures = forward_decode(FOLDER / name)
    np.testing.assert_array_equal(video.table.timestamps, times)
    assert not video.table.warnings
    positions = EveryNSecondsSampler(1.3).select(video.table)
    for frame in video.frames(positions):
        np.testing.assert_array_equal(frame.pixels, pictures[frame.position])
