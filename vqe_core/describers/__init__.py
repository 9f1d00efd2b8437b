"""Sound to text: a user's function, or a model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from vqe_core.chat.serving import is_serving
from vqe_core.errors import InputTypeError

if TYPE_CHECKING:
    from vqe_core.chat.sounds import Sound
    from vqe_core.errors import VqeError


@runtime_checkable
class Describer(Protocol):
    """What a scorer needs of a describer.

    Attributes:
        sampling_rate: Hz that sounds should be resampled to beforehand, None where any rate will do.
    """

    @property
    def sampling_rate(self) -> int | None: ...
    def signature(self) -> dict[str, str]: ...
    def describe(self, waveforms: Sequence[Sound]) -> list[str | VqeError]: ...


def as_describer(value: Any) -> Describer:
    """A describer from what a user gave.

    Args:
        value: a describer, returned as it is, a function ``f(waveform, sampling_rate) -> str``, or a serving object
            of DataFlow that can send sounds to its model.

    Raises:
        InputTypeError: none of these; servings that send text only among them.
    """
    if isinstance(value, Describer):
        return value
    if is_serving(value):
        from vqe_core.describers.serving import describer_of_serving

        return describer_of_serving(value)
    if callable(value):
        from vqe_core.describers.function import FunctionDescriber

        function: Callable[..., str] = value
        return FunctionDescriber(function)
    raise InputTypeError(
        f"describer ({value!r}) must be a function f(waveform, sampling_rate) -> str, or an object with "
        f"describe(waveforms), sampling_rate and signature(), got {type(value).__name__}"
    )
