"""Pictures and sound to a number: a user's function, or a model that sees and hears, asked whether they fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from vqe_core.chat.serving import is_serving
from vqe_core.errors import InputTypeError

if TYPE_CHECKING:
    from vqe_core.errors import VqeError
    from vqe_core.judges.exhibit import Exhibit
    from vqe_core.judges.judgement import Judgement


@runtime_checkable
class Judge(Protocol):
    """What a scorer needs of a judge.

    Attributes:
        sampling_rate: Hz that sounds should be resampled to beforehand, None where any rate will do.
    """

    @property
    def sampling_rate(self) -> int | None: ...
    def signature(self) -> dict[str, str]: ...
    def judge(self, exhibits: Sequence[Exhibit]) -> list[Judgement | VqeError]: ...


def as_judge(value: Any) -> Judge:
    """A judge from what a user gave.

    Args:
        value: a judge, returned as it is, a function ``f(frames, timestamps, waveform, sampling_rate)`` that gives a
            number from 0 to 1 or (number, reason), or a serving object of DataFlow that takes conversations with
            pictures and sound.

    Raises:
        InputTypeError: none of these; servings that send text or pictures only among them.
    """
    if isinstance(value, Judge):
        return value
    if is_serving(value):
        from vqe_core.judges.serving import judge_of_serving

        return judge_of_serving(value)
    if callable(value):
        from vqe_core.judges.function import FunctionJudge

        function: Callable[..., Any] = value
        return FunctionJudge(function)
    raise InputTypeError(
        f"judge ({value!r}) must be a function f(frames, timestamps, waveform, sampling_rate) that gives a number from "
        f"0 to 1 or (number, reason), or an object with judge(exhibits), sampling_rate and signature(), got "
        f"{type(value).__name__}"
    )
