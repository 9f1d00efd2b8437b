"""A picture that a notebook shows without pyplot. Needs matplotlib, so it is imported only to draw."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure that notebooks show as a picture.

    They show a plain ``Figure`` only after pyplot, with its global state, was imported; before, they print its name.

    Example:
        >>> ShownFigure()._repr_png_().startswith(bytes([0x89]) + b"PNG")
        True
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
