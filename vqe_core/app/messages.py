"""Errors to plain words for visitors, who must not see how the server is built."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import wraps

from vqe_core.app.drawing import render
from vqe_core.errors import InternalError, VqeError

_LOG = logging.getLogger(__name__)
_ABSOLUTE_PATH = re.compile(
    r"(?:file:)?(?<![\w/.])(?:/[^/\s'\"]+)+/([^/\s'\"]+)"
    r"|[A-Za-z]:\\(?:[^\\\s'\"]+\\)*([^\\\s'\"]+)"
)

UNKNOWN = "Something went wrong on our side. The clip may be unusual: try another one, or try again later."
HEADLINES = {
    "decode_error": "This file cannot be read.",
    "format_not_allowed": "This is no video or sound file that can be read here.",
    "no_video_stream": "This file has no picture.",
    "no_frames": "This file has no picture.",
    "empty_file": "This file is empty.",
    "no_audio": "This video has no sound.",
    "silent": "The sound is silent.",
    "too_short": "The sound is too short.",
    "too_long": "The clip is too long.",
    "too_large": "The picture is too large.",
    "too_many_frames": "The clip is too long.",
    "timeout": "The clip takes too long to read.",
    "out_of_memory": "The clip needs too much memory.",
    "model_not_found": "This model cannot be loaded here.",
    "missing_package": "This model cannot be loaded here.",
}


def plain_words(error: VqeError) -> tuple[str, str]:
    """A headline and the detail of an error, with every path shortened to the file's own name.

    Args:
        error: of one clip. Where rows were listed, the error of the row itself is told.

    Example:
        >>> from vqe_core.errors import MediaError
        >>> plain_words(MediaError("'/srv/uploads/1f/a.mp4' has no frame", code="no_frames"))
        ('This file has no picture.', "'a.mp4' has no frame")
    """
    inner = error.__cause__ if isinstance(error.__cause__, VqeError) else error
    detail = without_folders(str(inner))
    return HEADLINES.get(inner.code, "This cannot be scored."), detail


def without_folders(text: str) -> str:
    """``text`` with every absolute path cut down to its last part.

    Example:
        >>> without_folders("'/srv/app/clip.mp4' and 3/4 of https://example.org/a")
        "'clip.mp4' and 3/4 of https://example.org/a"
    """
    return _ABSOLUTE_PATH.sub(lambda match: match.group(1) or match.group(2), text)


def alert(headline: str, detail: str = "") -> str:
    """The message as HTML."""
    return render("alert", headline=headline, detail=detail)


def told_in_words(handler: Callable[..., str]) -> Callable[..., str]:
    """The handler, giving an alert instead of raising: known errors in words, others in the log only."""

    @wraps(handler)
    def guarded(*args: object) -> str:
        try:
            return handler(*args)
        except InternalError as error:
            _LOG.error("a visitor's clip could not be scored: %s\n%s", error, error.trace)
            return alert("Sorry.", UNKNOWN)
        except VqeError as error:
            return alert(*plain_words(error))
        except Exception:
            _LOG.exception("a visitor's clip could not be scored")
            return alert("Sorry.", UNKNOWN)

    return guarded
