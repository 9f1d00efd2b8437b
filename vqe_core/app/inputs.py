"""What visitors type, checked."""

from __future__ import annotations

from collections.abc import Mapping

from vqe_core.app.frames import open_upload
from vqe_core.app.settings import MAX_LETTERS, MAX_SECONDS
from vqe_core.errors import InputError, MediaError


def read_lines(text: str | None, name: str, *, most: int) -> list[str]:
    """The lines of a text box that hold something, each once.

    Args:
        text: as typed.
        name: of the box, for messages.
        most: lines.

    Raises:
        InputError: too many lines, or one that is too long.

    Example:
        >>> read_lines("a star\\n\\n a ring ", "Captions", most=3)
        ['a star', 'a ring']
    """
    lines = list(dict.fromkeys(line.strip() for line in (text or "").splitlines() if line.strip()))
    if len(lines) > most:
        raise InputError(f"{name}: {len(lines)} lines, and at most {most} fit here. Leave some out.")
    for line in lines:
        if len(line) > MAX_LETTERS:
            raise InputError(
                f"{name}: the line that begins with {line[:30]!r} has {len(line)} letters, and at most {MAX_LETTERS} "
                "fit here. Shorten it."
            )
    return lines


def chosen_model(model: str | None, models: Mapping[str, str]) -> str:
    """The model if it is on the list; a request made by hand may name any.

    Raises:
        InputError: it is not.
    """
    if model is None or model not in models.values():
        raise InputError(f"The model must be one of {', '.join(models)}.")
    return model


def check_clip(path: str) -> float:
    """See that a clip is a video, and not too long, before anything is scored; its length in seconds.

    Raises:
        MediaError: it cannot be read, code ``too_long`` where it is longer than ``MAX_SECONDS``.
    """
    with open_upload(path) as video:
        seconds = video.table.end - video.table.start
    if seconds > MAX_SECONDS:
        raise MediaError(
            f"it lasts {seconds:.0f} s, and at most {MAX_SECONDS} s are scored here. Cut it shorter.", code="too_long"
        )
    return seconds
