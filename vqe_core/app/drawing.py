"""Results as HTML: crisp at every width, in light and dark, readable aloud; texts of visitors are escaped."""

from __future__ import annotations

from typing import Any

from vqe_core.report import html_environment
from vqe_core.report_chart import HEAT_STEPS

STRONG_HEAT = (16, 12)  # on light, on dark: from this step of the tints of app.css on, inverted text is clearer


def render(template: str, **values: Any) -> str:
    """HTML of the template ``app_<template>.html``."""
    return html_environment().get_template(f"app_{template}.html").render(**values)


def stylesheet() -> str:
    """The look of the pages."""
    template = html_environment().get_template("app.css")
    return template.render(heat_steps=HEAT_STEPS, strong_heat=STRONG_HEAT)
