"""Start a page with safe settings, and without a request to any other machine."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_core.app.drawing import stylesheet
from vqe_core.app.settings import KEEP_UPLOADS, MAX_UPLOAD, MAX_WAITING, old_ffmpeg_warning
from vqe_core.errors import MissingPackageError, VqeError

if TYPE_CHECKING:
    from gradio import Blocks

_LOG = logging.getLogger(__name__)


def import_gradio() -> Any:
    """The gradio module, with its reports to its makers switched off.

    Raises:
        MissingPackageError: it is not installed.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio
    except ImportError as error:
        raise MissingPackageError("the pages need gradio (pip install vqe-core[app])") from error
    return gradio


def new_page(title: str) -> Blocks:
    """An empty page that forgets uploads after an hour."""
    page: Blocks = import_gradio().Blocks(
        title=title, analytics_enabled=False, delete_cache=(KEEP_UPLOADS, KEEP_UPLOADS)
    )
    return page


def launch(page: Blocks, warm_up: Callable[[], Any] | None = None, **options: Any) -> Any:
    """Serve a page as a public Space should: few at a time, small uploads, no server file within reach.

    Args:
        page: from ``new_page``.
        warm_up: runs beside the start, so that the first visitor need not wait for the model.
        options: of gradio's ``launch``, for tests.
    """
    logging.basicConfig(level=logging.INFO)
    if warning := old_ffmpeg_warning():
        _LOG.warning(warning)
    if warm_up is not None:
        threading.Thread(target=_logged, args=(warm_up,), daemon=True).start()
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)
    settings: dict[str, Any] = {
        "max_file_size": MAX_UPLOAD,
        "allowed_paths": [],
        "share": False,
        "show_error": False,
        "ssr_mode": False,
        "run_history": False,
        "mcp_server": False,
        "footer_links": [],
        "theme": _theme(),
        "css": stylesheet(),
    }
    return page.launch(**{**settings, **options})


def card_text(path: Path) -> str:
    """A metric's card without its header, for the page to show."""
    text = path.read_text(encoding="utf-8")
    return text.split("---", 2)[2].strip() if text.startswith("---") else text


def _theme() -> Any:
    # Fonts that every system has: any other would be fetched.
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    theme = import_gradio().themes.Default(primary_hue="cyan", neutral_hue="slate", font=sans, font_mono=mono)
    # White letters need a darker button than the default's.
    dark = {"button_primary_background_fill": "*primary_700", "button_primary_background_fill_hover": "*primary_800"}
    return theme.set(**dark, **{f"{name}_dark": value for name, value in dark.items()})


def _logged(warm_up: Callable[[], Any]) -> None:
    try:
        warm_up()
    except Exception as error:
        known = isinstance(error, VqeError)
        _LOG.warning("the default model is not ready: %s", error, exc_info=None if known else error)
