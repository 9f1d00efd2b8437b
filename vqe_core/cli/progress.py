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
        self._failed: Counter[str] = Counter()
        self.done = self.total = 0

    @property
    def begun(self) -> bool:
        """True once the run is planned."""
        return self._bar is not None

    def __enter__(self) -> Progress:
        return self

    def tell(self, event: dict[str, Any]) -> None:
        """Show an event: the plan of the run, or a part that is finished."""
        if "resumed" in event:
            self.done, self.total = event["resumed"], event["rows"]
            self._bar = tqdm(
                total=event["rows"], initial=event["resumed"], unit="row", disable=not self._shown, file=sys.stderr
            )
            return
        self.done += event["rows"]
        self._failed.update({word: count for word, count in event["status"].items() if word != "ok"})
        if self._failed:
            self._bar.set_postfix_str(" ".join(f"{word}={count}" for word, count in self._failed.most_common(3)))
        self._bar.update(event["rows"])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
