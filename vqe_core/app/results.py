"""Results that visitors can keep: as JSON, as a picture, and as a link that fills the form in again.

A link holds texts, options and the number of an example. A clip that was uploaded is not kept, so no link restores it.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from vqe_core.app.charts import render
from vqe_core.errors import MissingPackageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LINKED = 6000  # characters of a link; longer ones break in some browsers and servers
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Result:
    """Outcome of a request.

    Attributes:
        html: to show.
        name: of the files to download, without an ending.
        content: for JSON.
        picture: draws it.
        link: query parameters that fill the form in again.
        restored: whether the link restores the clip too, as that of an example.
        by_caption: the number of each caption; empty where there are none.
    """

    html: str
    name: str
    content: Mapping[str, Any] = field(repr=False)
    picture: Callable[[], Figure] | None = None
    link: Mapping[str, str] = field(default_factory=dict)
    restored: bool = False
    by_caption: Mapping[str, float] = field(default_factory=dict)


def with_actions(result: Result) -> str:
    """Return a result as HTML, what can be done with it below."""
    query = urlencode({name: value for name, value in result.link.items() if value != ""})
    return result.html + render(
        "actions",
        name=result.name,
        json=as_json(result.content),
        png=_drawn(result.picture),
        link=f"?{query}" if query and len(query) <= MOST_LINKED else None,
        restored=result.restored,
    )


def as_json(content: Mapping[str, Any]) -> str:
    """Return a data URL of JSON; what is no number is null there."""
    text = json.dumps(plain(content), indent=1, ensure_ascii=False, default=str)
    return "data:application/json;base64," + base64.b64encode(text.encode()).decode()


def plain(value: Any) -> Any:
    """Return nested values with None for NaN.

    Example:
        >>> plain({"score": float("nan"), "words": ("a", 0.5)})
        {'score': None, 'words': ['a', 0.5]}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _drawn(picture: Callable[[], Figure] | None) -> str | None:
    """Return a data URL of a PNG, None where nothing can be drawn: a picture is no reason to show no result."""
    if picture is None:
        return None
    try:
        figure, file = picture(), io.BytesIO()
    except MissingPackageError as error:
        _LOG.warning("results have no picture: %s", error)
        return None
    figure.savefig(file, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
