"""Layout and rules that the pages share: a form on the left, results on the right, the metric card below."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_core.app.charts import render, stylesheet
from vqe_core.app.results import Result, with_actions
from vqe_core.app.stages import in_stages
from vqe_core.deadline import deadline
from vqe_core.errors import InputError, InternalError, MissingPackageError, VqeError
from vqe_core.media import audio_versions

if TYPE_CHECKING:
    from gradio import Blocks

MODELS_VARIABLE = "VQE_APP_MODELS"  # models that visitors may choose, separated by commas; the first is the default
TOY = "toy"
MAX_UPLOAD = "100mb"
MAX_FRAMES = 256  # decoded of one clip
MAX_SECONDS = 600  # of one clip
MAX_DECODING = 30.0  # seconds of reading for one request: its clip, its sound, again where need be, and thumbnails
MAX_REQUEST = 60.0  # seconds of one request in all; there is one place for all visitors
MAX_WAITING = 16  # visitors in the queue; more are turned away
MAX_CAPTIONS = 12
MAX_REFERENCES = 12
MAX_LETTERS = 500  # of one caption
KEEP_UPLOADS = 3600  # seconds
SAFE_FFMPEG = (8, 1, 2)  # older ones have known holes in their decoders
SCORER_LIMITS: dict[str, Any] = {
    "max_frames": MAX_FRAMES,
    "isolate": True,  # a file that kills the decoder must not take the page along
    "row_timeout": MAX_DECODING,
    "progress": False,
}
UNKNOWN = "Something went wrong on our side. The clip may be unusual: try another one, or try again later."
NO_MODEL = "This model cannot be loaded here."
NO_MODEL_HERE = "Choose another model in the form. The texts and the clip stay as they are."
HEADLINES = {
    "decode_error": "This file cannot be read.",
    "format_not_allowed": "This is no video or audio file that can be read here.",
    "no_video_stream": "This file has no video stream.",
    "no_frames": "This file has no frames.",
    "empty_file": "This file is empty.",
    "no_audio": "This video has no audio.",
    "silent": "The audio is silent.",
    "too_short": "The audio is too short.",
    "too_long": "The clip is too long.",
    "too_large": "The frames are too large.",
    "too_many_frames": "The clip is too long.",
    "timeout": "The clip takes too long.",
    "out_of_memory": "The clip needs too much memory.",
    "model_not_found": NO_MODEL,
    "missing_package": NO_MODEL,
}
_NAMES = {
    "openai/clip-vit-base-patch32": "CLIP ViT-B/32",
    "openai/clip-vit-large-patch14": "CLIP ViT-L/14",
    TOY: "Toy (for teaching, shapes only)",
}
_ABSOLUTE_PATH = re.compile(
    r"(?:file:)?(?<![\w/.])(?:/[^/\s'\"]+)+/([^/\s'\"]+)"
    r"|[A-Za-z]:\\(?:[^\\\s'\"]+\\)*([^\\\s'\"]+)"
)
_LIBRARY = re.compile(r" \(\[Errno -?\d+\][^()]*\)")  # what a library said of a file, in its own words
_LOG = logging.getLogger(__name__)


def scoring_page(
    card: Path,
    *,
    title: str,
    question: str,
    waits_for: str,
    form: Callable[[Any], list[Any]],
    examples: Callable[[Any, list[Any]], None],
    score: Callable[..., str | Result],
    stages: Sequence[str],
    restore: Callable[[Mapping[str, str]], list[Any]] | None = None,
) -> Blocks:
    """Build a page.

    Args:
        card: README.md of the Space, shown under the form.
        title: of the metric.
        question: under the title, what the metric answers and what to do.
        waits_for: what the empty result asks for, ``"captions"`` or ``"clip"``.
        form: gradio to the inputs, drawn where they are called.
        examples: gradio and the inputs; draws rows that fill them.
        score: values of the inputs to a result, or to HTML that says what is missing; what it raises is told in words.
        stages: that it passes, shown while a visitor waits.
        restore: query parameters of a link to values of the inputs, None for an input as it is. Default: no links.
    """
    gr = import_gradio()
    with new_page(title) as page:
        gr.Markdown(f"# {title}\n{question}", elem_classes="vqe-head")
        scoring_form(
            gr, page, waits_for=waits_for, form=form, examples=examples, score=score, stages=stages, restore=restore
        )
        with gr.Accordion("About this metric", open=False):
            gr.Markdown(card_text(card), elem_classes="vqe-card-text")
    return page


def scoring_form(
    gr: Any,
    page: Blocks,
    *,
    waits_for: str,
    form: Callable[[Any], list[Any]],
    examples: Callable[[Any, list[Any]], None],
    score: Callable[..., str | Result],
    stages: Sequence[str],
    restore: Callable[[Mapping[str, str]], list[Any]] | None = None,
) -> None:
    """Draw a form on the left and its results on the right, and let the one fill the other; see ``scoring_page``."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            inputs = form(gr)
            button = gr.Button("Score", variant="primary", elem_id="go")
            examples(gr, inputs)
        with gr.Column(scale=7, min_width=320):
            results = gr.HTML(render("empty", what=waits_for), elem_id="results", apply_default_css=False)
    handler = in_stages(told_in_words(in_time(shown(score))), stages)
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    button.click(handler, inputs, results, scroll_to_output=True, **quiet)
    if restore is None:
        return
    linked = gr.State(False)

    def fill(request: gr.Request) -> list[Any]:
        values = restore(dict(request.query_params or {}))
        # A link that brings its clip shows the result at once.
        return [values[0] is not None, *(gr.skip() if value is None else value for value in values)]

    def show(whole: bool, *values: Any) -> Iterator[Any]:
        yield from handler(*values) if whole else [gr.skip()]

    fill.__annotations__["request"] = gr.Request  # gradio reads it, and finds no name of this function
    page.load(fill, None, [linked, *inputs], **quiet).then(show, [linked, *inputs], results, **quiet)


def shown(score: Callable[..., str | Result]) -> Callable[..., str]:
    """Decorate what scores to return HTML, with what can be done with a result below it."""

    @wraps(score)
    def rendered(*values: Any) -> str:
        found = score(*values)
        return found if isinstance(found, str) else with_actions(found)

    return rendered


def new_page(title: str) -> Blocks:
    """Make an empty page that forgets uploads after an hour."""
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


def _theme() -> Any:
    # Fonts that every system has: any other would be fetched.
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    theme = import_gradio().themes.Default(primary_hue="cyan", neutral_hue="slate", font=sans, font_mono=mono)
    # White letters need a darker button than the default one.
    dark = {"button_primary_background_fill": "*primary_700", "button_primary_background_fill_hover": "*primary_800"}
    return theme.set(**dark, **{f"{name}_dark": value for name, value in dark.items()})


def _logged(warm_up: Callable[[], Any]) -> None:
    try:
        warm_up()
    except Exception as error:
        known = isinstance(error, VqeError)
        _LOG.warning("the default model is not ready: %s", error, exc_info=None if known else error)


def import_gradio() -> Any:
    """Import gradio with its telemetry switched off; raise MissingPackageError if it is not installed."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio
    except ImportError as error:
        raise MissingPackageError("the pages need gradio (pip install vqe-core[app])") from error
    return gradio


def old_ffmpeg_warning(version: str | None = None) -> str | None:
    """Warn where the FFmpeg inside PyAV is older than what untrusted uploads need; None where it is not.

    Args:
        version: of FFmpeg. Default: the one that is installed.

    Example:
        >>> old_ffmpeg_warning("8.1.2") is None, old_ffmpeg_warning("7.0.2")[:16]
        (True, 'FFmpeg 7.0.2 ins')
    """
    if version is None:
        found = re.search(r"FFmpeg ([^)]*)", audio_versions()["pyav"])
        version = found.group(1) if found else ""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if not numbers or numbers >= SAFE_FFMPEG:
        return None
    return (
        f"FFmpeg {version} inside PyAV has known holes and this page decodes uploads of strangers; "
        f"update av until FFmpeg is {'.'.join(map(str, SAFE_FFMPEG))} or newer (pip install --upgrade av; "
        "needs Python 3.11 or newer)"
    )


def card_text(path: Path) -> str:
    """Read a metric card without its header, for the page to show."""
    text = path.read_text(encoding="utf-8")
    return text.split("---", 2)[2].strip() if text.startswith("---") else text


def allowed_models(default: tuple[str, ...]) -> dict[str, str]:
    """Return the models that visitors may choose, by the name they see; the first is the default.

    Args:
        default: hub ids, used unless the environment variable ``VQE_APP_MODELS`` lists others.

    Raises:
        InputError: the variable is set but names no model.

    Example:
        >>> allowed_models(("openai/clip-vit-base-patch32",))
        {'CLIP ViT-B/32': 'openai/clip-vit-base-patch32'}
    """
    given = os.environ.get(MODELS_VARIABLE)
    models = default if given is None else tuple(name.strip() for name in given.split(",") if name.strip())
    if not models:
        raise InputError(f"{MODELS_VARIABLE} ({given!r}) must name at least one model, for example 'toy'")
    return {_NAMES.get(model, model): model for model in models}


def in_time(handler: Callable[..., str]) -> Callable[..., str]:
    """Decorate a handler to give up after ``MAX_REQUEST`` seconds, as soon as what it does can be interrupted."""

    @wraps(handler)
    def timed(*args: object) -> str:
        with deadline(MAX_REQUEST, one_row=True):
            return handler(*args)

    return timed


def told_in_words(handler: Callable[..., str]) -> Callable[..., str]:
    """Decorate a handler to return an alert instead of raising: known errors in words, others in the log only."""

    @wraps(handler)
    def guarded(*args: object) -> str:
        try:
            return handler(*args)
        except InternalError as error:
            _LOG.error("a visitor's clip could not be scored: %s\n%s", error, error.trace)
            return alert("Sorry.", UNKNOWN)
        except VqeError as error:
            headline, detail = plain_words(error)
            if headline == NO_MODEL:
                return alert(headline, NO_MODEL_HERE, detail)
            return alert(headline, detail)
        except Exception:
            _LOG.exception("a visitor's clip could not be scored")
            return alert("Sorry.", UNKNOWN)

    return guarded


def alert(headline: str, detail: str = "", owner: str = "") -> str:
    """Render a message as HTML.

    Args:
        headline, detail: for visitors.
        owner: what only the owner of the page can do; empty for nothing.
    """
    return render("alert", headline=headline, detail=detail, owner=owner)


def plain_words(error: VqeError) -> tuple[str, str]:
    """Return headline and detail of an error, with every path shortened to the file's own name.

    Args:
        error: of one clip. Where rows were listed, the error of the row itself is told.

    Example:
        >>> from vqe_core.errors import MediaError
        >>> plain_words(MediaError("'/srv/uploads/1f/a.mp4' has no frame", code="no_frames"))
        ('This file has no frames.', "'a.mp4' has no frame")
    """
    inner = error.__cause__ if isinstance(error.__cause__, VqeError) else error
    detail = _LIBRARY.sub("", without_folders(str(inner)))
    return HEADLINES.get(inner.code, "This cannot be scored."), detail


def without_folders(text: str) -> str:
    """Cut every absolute path in ``text`` down to its last part.

    Example:
        >>> without_folders("'/srv/app/clip.mp4' and 3/4 of https://example.org/a")
        "'clip.mp4' and 3/4 of https://example.org/a"
    """
    return _ABSOLUTE_PATH.sub(lambda match: match.group(1) or match.group(2), text)
