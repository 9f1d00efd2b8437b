"""Sound by way of its description: the user's, or a describer's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vqe_core.chat.role import DESCRIBER
from vqe_core.describers import Describer
from vqe_core.embed import embed_texts
from vqe_core.errors import InputError, VqeError
from vqe_core.media import DecodeWorker, resample
from vqe_core.scorers.av_asking import ask_once
from vqe_core.scorers.av_bridge import DescriptionBridge
from vqe_core.scorers.av_frames import FrameComparison, hear
from vqe_core.scorers.av_pairs import PairResult, SoundPair, attempt
from vqe_core.scorers.av_sound import HeardSound
from vqe_core.scorers.rows import check_text
from vqe_core.types import TimedEmbeddings

PROFILE_WINDOW = 1.0  # seconds; a description has no window of its own


@dataclass(frozen=True, eq=False)
class ByDescription(FrameComparison):
    """Frames against the sound in words: the user's, or a describer's."""

    name: ClassVar[str] = "description"
    describer: Describer | None

    def compare_embedded(
        self,
        pairs: Sequence[SoundPair],
        embedded: Sequence[TimedEmbeddings | VqeError],
        worker: DecodeWorker | None,
    ) -> list[PairResult | VqeError]:
        """Compare each pair; one that fails gives its error."""
        sounds = [
            attempt(hear, pair, frames, worker) if self._needs_sound(pair) else None
            for pair, frames in zip(pairs, embedded, strict=True)
        ]
        descriptions = self._descriptions(pairs, sounds)
        known = [text for text in descriptions if isinstance(text, str)]
        texts = embed_texts(known, self.encoder, self.settings, long_text="windows")

        def one(pair: SoundPair, frames: Any, sound: Any, description: str | VqeError) -> PairResult:
            for part in (frames, sound, description):
                if isinstance(part, VqeError):
                    raise part
            text: Any = texts[str(description)]
            notes = (*text.notes, *(sound.notes if sound is not None else ()))
            profile = None
            if sound is not None:
                bridge = DescriptionBridge(self.encoder, text.pooled, PROFILE_WINDOW, sound.samples.sampling_rate)
                profile = self.profile(pair, sound, bridge, worker)
            words = {"description": str(description), "profile": profile}
            return self.result(frames, text.pooled, notes, **words)

        return [attempt(one, *parts) for parts in zip(pairs, embedded, sounds, descriptions, strict=True)]

    def _needs_sound(self, pair: SoundPair) -> bool:
        to_describe = pair.description is None and self.describer is not None
        return to_describe or self.options.return_profile

    def _descriptions(self, pairs: Sequence[SoundPair], sounds: Sequence[Any]) -> list[str | VqeError]:
        texts: list[Any] = [pair.description for pair in pairs]
        asked = [i for i, text in enumerate(texts) if text is None and isinstance(sounds[i], HeardSound)]
        if self.describer is not None and asked:
            for i, answer in zip(asked, self._ask(self.describer, [sounds[i] for i in asked]), strict=True):
                texts[i] = answer
        missing = InputError(
            "audio_descriptions (None) must say what is heard, or give a describer; leave the row out otherwise",
            code="no_description",
        )
        return [missing if text is None else text for text in texts]

    @staticmethod
    def _ask(describer: Describer, sounds: Sequence[HeardSound]) -> list[str | VqeError]:
        keys = [(sound.samples.sampling_rate, sound.samples.waveform.tobytes()) for sound in sounds]
        rate = describer.sampling_rate
        samples = [sound.samples if rate is None else resample(sound.samples, rate) for sound in sounds]
        return ask_once(DESCRIBER, keys, samples, describer.describe, _check_description)

    def signature(self) -> dict[str, Any]:
        """Of the model, and of the describer where there is one."""
        describer = {} if self.describer is None else {"describer": self.describer.signature()}
        return {**self.encoder.signature(), **describer}


def _check_description(answer: Any) -> str:
    try:
        return check_text(answer, "description")
    except VqeError as error:
        raise InputError(str(error), code="bad_description") from error
