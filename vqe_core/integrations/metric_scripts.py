"""Folders of the metric scripts, which ``evaluate.load`` reads from a path or from the Hub."""

from __future__ import annotations

from pathlib import Path

from vqe_core.errors import InputError

PACKAGE = Path(__file__).parents[1]
# A wheel holds them inside the package (setup.py copies them there); a checkout, also an editable one, beside it.
PLACES = (PACKAGE / "metrics", PACKAGE.parent / "metrics")


def metrics_path(name: str) -> str:
    """Return the folder of a metric's script, to load it by ``evaluate`` without a checkout and without the Hub.

    Args:
        name: of the metric, as ``emscore`` or ``video_audio_similarity``.

    Returns:
        A path that ``evaluate.load`` takes: the folder, or in the folder of a Space the script itself.

    Raises:
        InputError: there is no metric of this name.

    Example:
        >>> import evaluate
        >>> evaluate.load(metrics_path("emscore")).name
        'em_score'
    """
    folders = {script.parent.name: script.parent for place in PLACES for script in place.glob("*/*.py")}
    known = {each: folder for each, folder in folders.items() if (folder / f"{each}.py").is_file()}
    if name in known:
        return str(known[name])
    beside = PACKAGE.parent / f"{name}.py"  # a Space has the script of its metric beside the package
    if beside.is_file() and (PACKAGE.parent / "app.py").is_file():
        return str(beside)
    raise InputError(f"name ({name!r}) must be one of {', '.join(sorted(known)) or 'no metric: none is installed'}")
