"""Progress of a run on a terminal: rows done, rows a second, time left, failures so far."""

from __future__ import annotations

import sys
from collections import Counter
from types import TracebackType
from typing import Any

from tqdm import tqdm


class Progress:
    """A bar that is told of a run's parts; see ``score_run(watch=...)``."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._bar: Any = None
        self._first: Any = None
        self._failed: Counter[str] = Counter()
        self.done = self.total = 0

    @property
    def begun(self) -> bool:
        """True once the run is planned."""
        return self._bar is not None or self._first is not None

    def __enter__(self) -> Progress:
        return self

    def tell(self, event: dict[str, Any]) -> None:
        """Show an event: a part that the first pass looked at, the plan of the run, or a part that is finished."""
        if "surveyed" in event:
            self.total = event["of"]
            self._first = self._first or self._new_bar(self.total, desc="first pass")
            self._first.update(event["surveyed"])
            return
        if "resumed" in event:
            self.done, self.total = event["resumed"], event["rows"]
            self._close(self._first)
            self._bar = self._new_bar(event["rows"], initial=event["resumed"])
            return
        self.done += event["rows"]
        self._failed.update({word: count for word, count in event["status"].items() if word != "ok"})
        if self._failed:
            self._bar.set_postfix_str(" ".join(f"{word}={count}" for word, count in self._failed.most_common(3)))
        self._bar.update(event["rows"])

    def _new_bar(self, total: int, **how: Any) -> Any:
        return tqdm(total=total, unit="row", disable=not self._shown, file=sys.stderr, **how)

    def _close(self, bar: Any) -> None:
        if bar is not None:
            bar.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(self._first)
        self._close(self._bar)
