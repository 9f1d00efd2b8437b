"""The options of a metric as flags, made from its fields."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from vqe_core import registry
from vqe_core.options import did_you_mean

OWN_COLUMNS = ("status_key", "message_key", "warnings_key")  # each of several metrics has its own
NUMBERS = {"int": int, "int | None": int, "float": float, "float | None": float}


def metrics_named(
    command: str, arguments: Sequence[str], parser: argparse.ArgumentParser
) -> tuple[str, tuple[str, ...]]:
    """Return the word that names the metric of a command, "" for none, and its metrics where there are commas in it.

    Args:
        command: that is among the arguments; the first word behind it is the metric.
        arguments: of the command line.
        parser: of the command; it ends the program where one of several metrics is not known.
    """
    word = next((word for word in arguments[arguments.index(command) + 1 :] if not word.startswith("-")), "")
    several = tuple(filter(None, word.split(","))) if "," in word else ()
    known = registry.names("scorer")
    for name in several:
        if name not in known:
            parser.error(f"METRIC {name!r} is not known{did_you_mean(name, known)}")
    return word, several


def add_options(
    parser: argparse.ArgumentParser,
    scorer: type[Any],
    defaults: Mapping[str, Any] = MappingProxyType({}),
    *,
    without: Collection[str] = (),
) -> None:
    """Add one flag an option of the scorer; what is not given keeps the scorer's default, or that of the command.

    Args:
        parser: to add to.
        scorer: class of the metric.
        defaults: of the command, where they differ from the scorer's; shown in the help.
        without: options to leave out.
    """
    from vqe_core.scorers.options import group_of, help_of

    groups: dict[str, Any] = {}
    fields = [field for field in dataclasses.fields(scorer) if not field.metadata.get("python_only")]
    fields = [field for field in fields if field.name not in without]
    for field in sorted(fields, key=lambda field: group_of(field.name) is not None):  # its own come first
        title = group_of(field.name) or f"options of {scorer.name}"
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        default = defaults.get(field.name, field.default)
        shown = "" if default in (None, False, "") else f" (default: {default})"
        settings: dict[str, Any] = {
            "default": argparse.SUPPRESS,
            "help": (help_of(field, scorer) + shown).replace("%", "%%"),
        }
        if str(field.type).startswith("bool"):  # also "bool | None", with or without other words for the default
            settings["action"] = argparse.BooleanOptionalAction
        else:
            settings["type"] = NUMBERS.get(str(field.type), str)
            settings["metavar"] = field.metadata.get("metavar", "VALUE" if settings["type"] is str else "N")
            settings["choices"] = _choices(field, scorer)
            if field.metadata.get("many"):
                settings.update(nargs="+", action="extend")
            if field.metadata.get("bare"):
                settings.update(nargs="?", const=field.metadata["bare"])
        action = groups[title].add_argument("--" + field.name.replace("_", "-"), **settings)
        action.takes_file = field.metadata.get("names") == "file"
        known = _names(field, scorer)
        if known:
            action.completer = lambda known=known, **_: known  # of a shell, see ``vqe completion``


def _names(field: dataclasses.Field[Any], scorer: Any) -> tuple[str, ...]:
    """Return the names that an option may begin with: of components, which take options, or of presets."""
    from vqe_core.scorers.presets import presets_of

    if field.name == "preset":
        return tuple(presets_of(scorer.name))
    kind = "sampler" if field.name == "frame_sampling_method" else field.metadata.get("kind")
    return registry.names(kind) if kind else ()


def _choices(field: dataclasses.Field[Any], scorer: Any) -> tuple[str, ...] | None:
    """Return the words that an option may be, where they are few and known; None elsewhere."""
    from vqe_core.scorers.options import literal_of

    known = field.metadata.get("choices") or literal_of(field, scorer)
    bare = field.metadata.get("bare")
    return (*known, bare, "false") if known and bare else known or None
