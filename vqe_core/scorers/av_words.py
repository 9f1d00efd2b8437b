"""Sound by way of words: frames against its description, or its tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor

from vqe_core.describers import Describer
from vqe_core.embed import DecodeCrew, EmbedSettings, embed_texts, embed_videos, progress_bar
from vqe_core.encoders import ImageTextEncoder
from vqe_core.encoders.audio_protocols import JointEncoder
from vqe_core.errors import InputError, VqeError
from vqe_core.functional.similarity import cosine_matrix
from vqe_core.media import MediaLimits, open_video, resample, source_identity
from vqe_core.samplers import FrameSampler
from vqe_core.scorers.av_bridge import DescriptionBridge, TagBridge
from vqe_core.scorers.av_pairs import PairResult, SoundPair, attempt
from vqe_core.scorers.av_sound import (
    HeardSound,
    heard_during,
    loud_windows,
    read_sound,
    sound_offset,
    sound_windows,
    with_clock,
)
from vqe_core.scorers.av_windows import Windowing, profile_entry
from vqe_core.scorers.options import VideoAudioOptions
from vqe_core.scorers.rows import check_text
from vqe_core.scorers.session import embed_settings
from vqe_core.types import AudioSamples, TimedEmbeddings

CHUNK_PAIRS = 256  # whose embeddings and sounds are held at one time
PROFILE_WINDOW = 1.0  # seconds; a description has no window of its own


@dataclass(frozen=True, eq=False)
class FrameComparison:
    """Frames of the whole video against one direction for the sound: what description and tags share.

    Attributes:
        encoder: image-text model.
        sampler: which frames.
        windowing: for profiles.
        options: of the metric.
    """

    encoder: ImageTextEncoder
    sampler: FrameSampler
    windowing: Windowing
    options: VideoAudioOptions

    @cached_property
    def settings(self) -> EmbedSettings:
        """How frames are embedded."""
        return embed_settings(self.options, self.windowing.views)

    def compare(self, pairs: Sequence[SoundPair]) -> list[PairResult | VqeError]:
        """Compare each pair, some at a time; one that fails gives its error."""
        settings, results = self.settings, list[PairResult | VqeError]()
        with (
            DecodeCrew.of(settings, [pair.video for pair in pairs]) as crew,
            progress_bar("videos", len(pairs), self.options.progress) as bar,
        ):
            for start in range(0, len(pairs), CHUNK_PAIRS):
                chunk = pairs[start : start + CHUNK_PAIRS]
                sources = {source_identity(pair.video): pair.video for pair in chunk}
                frames = embed_videos(sources, self.sampler, self.encoder, settings, crew=crew)
                results += self.compare_embedded(chunk, [frames[source_identity(pair.video)] for pair in chunk])
                bar.update(len(chunk))
        return results

    def compare_embedded(
        self, pairs: Sequence[SoundPair], embedded: Sequence[TimedEmbeddings | VqeError]
    ) -> list[PairResult | VqeError]:
        """Compare pairs whose frames are embedded; the part in which the methods differ."""
        raise NotImplementedError

    def result(self, frames: TimedEmbeddings, direction: Tensor, notes: tuple[str, ...], **words: Any) -> PairResult:
        """Cosine of each frame with the sound's direction."""
        similarities = cosine_matrix(frames.values, direction[None])[:, 0]
        visual = frames.values.mean(dim=0)
        return PairResult(similarities, visual, direction, frames.reader, notes=(*frames.notes, *notes), **words)

    def profile(self, pair: SoundPair, heard: HeardSound, bridge: JointEncoder) -> dict[str, Any] | None:
        """The windows of one pair, where profiles are asked for."""
        if not self.options.return_profile:
            return None
        source, _ = with_clock(pair.video, lambda: heard.samples)
        windows = self.windowing.embed(open_video(source, MediaLimits()), heard, bridge)
        return profile_entry(windows, self.windowing.hop)

    def logits(self, visual: Tensor, sound: Tensor) -> Tensor:
        """Mean over the frames of their cosine with the sound's direction: (N, D), (M, D) -> (N, M)."""
        return visual @ sound.T

    @property
    def space(self) -> str:
        """The image-text model's."""
        return self.encoder.space


@dataclass(frozen=True, eq=False)
class ByDescription(FrameComparison):
    """Frames against the sound in words: the user's, or a describer's."""

    name: ClassVar[str] = "description"
    describer: Describer | None

    def compare_embedded(
        self, pairs: Sequence[SoundPair], embedded: Sequence[TimedEmbeddings | VqeError]
    ) -> list[PairResult | VqeError]:
        """Compare each pair; one that fails gives its error."""
        sounds = [
            attempt(_hear, pair, frames) if self._needs_sound(pair) else None
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
                profile = self.profile(pair, sound, bridge)
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
        """A description of each sound; equal sounds are described once, as an answer may cost money."""
        keys = [(sound.samples.sampling_rate, sound.samples.waveform.tobytes()) for sound in sounds]
        first: dict[Any, AudioSamples] = {}
        for key, sound in zip(keys, sounds, strict=True):
            first.setdefault(key, sound.samples)
        rate = describer.sampling_rate
        waveforms = [samples if rate is None else resample(samples, rate) for samples in first.values()]
        try:
            answers = list(describer.describe(waveforms))
            if len(answers) != len(waveforms):
                raise ValueError(f"{len(answers)} answers for {len(waveforms)} sounds")
        except Exception as error:  # anyone may write a describer
            answers = [InputError(f"the describer failed: {error}", code="describer_failed")] * len(waveforms)
        checked = dict(zip(first, map(_checked_description, answers), strict=True))
        return [checked[key] for key in keys]

    def signature(self) -> dict[str, Any]:
        """Of the model, and of the describer where there is one."""
        describer = {} if self.describer is None else {"describer": self.describer.signature()}
        return {**self.encoder.signature(), **describer}


@dataclass(frozen=True, eq=False)
class ByTags(FrameComparison):
    """Frames against the sound's weighted labels."""

    name: ClassVar[str] = "tags"
    bridge: TagBridge

    def compare_embedded(
        self, pairs: Sequence[SoundPair], embedded: Sequence[TimedEmbeddings | VqeError]
    ) -> list[PairResult | VqeError]:
        """Compare each pair; one that fails gives its error."""
        return [attempt(self._one, pair, frames) for pair, frames in zip(pairs, embedded, strict=True)]

    def _one(self, pair: SoundPair, frames: TimedEmbeddings | VqeError) -> PairResult:
        heard = _hear(pair, frames)
        windowing, bridge = self.windowing, self.bridge
        window = windowing.window or min(bridge.window, bridge.longest)
        _, waveforms = sound_windows(
            heard,
            sampling_rate=bridge.sampling_rate,
            window=window,
            hop=windowing.hop or window,
            longest=bridge.longest,
        )
        tags = bridge.tag(waveforms, loud_windows(waveforms))
        profile = self.profile(pair, heard, bridge)
        assert isinstance(frames, TimedEmbeddings)  # _hear raised otherwise
        return self.result(frames, bridge.direction(tags), heard.notes, tags=tags, profile=profile)

    def signature(self) -> dict[str, Any]:
        """Of both models and the labels."""
        import hashlib

        digest = hashlib.sha256("\n".join(self.bridge.labels).encode()).hexdigest()[:12]
        return {**self.bridge.signature(), "labels": digest}


def _checked_description(answer: Any) -> str | VqeError:
    if isinstance(answer, VqeError):
        return answer
    try:
        return check_text(answer, "description")
    except VqeError as error:
        return InputError(str(error), code="bad_description")


def _hear(pair: SoundPair, frames: TimedEmbeddings | VqeError) -> HeardSound:
    """A pair's sound over the span of its frames; what was wrong with the frames comes first."""
    if isinstance(frames, VqeError):
        raise frames
    sound = read_sound(pair.video, pair.audio)
    offset = sound_offset(pair.video, pair.audio, frames.start)
    return heard_during(sound, frames.start, frames.end, offset=offset)
