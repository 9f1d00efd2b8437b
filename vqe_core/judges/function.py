"""A user's own function as judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from vqe_core.errors import InputTypeError, ModelError, VqeError
from vqe_core.judges.exhibit import Exhibit
from vqe_core.judges.judgement import Judgement, as_judgement
from vqe_core.registry import qualified_name


@dataclass(frozen=True)
class FunctionJudge:
    """Judges by a Python function.

    Args:
        function: ``f(frames, timestamps, waveform, sampling_rate)`` gives a number from 0 to 1, or (number, reason);
            what it gets are the fields of an ``Exhibit``.
        name: stands for the function in the signature of a score; default module and name of the function.
            Change it when the function's behaviour changes.
        sampling_rate: Hz that the function wants, None where it takes any.
        progress: progress bar: always, never, or (None) on a terminal only.

    Raises:
        InputTypeError: ``function`` cannot be called.
    """

    function: Callable[..., Any]
    name: str = ""
    sampling_rate: int | None = None
    progress: bool | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputTypeError(
                f"function ({self.function!r}) must be callable as f(frames, timestamps, waveform, sampling_rate)"
            )

    def signature(self) -> dict[str, str]:
        """What can change a judgement: which function it is."""
        return {"judge": "function", "judge_name": self.name or qualified_name(self.function)}

    def judge(self, exhibits: Sequence[Exhibit]) -> list[Judgement | VqeError]:
        """A judgement, or the error, of each exhibit, in order. An error of the function concerns its exhibit alone."""
        disable = None if self.progress is None else not self.progress
        bar = tqdm(exhibits, desc="judging", disable=disable, leave=False)
        return [self._judge_one(exhibit, i) for i, exhibit in enumerate(bar)]

    def _judge_one(self, exhibit: Exhibit, number: int) -> Judgement | VqeError:
        try:
            return as_judgement(
                self.function(exhibit.frames, exhibit.timestamps, exhibit.waveform, exhibit.sampling_rate)
            )
        except VqeError as error:
            return error
        except Exception as error:  # a user's function may raise anything; other clips go on
            return ModelError(
                f"judge {self.signature()['judge_name']} failed on clip {number}: {type(error).__name__}: {error}",
                code="judge_failed",
            )
