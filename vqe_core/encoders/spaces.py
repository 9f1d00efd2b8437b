"""Embedding spaces by name. A cosine across two spaces runs without an error and means nothing."""

from __future__ import annotations

from vqe_core.errors import ModelError


def check_same_space(visual: str, audio: str) -> None:
    """Refuse to compare embeddings of two spaces.

    Args:
        visual: space of the pictures, an encoder's ``space``.
        audio: space of the sounds.

    Raises:
        ModelError: the names differ; code ``different_spaces``.
    """
    if visual != audio:
        raise ModelError(
            f"pictures are in the space {visual!r} and sounds in {audio!r}; a cosine between them means nothing, even "
            "where the sizes agree. Compare through words (comparison 'tags' or 'description'), or use a model "
            "with one space for both, for example facebook/pe-av-small-16-frame",
            code="different_spaces",
        )
