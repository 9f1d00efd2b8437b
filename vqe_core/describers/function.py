"""A user's own function as describer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from vqe_core.chat.sounds import Sound, to_mono
from vqe_core.describers.description import check_description
from vqe_core.errors import InputError, InputTypeError, ModelError, VqeError
from vqe_core.registry import qualified_name


@dataclass(frozen=True)
class FunctionDescriber:
    """Describes each sound by a Python function.

    Args:
        function: ``f(waveform, sampling_rate) -> str``; waveform float32 (T,), mono, in [-1, 1].
        name: stands for the function in the signature of a score; default module and name of the function.
            Change it when the function's behaviour changes.
        sampling_rate: Hz that the function wants, None where it takes any.
        progress: progress bar: always, never, or (None) on a terminal only.

    Raises:
        InputTypeError: ``function`` cannot be called.
    """

    function: Callable[[np.ndarray, int], str]
    name: str = ""
    sampling_rate: int | None = None
    progress: bool | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputTypeError(f"function ({self.function!r}) must be callable as f(waveform, sampling_rate) -> str")

    def signature(self) -> dict[str, str]:
        """What can change a description: which function it is."""
        return {"describer": "function", "describer_name": self.name or qualified_name(self.function)}

    def describe(self, waveforms: Sequence[Sound]) -> list[str | VqeError]:
        """A text, or the error, of each sound, in order. An error of the function concerns its sound alone."""
        disable = None if self.progress is None else not self.progress
        bar = tqdm(waveforms, desc="describing", disable=disable, leave=False)
        return [self._describe_one(sound, f"sound {i}") for i, sound in enumerate(bar)]

    def _describe_one(self, sound: Sound, name: str) -> str | VqeError:
        try:
            waveform, rate = to_mono(sound, name)
            if self.sampling_rate not in (None, rate):
                raise InputError(
                    f"{name} has {rate} Hz, the describer wants {self.sampling_rate} Hz; resample it first",
                    code="wrong_sampling_rate",
                )
            return check_description(self.function(waveform, rate))
        except VqeError as error:
            return error
        except Exception as error:  # a user's function may raise anything; other sounds go on
            return ModelError(
                f"describer {self.signature()['describer_name']} failed on {name}: {type(error).__name__}: {error}",
                code="describer_failed",
            )
