"""Stages of a request, shown while a visitor waits: what happens now, what is done, what is to come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from queue import SimpleQueue
from typing import Any

from vqe_core.app.charts import render
from vqe_core.timings import Timings, measured

READ, LOOK, LISTEN, ASK, SCORE = "Reading the clip", "Looking at frames", "Listening", "Asking the judge", "Scoring"
# By the names that ``vqe_core.timings`` is told.
_STAGE_OF = {"decode": READ, "wait": READ, "encode": LOOK, "sounds": LISTEN, "ask": ASK, "texts": SCORE, "score": SCORE}
_TURN = threading.Lock()  # what a visitor left behind is finished before the next one's turn


class Stages(Timings):
    """Tell of each stage once, in order; work that goes on side by side is told by what is furthest.

    Args:
        stages: to tell of.
        tell: is called with the number of a stage.
    """

    def __init__(self, stages: Sequence[str], tell: Callable[[int], None]) -> None:
        super().__init__()
        self._stages, self._tell, self._furthest = list(stages), tell, 0

    def begin(self, name: str) -> None:
        """Tell of the stage that something begins."""
        stage = _STAGE_OF.get(name)
        number = self._stages.index(stage) if stage in self._stages else 0
        if number > self._furthest:
            self._furthest = number
            self._tell(number)


def waiting(stages: Sequence[str], now: int) -> str:
    """Render the stages, number ``now`` at work."""
    return render("waiting", stages=stages, now=now)


def in_stages(handler: Callable[..., str], stages: Sequence[str]) -> Callable[..., Iterator[str]]:
    """Turn a handler into one that shows its stages until it returns; what stood there before is gone at once.

    Args:
        handler: raises nothing.
        stages: that it passes, in order.
    """

    @wraps(handler)
    def staged(*values: Any) -> Iterator[str]:
        yield waiting(stages, 0)
        told: SimpleQueue[int | str] = SimpleQueue()

        def work() -> None:
            with _TURN, measured(Stages(stages, told.put)):
                told.put(handler(*values))

        threading.Thread(target=work, daemon=True).start()
        while isinstance(found := told.get(), int):
            yield waiting(stages, found)
        yield found

    return staged
