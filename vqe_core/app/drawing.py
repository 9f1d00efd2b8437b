"""Results as HTML: crisp at every width, in light and dark, readable aloud; texts of visitors are escaped."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from vqe_core.report import format_score
from vqe_core.report_chart import HEAT_STEPS

STRONG_HEAT = (16, 12)  # on light, on dark: from this step on, inverted text has the better contrast
TEMPLATES = Path(__file__).parents[1] / "templates"


def render(template: str, **values: Any) -> str:
    """HTML of the template ``app_<template>.html``."""
    return _environment().get_template(f"app_{template}.html").render(**values)


def stylesheet() -> str:
    """The look of the pages."""
    template = _environment().get_template("app.css")
    return template.render(heat_steps=HEAT_STEPS, strong_heat=STRONG_HEAT)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = format_score
    environment.filters["cell"] = lambda value: format_score(value).replace("0.", ".", 1)
    return environment
