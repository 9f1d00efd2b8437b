"""Descriptions from a model behind an OpenAI-compatible endpoint that takes ``input_audio``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from vqe_core.chat.endpoint import ChatEndpoint
from vqe_core.chat.parts import Content, sound_part, text_part
from vqe_core.chat.role import DESCRIBER, Role
from vqe_core.chat.sounds import Sound
from vqe_core.describers.description import check_description
from vqe_core.errors import VqeError

DEFAULT_PROMPT = (
    "Name the sources of this sound that could be seen in a video, in one short plain phrase such as "
    "'a dog barks while a man talks'. Answer with the phrase only."
)


@dataclass(frozen=True, kw_only=True)
class EndpointDescriber(ChatEndpoint):
    """Describes sounds by a chat model that hears.

    Args: see ``ChatEndpoint``; ``api_url`` and ``model_name`` have no default.

    Raises:
        InputError: an option breaks its rule.

    Example:
        >>> describer = EndpointDescriber(api_url="http://localhost:8000/v1", model_name="Qwen/Qwen2-Audio-7B-Instruct")
        >>> describer.signature()["describer_model"]
        'Qwen/Qwen2-Audio-7B-Instruct'
    """

    role: ClassVar[Role] = DESCRIBER

    prompt: str = DEFAULT_PROMPT
    max_tokens: int = 100

    def describe(self, waveforms: Sequence[Sound]) -> list[str | VqeError]:
        """A text, or the error, of each sound, in order.

        Args:
            waveforms: ``AudioSamples`` or (float waveform (T,) or (C, T), sampling rate) each.

        Returns:
            One-line texts; for a sound that could not be described a ``VqeError`` whose ``code`` says why:
            ``describer_timeout``, ``describer_unreachable``, ``describer_refused`` (status 4xx),
            ``describer_failed`` (status 5xx or 429 to the end), ``bad_description`` (an answer that is no text).

        Raises:
            InputError: the key holds characters that no header may have.
        """
        makers = [partial(sound_question, sound, self.prompt, f"sound {i}") for i, sound in enumerate(waveforms)]
        return self.ask(makers, check_description)


def sound_question(sound: Sound, prompt: str, name: str = "sound") -> Content:
    """The parts of a message about one sound.

    Raises:
        InputError: it is no sound; see ``to_mono``.
    """
    return [sound_part(sound, name), text_part(prompt)]
