"""Another backend gives what torch gives, for images in any batch, and leaves texts alone."""

from __future__ import annotations

import numpy as np
import torch

from vqe_core.encoders import load_image_text_encoder


def prepared(encoder, count):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 40, 50, 3), dtype=np.uint8)
    return torch.stack([encoder.prepare_image(image) for image in pixels])


def check_near_torch(folder, backend):
    """Compare the encoder of a checkpoint by ``backend`` with that by torch; return both."""
    own, other = (load_image_text_encoder(str(folder), "cpu", backend=name) for name in ("torch", backend))
    images = prepared(own, 5)
    for count in (1, 5, 3):
        ours, theirs = own.embed_images(images[:count]), other.embed_images(images[:count])
        assert theirs.dtype == torch.float32
        assert (ours - theirs).abs().max() < 1e-5
    (one,), (two,) = (encoder.embed_texts(["a red cat"]) for encoder in (own, other))
    assert torch.equal(one.pooled, two.pooled)
    return own, other
