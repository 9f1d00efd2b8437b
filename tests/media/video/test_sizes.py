"""Images of one video whose sizes differ."""

from __future__ import annotations

import numpy as np

from tests.clips import coded_frame, coded_frames, read_code
from vqe_core.media.video.sizes import gathered, of_one_size


def test_images_of_one_size_are_one_array():
    frames = coded_frames(3)
    assert np.array_equal(gathered(list(frames)), frames)
    assert of_one_size(frames) is frames


def test_other_sizes_are_fitted_into_the_first_with_black_beside_them():
    images = gathered([coded_frame(5), coded_frame(9, 128, 96), coded_frame(17, 48, 96)])
    assert isinstance(images, tuple)
    one = of_one_size(images)
    assert one.shape == (3, 48, 64, 3)
    assert np.array_equal(one[0], images[0])
    assert read_code(one[1]) == 9
    assert read_code(one[2][:, 20:44]) == 17  # 48 x 96 becomes 24 x 48
    assert not one[2][:, :20].any()
    assert not one[2][:, 44:].any()
