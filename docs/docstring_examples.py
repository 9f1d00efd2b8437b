"""A griffe extension for the reference: a docstring's "Example:" becomes a block of code."""

from __future__ import annotations

import re
from typing import Any

import griffe

SINGULAR = re.compile(r"^Example:$", re.MULTILINE)


class DocstringExamples(griffe.Extension):
    """Reads the heading "Example:", which griffe would set as a note, as "Examples:"."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rename the heading in the docstring of ``obj``, if it has both."""
        if obj.docstring is not None:
            obj.docstring.value = SINGULAR.sub("Examples:", obj.docstring.value)
