"""Errors of sounds that need more than a code."""

from __future__ import annotations

from vqe_core.errors import MediaError


class NoSoundThereError(MediaError):
    """There is sound, but none within the segment asked for.

    Attributes:
        extent: seconds, from when to when there is sound; None where that is not known.
    """

    code = "no_audio"
    extent: tuple[float, float] | None = None


def no_sound_there(name: str, extent: tuple[float, float] | None) -> MediaError:
    """Return the error of a sound of which nothing is within the segment, or which is empty altogether.

    Args:
        name: of the sound.
        extent: seconds, from when to when there is sound; None where that is not known.
    """
    if extent is not None and extent[1] <= extent[0]:
        return MediaError(f"{name!r} holds no sound", code="no_audio")
    error = NoSoundThereError(f"{name!r} holds no sound, or none within the segment asked for")
    error.extent = extent
    return error
