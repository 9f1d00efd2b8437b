"""Sound by way of its description: the user's, or a describer's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vqe_core.embed import embed_texts
from vqe_core.errors import InputError, VqeError, attempt
from vqe_core.llm.client import DESCRIBER
from vqe_core.llm.describer import Describer
from vqe_core.media import resample
from vqe_core.scorers.llm_calls import ask_once
from vqe_core.scorers.row_errors import FaultWatch
from vqe_core.scorers.rows import check_text
from vqe_core.scorers.video_audio.audio_track import HeardSound
from vqe_core.scorers.video_audio.bridges import DescriptionBridge
from vqe_core.scorers.video_audio.frame_comparison import FrameComparison, hear_pair
from vqe_core.scorers.video_audio.pairs import PairResult, SoundPair
from vqe_core.types import AudioSamples, TimedEmbeddings
from vqe_core.workers import DecodeWorker

PROFILE_WINDOW = 1.0  # seconds; a description has no window of its own

# Sounds are heard until they take this much, then described together: nine of five minutes at 48 kHz.
SOUND_BYTES = 512 * 1024**2


@dataclass(frozen=True, eq=False)
class _Heard:
    """A pair with its frames and its sound, None where neither a description nor a profile needs it."""

    pair: SoundPair
    frames: TimedEmbeddings | VqeError
    sound: HeardSound | VqeError | None

    @property
    def bytes(self) -> int:
        """Memory that the sound keeps, also as a part of a longer one."""
        if not isinstance(self.sound, HeardSound):
            return 0
        waveform = self.sound.samples.waveform
        return max(waveform.nbytes, getattr(waveform.base, "nbytes", 0))


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
        watch: FaultWatch,
    ) -> list[PairResult | VqeError]:
        """Compare each pair; one that fails gives its error."""
        answers: dict[str, str | VqeError] = {}
        results: list[PairResult | VqeError] = []
        for group in self._heard(pairs, embedded, worker):
            results += self._compare_heard(group, answers, worker, watch)
        return results

    def _heard(
        self,
        pairs: Sequence[SoundPair],
        embedded: Sequence[TimedEmbeddings | VqeError],
        worker: DecodeWorker | None,
    ) -> Iterator[list[_Heard]]:
        """Group pairs with their audio, as many as may be held, so that a describer has enough to do at a time."""
        group: list[_Heard] = []
        watch = FaultWatch()
        for pair, frames in zip(pairs, embedded, strict=True):
            sound = watch.attempt(hear_pair, pair, frames, worker) if self._needs_sound(pair) else None
            group.append(_Heard(pair, frames, sound))
            if sum(heard.bytes for heard in group) >= SOUND_BYTES:
                yield group
                group.clear()
        yield group

    def _compare_heard(
        self,
        group: Sequence[_Heard],
        answers: dict[str, str | VqeError],
        worker: DecodeWorker | None,
        watch: FaultWatch,
    ) -> list[PairResult | VqeError]:
        descriptions = self._descriptions(group, answers)
        known = [text for text in descriptions if isinstance(text, str)]
        texts = embed_texts(known, self.encoder, self.settings, long_text="windows")

        def one(heard: _Heard, description: str | VqeError) -> PairResult:
            frames: Any = heard.frames
            sound: Any = heard.sound
            for part in (frames, sound, description):
                if isinstance(part, VqeError):
                    raise part
            text: Any = texts[str(description)]
            notes = (*text.notes, *(sound.notes if sound is not None else ()))
            profile = None
            if sound is not None:
                bridge = DescriptionBridge(self.encoder, text.pooled, PROFILE_WINDOW, sound.samples.sampling_rate)
                profile = self.profile(heard.pair, sound, bridge, worker)
            words = {"description": str(description), "profile": profile}
            return self.result(frames, text.pooled, notes, **words)

        return [watch.attempt(one, *parts) for parts in zip(group, descriptions, strict=True)]

    def _needs_sound(self, pair: SoundPair) -> bool:
        to_describe = pair.description is None and self.describer is not None
        return to_describe or self.options.return_profile

    def _descriptions(self, group: Sequence[_Heard], answers: dict[str, str | VqeError]) -> list[str | VqeError]:
        """Return the text of each pair, or why there is none; equal audio is described once: answers may cost money."""
        texts: list[Any] = [heard.pair.description for heard in group]
        asked = {i: h.sound for i, h in enumerate(group) if texts[i] is None and isinstance(h.sound, HeardSound)}
        if self.describer is not None:
            keys = {i: attempt(_sound_key, sound.samples) for i, sound in asked.items()}
            named = {i: key for i, key in keys.items() if isinstance(key, str)}
            new = {key: asked[i].samples for i, key in named.items() if key not in answers}
            answers.update(self._ask(self.describer, new))
            for i, key in keys.items():
                texts[i] = answers[key] if isinstance(key, str) else key
        missing = InputError(
            "audio_descriptions (None) must say what is heard, or give a describer; leave the row out otherwise",
            code="no_description",
        )
        return [missing if text is None else text for text in texts]

    @staticmethod
    def _ask(describer: Describer, sounds: Mapping[str, AudioSamples]) -> dict[str, str | VqeError]:
        """Return a description, or the error, of each sound."""
        rate, answers, samples = describer.sampling_rate, dict[str, str | VqeError](), dict[str, AudioSamples]()
        for key, sound in sounds.items():
            resampled = sound if rate is None else attempt(resample, sound, rate)
            if isinstance(resampled, VqeError):
                answers[key] = resampled
            else:
                samples[key] = resampled
        if samples:
            asked = ask_once(DESCRIBER, list(samples), list(samples.values()), describer.describe, _check_description)
            answers.update(zip(samples, asked, strict=True))
        return answers

    def signature(self) -> dict[str, Any]:
        """Return the signature of the model, and of the describer where there is one."""
        describer = {} if self.describer is None else {"describer": self.describer.signature()}
        return {**self.encoder.signature(), **describer}


def _check_description(answer: Any) -> str:
    try:
        return check_text(answer, "description")
    except VqeError as error:
        raise InputError(str(error), code="bad_description") from error


def _sound_key(samples: AudioSamples) -> str:
    digest = hashlib.sha256(f"{samples.sampling_rate}:{samples.waveform.shape}:".encode())
    digest.update(np.ascontiguousarray(samples.waveform).data)
    return digest.hexdigest()
