"""Reading of a command line: options swallow no rows, and a wrong word gets one line with the nearest right one."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from vqe_core.options import did_you_mean

_NUMBER = re.compile(r"-\.?\d.*")
_NO_NUMBER = re.compile(r": invalid (int|float) value: (.*)")
_NUMBERS = {"int": "a whole number", "float": "a number"}
# The asterisk of "EMScore(X,X*)" is that of a name.
_FILE_OR_PATTERN = re.compile(r"\S+\.\w{2,7}|.*://.*|(?!EMScore\().*[*?\[].*")


class Parser(argparse.ArgumentParser):
    """A parser whose options may stand anywhere among the rows.

    An option that takes several values, or one that it can do without, takes those words that can be its values, and
    leaves the others to the positional arguments: ``--metrics full_F rows.jsonl``, ``--idf rows.jsonl``.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse, and refuse what nobody knows; see ``argparse.ArgumentParser``."""
        given = list(sys.argv[1:] if args is None else args)
        if "_ARGCOMPLETE" in os.environ:  # which looks at the words in their order, and at unfinished ones
            return super().parse_known_args(given, namespace)
        if self._subparsers is None:
            given = self._untangled(given)
        parsed, rest = super().parse_known_args(given, namespace)
        if rest and self._subparsers is None:
            self.error(f"{rest[0]} is no option" if _is_option(rest[0]) else f"{rest[0]!r} is too much")
        return parsed, rest

    def _untangled(self, words: Sequence[str]) -> list[str]:
        """Return the options with their values, then all other words."""
        options, others = list[str](), list[str]()
        i = 0
        while i < len(words):
            word = words[i]
            i += 1
            if word == "--":
                others += words[i - 1 :]
                break
            if not _is_option(word):
                others.append(word)
                continue
            action = self._action_of(word)
            if "=" in word or action is None or action.nargs == 0:
                options.append(word)
            elif action.nargs in ("+", "?"):
                values = list(self._values_of(action, words[i:]))
                i += len(values)
                values = values or ([str(action.const)] if action.nargs == "?" else [])
                options += [f"{word}={value}" for value in values] or [word]
            else:
                options += words[i - 1 : i + 1]
                i += 1
        return options + others

    def _action_of(self, word: str) -> argparse.Action | None:
        name = word.partition("=")[0]
        known = self._option_string_actions
        if name in known or not name.startswith("--"):
            return known.get(name)
        matching = [option for option in known if option.startswith(name)]
        if not matching:
            self.error(f"{name} is no option{did_you_mean(name, known, quoted=False)}")
        return known[matching[0]]  # of several, argparse tells

    def _values_of(self, action: argparse.Action, words: Sequence[str]) -> Iterator[str]:
        for i, word in enumerate(words):
            if _is_option(word) or not (self._is_value(action, word) or (i == 0 and action.nargs == "+")):
                return
            yield word
            if action.nargs == "?":
                return

    @staticmethod
    def _is_value(action: argparse.Action, word: str) -> bool:
        if action.choices is not None:
            mistyped = bool(did_you_mean(word, action.choices)) and not os.path.exists(word)
            return word in action.choices or mistyped
        if getattr(action, "takes_file", False) and word.endswith(".json"):
            return not os.path.exists(word) or _is_saved_file(word)
        return not (word == "-" or os.path.exists(word) or _FILE_OR_PATTERN.fullmatch(word))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        near, known = did_you_mean(value, action.choices), ", ".join(map(str, action.choices))
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"{action.metavar} {value!r} is not known{near or f'; there are {known}'}")
        self.error(f"{'/'.join(action.option_strings) or action.metavar} ({value!r}) must be one of {known}{near}")

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong, and end with status 2."""
        message = message.replace("the following arguments are required", "missing").removeprefix("argument ")
        message = _NO_NUMBER.sub(lambda found: f" ({found[2]}) must be {_NUMBERS[found[1]]}", message)
        self.exit(2, f"{self.prog}: error: {message} (help: {self.prog} --help)\n")

    def leaf(self, words: Sequence[str]) -> Parser:
        """Return the parser of the command that the words name, as far as they name one."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for i, word in enumerate(words):
                    if word in action.choices:
                        found: Parser = action.choices[word].leaf(words[i + 1 :])
                        return found
        return self

    def flags(self) -> dict[str, str]:
        """Return the flag of each option, by its name in Python."""
        return {action.dest: action.option_strings[0] for action in self._actions if action.option_strings}


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not _NUMBER.fullmatch(word) and " " not in word


def _is_saved_file(path: str) -> bool:
    """Tell whether a JSON file is one that this package saved, such as weights of tokens, and no table of rows."""
    with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        content = json.load(file)
        return isinstance(content, dict) and str(content.get("format", "")).startswith("vqe-")
    return False


# What is quoted, and names that are listed, are values.
_VALUES = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?:one of|among|there are) [^;]*)""")


def in_flags(text: str, flags: Iterable[tuple[str, str]]) -> str:
    """Return a message that speaks of options in Python in the words of the command line.

    Args:
        text: of an error or a warning.
        flags: name and flag of each option.

    Example:
        >>> in_flags("idf ('x') is no file; use on_error='skip', or isolate=False", [("on_error", "--on-error"),
        ...          ("isolate", "--isolate"), ("idf", "--idf")])
        "--idf ('x') is no file; use --on-error skip, or --no-isolate"
    """
    for name, flag in flags:
        if name not in text:
            continue
        text = re.sub(rf"(?<![\w.]){name}=True\b", flag, text)
        text = re.sub(rf"(?<![\w.]){name}=False\b", flag.replace("--", "--no-", 1), text)
        text = re.sub(rf"(?<![\w.]){name}=None\b", f"no {flag}", text)
        text = re.sub(rf"(?<![\w.]){name}=\[([^\]]*)\]", partial(_listed, flag), text)
        text = re.sub(rf"(?<![\w.]){name}='([\w.-]+)'", rf"{flag} \1", text)
        text = re.sub(rf"(?<![\w.]){name}=(?=[\w.])", f"{flag} ", text)
        text = text.replace(f"`{name}`", flag)
        # A name of one word is a word of the language too: it is an option where its value follows.
        follows = r"(?![\w.('\"/=-])" if "_" in name else r"(?= \((?:['\"\[{\d-]|None)| ['\"]| and --| exclude)"
        text = _outside_values(re.compile(rf"(?<![\w./'\"-]){name}{follows}"), flag, text)
    return text


def _outside_values(name: re.Pattern[str], flag: str, text: str) -> str:
    values = [found.span() for found in _VALUES.finditer(text)]
    return name.sub(lambda m: m[0] if any(a <= m.start() < b for a, b in values) else flag, text)


def _listed(flag: str, found: re.Match[str]) -> str:
    return " ".join([flag, *(item.strip().strip("'\"") for item in found[1].split(","))])
