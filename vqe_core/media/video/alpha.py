"""Transparency of VP8 and VP9 in Matroska (WebM): a second stream of the same codec, a packet of it beside each image.

FFmpeg's own decoders of these codecs leave it out. Its images are grey, their luma is the opacity.
Source: WebM container guidelines, "Alpha channel" (BlockAdditional with BlockAddID 1).
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream

from vqe_core.media.limits import MediaLimits

_CODECS = ("vp8", "vp9")
_SIDE_DATA = "matroska_block_additional"
_ALPHA_ID = (1).to_bytes(8, "big")


def may_have_alpha(stream: VideoStream) -> bool:
    """Tell whether transparency may stand beside the packets of a stream: what the file says of it is not asked."""
    return stream.codec_context.codec.canonical_name in _CODECS


def alpha_beside(packet: Any) -> bytes:
    """Return the encoded transparency beside a packet, empty for none."""
    beside = bytes(packet.get_sidedata(_SIDE_DATA)) if packet.has_sidedata(_SIDE_DATA) else b""
    return beside[len(_ALPHA_ID) :] if beside.startswith(_ALPHA_ID) else b""


class AlphaPlanes:
    """Decode the transparency beside the packets of one stream, in the order of the file.

    Args:
        stream: one that ``may_have_alpha``.
        limits: bounds on the pixels of an image.

    Attributes:
        plane: opacity of the packet fed last, uint8 (H, W), 255 opaque; None: nothing beside it, so all opaque.
        lost: packets whose transparency could not be decoded.
    """

    def __init__(self, stream: VideoStream, limits: MediaLimits) -> None:
        self.plane: np.ndarray | None = None
        self.lost = 0
        self._context: Any = av.CodecContext.create(stream.codec_context.codec.canonical_name, "r")
        self._context.thread_count = 1
        self._context.options = {"max_pixels": str(limits.max_pixels)}

    def feed(self, packet: Any) -> None:
        """Decode what is beside a packet.

        Args:
            packet: of the stream; None at its end.
        """
        if packet is None:
            return
        beside = alpha_beside(packet)
        if not beside:
            self.plane = None
            return
        try:
            images = self._context.decode(av.Packet(beside))
        except av.FFmpegError:
            self.lost, self.plane = self.lost + 1, None
            return
        if images:  # an image that is not shown has none here either
            self.plane = _luma(images[-1])
            self.lost += self.plane is None

    def fit(self, width: int, height: int) -> None:
        """Drop the plane where it is not of the size of the image."""
        if self.plane is not None and self.plane.shape != (height, width):
            self.lost, self.plane = self.lost + 1, None


def _luma(image: Any) -> np.ndarray | None:
    """Return the luma of an image of 8 bits, None of one of more, which no encoder writes."""
    if image.format.components[0].bits != 8:
        return None
    plane = image.planes[0]
    rows = np.frombuffer(plane, dtype=np.uint8)[: plane.height * plane.line_size]
    return rows.reshape(plane.height, plane.line_size)[:, : image.width].copy()
