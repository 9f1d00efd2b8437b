"""What is a description."""

from __future__ import annotations

from vqe_core.errors import InputError, InputTypeError

# A description is a phrase; a page of text is an answer to something else.
MAX_LETTERS = 2000


def check_description(text: object) -> str:
    """A description on one line.

    Raises:
        InputError: not a string, empty, or longer than ``MAX_LETTERS``; code ``bad_description``.
    """
    if not isinstance(text, str):
        raise InputTypeError(f"description must be a string, got {type(text).__name__}", code="bad_description")
    line = " ".join(text.split())
    if not any(letter.isalnum() for letter in line):
        raise InputError(f"description is empty ({line[:20]!r})", code="bad_description")
    if len(line) > MAX_LETTERS:
        raise InputError(
            f"description has {len(line)} letters, more than {MAX_LETTERS}; ask for a phrase", code="bad_description"
        )
    return line
