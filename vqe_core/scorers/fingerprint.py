"""What tells one way of scoring from another beside its signature: its environment, and its fingerprint for `datasets`.

The signature is what can change a number (``Scorer.signed``). The environment is what computed it, by version: the same
signature elsewhere gives the same number but for rounding, or for what a library changed. The fingerprint names columns
that `datasets` may take from its cache, so it holds all that can change a column: which rows fail, and names, too.

A pickle carries all options. `datasets` names its cache files by a hash of the same pickle, so that a scorer on another
device, or with another batch size, would score a data set again. Its hash therefore sees the options as
``score_identity`` gives them; where that cannot be arranged it sees all of them, and a hit is missed, never wrong.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vqe_core.errors import VqeError
from vqe_core.media import ffmpeg_version
from vqe_core.version import __version__

# Fields of the signatures of models that say where they run. Scores move by rounding.
DEVICES = ("device", "audio_device")
# What computes, by the names that pip has for it; another version may round otherwise, or mend a mistake.
COMPUTING = ("torch", "torchvision", "torchaudio", "transformers", "tokenizers", "timm", "openvino", "numpy", "pillow")
# They decode and resample: another version may give other pixels or samples.
DECODERS = ("av", "soundfile", "soxr", "torchcodec")


@dataclass(frozen=True)
class CarriedOptions:
    """A scorer on its way through a pickle: its class and all its options."""

    scorer_class: Any
    options: dict[str, Any]


def carry(scorer: Any) -> tuple[Any, ...]:
    """Return what ``scorer.__reduce_ex__`` is to return."""
    _teach_datasets()
    return rebuild, (CarriedOptions(type(scorer), options_of(scorer)),)


def rebuild(carried: CarriedOptions) -> Any:
    """Return the scorer that was carried."""
    return carried.scorer_class(**carried.options)


def options_of(scorer: Any) -> dict[str, Any]:
    """Options by name, as they are."""
    return {field.name: getattr(scorer, field.name) for field in dataclasses.fields(scorer)}


def score_identity(scorer: Any) -> dict[str, Any]:
    """Return everything known before a row is seen that can change a column, its name or which rows fail included.

    Args:
        scorer: a scorer, or its ``CarriedOptions``. The fields of its class say whether they change scores, and
            whether they name a model or a file.

    Returns:
        The metric, versions, and the options; a model or a file that is named comes with a digest of its content.
    """
    carried = scorer if isinstance(scorer, CarriedOptions) else CarriedOptions(type(scorer), options_of(scorer))
    kind = carried.scorer_class
    identity = {"metric": kind.name, "class": f"{kind.__module__}.{kind.__qualname__}", "version": __version__}
    for field in dataclasses.fields(kind):
        if field.metadata.get("changes_scores", True):
            value = carried.options[field.name]
            digest_of = _DIGESTS.get(field.metadata.get("names", ""))
            content = None if digest_of is None else digest_of(value)
            identity[field.name] = value if content is None else f"{os.fspath(value)} ({content})"
    return {**identity, "decoders": _versions()}


def environment(models: Mapping[str, Any] | None = None, readers: Iterable[str] = ()) -> dict[str, Any]:
    """Return what computes and decodes, by version, as it stands beside a signature.

    Args:
        models: signatures of the models of a call, for the kinds of device that they run on.
        readers: what decoded the videos of a call.

    Example:
        >>> surroundings = environment({"model": "toy", "device": "cpu"}, ["pyav 17.1.0"])
        >>> surroundings["device"], surroundings["readers"], "torch" in surroundings
        ('cpu', ['pyav 17.1.0'], True)
    """
    devices = {name: value for name, value in (models or {}).items() if name in DEVICES}
    known = sorted(filter(None, readers))
    decoded = {"readers": known} if known else {}
    return {"python": platform.python_version(), **_installed(), **devices, **decoded}


def merged_environments(environments: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one environment from those of several batches; several values of a field become a list.

    Example:
        >>> merged_environments([{"av": "1", "readers": ["a"]}, {"av": "1", "readers": ["a", "b"]}])
        {'av': '1', 'readers': ['a', 'b']}
    """
    merged: dict[str, Any] = {}
    for one in environments:
        for name, value in one.items():
            if merged.setdefault(name, value) != value:
                both = [*_listed(merged[name]), *_listed(value)]
                merged[name] = sorted(set(both))
    return merged


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@cache  # the metadata of a dozen packages are read from disk
def _installed() -> dict[str, str]:
    found = {}
    for name in (*COMPUTING, *DECODERS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {**found, "ffmpeg": ffmpeg_version()}


def _versions() -> dict[str, str]:
    found = {}
    for name in DECODERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _revision(model: Any) -> str | None:
    """Commit or digest of a model that is named; None for an object, and where it cannot be found."""
    if not isinstance(model, str | os.PathLike):
        return None
    from vqe_core.encoders.checkpoints import find_checkpoint

    try:
        return find_checkpoint(os.fspath(model)).revision
    except VqeError:
        return None  # told when it is loaded


def _digest(file: Any) -> str | None:
    if not isinstance(file, str | os.PathLike) or not Path(file).is_file():
        return None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12]


_DIGESTS: dict[str, Callable[[Any], str | None]] = {"model": _revision, "file": _digest}


def _teach_datasets() -> None:
    """Let the pickler behind the fingerprints of `datasets`, and no other, see options by ``score_identity``."""
    module = sys.modules.get("datasets.utils._dill")  # not imported: then nothing is being hashed by it
    pickler = getattr(module, "Pickler", None)
    dispatch = getattr(pickler, "dispatch", None)
    if dispatch is not None and CarriedOptions not in dispatch:
        dispatch[CarriedOptions] = _save_identity


def _save_identity(pickler: Any, carried: CarriedOptions) -> None:
    pickler.save_reduce(dict, (sorted(score_identity(carried).items()),), obj=carried)
