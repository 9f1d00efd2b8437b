"""Prompts of judges, what they are shown, and the meaning of an answer: a number from 0 to 1 with a reason.

Models are told to answer in JSON, and many do not: words before it, a fence around it, a bare number, ``Score: 8/10``.
Where the number is not certain there is none: a wrong number is worse than none. Neither ``response_format`` nor
``logprobs`` is relied on, as servers accept them and do nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple, Protocol

import numpy as np

from vqe_core.errors import InputError
from vqe_core.llm.content import Content, audio_part, image_part, text_part
from vqe_core.types import Frames, are_frames, shape_of

# In signatures: to show images and audio, or to read answers, in another way changes numbers, as another prompt does.
VERSION = "1"
DEFAULT_PROMPT = (
    "You have seen pictures of a video, each with its time, and heard a sound of the same seconds. The sound may be "
    "the video's own, or another that was put in its place. How well does the sound fit what is seen? "
    "10: what is heard comes from what is seen. 5: it could be heard in such a place, from something out of view, or "
    "it is music or speech that suits the picture. 0: it cannot belong to this video. "
    'Answer with one line of JSON and nothing else: {"reason": "<at most 20 words>", "score": <number from 0 to 10>}'
)
# The same of captions: how images and caption are shown, and the words around them.
CAPTION_VERSION = "1"
_ANSWER = (
    'Answer with one line of JSON and nothing else: {"reason": "<at most 30 words>", "score": <number from 0 to 10>}'
)
# By name. What a template says is in the signature word for word, so that it may be improved.
CAPTION_PROMPTS = {
    "zero-shot": (
        "You have seen pictures of a video, in order, and read a caption of it. How well does the caption describe the "
        "video? 10: everything it says is seen, and it says what matters most. 5: it is right about the scene, and "
        "wrong or silent about something that matters. 0: it describes another video. References, where there are "
        "any, are captions that people wrote of this video: they may leave out what the caption rightly says. Judge "
        f"what the caption says, not its style or length. {_ANSWER}"
    ),
    "vc-inspector": (
        "You have seen pictures of a video, in order, and read a caption of it. Check the facts of the caption. First "
        "go through the objects it names (people, animals, things, places, what it says of their number and looks): "
        "is each one seen? Then go through its actions (who does what, to whom, in which order): does each one happen? "
        "References, where there are any, are captions that people wrote of this video. 10: every object and every "
        "action is right. Take off for each that is wrong, more for one that the sentence turns on; 0: neither the "
        "objects nor the actions are those of this video. What the caption leaves out is no error. In the reason, name "
        f"the wrong objects and actions and what is there instead, or say that all is right. {_ANSWER}"
    ),
}
# Models shrink images themselves; larger ones only cost more.
LONGEST_SIDE = 512
MAX_REASON = 300  # letters; a reason is a line beside the number
SCALE = 10.0  # of the number that the prompt asks for
MAX_LETTERS = 20_000  # of one answer; more is an answer to something else
EXCERPT = 200

_NUMBER = r"[-+]?[0-9]+(?:\.[0-9]+)?"
# Not a part of a longer number, a percentage, a share of another scale, or the beginning of a range.
_ENDS = r"(?![0-9]|[.,][0-9]|\s*%|\s*percent|\s*/\s*[0-9]|\s*out\s+of|\s*[-\u2013\u2014]\s*[0-9]|\s+(?:to|or)\s+[0-9])"
_OF_TEN = r"\s*(?:/|out\s+of)\s*10(?![0-9]|[.,][0-9])"
_AMOUNT = rf"({_NUMBER})(?:{_OF_TEN}|{_ENDS})"
_MARKS = r"[\"'*_`\s]*"
_LABELLED = re.compile(rf"\bscore\b{_MARKS}(?:[:=]|\bis\b|\bof\b){_MARKS}{_AMOUNT}", re.IGNORECASE)
_SHARE = re.compile(rf"(?<![\w.,/+\u2013\u2014-])({_NUMBER}){_OF_TEN}", re.IGNORECASE)
_ALONE = re.compile(rf"[\"'*_`\s]*{_AMOUNT}[\"'*_`\s.]*", re.IGNORECASE)
_THOUGHT = "</think>"


class Judged(Protocol):
    """Subject of a question to a judge."""

    def content(self, prompt: str) -> Content:
        """Return the parts of a message to a model."""
        ...

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments of a user's function."""
        ...


def _check_frames(frames: Frames, timestamps: np.ndarray | None) -> None:
    if not are_frames(frames) or not len(frames):
        kind = getattr(frames, "dtype", "images")
        raise InputError(f"frames must be uint8 (N, H, W, 3) RGB, N at least 1, got {kind} {shape_of(frames)}")
    if timestamps is not None and timestamps.shape != (len(frames),):
        raise InputError(f"timestamps must be one a frame, got shape {timestamps.shape} for {len(frames)}")


@dataclass(frozen=True, eq=False)
class JudgedClip:
    """Images and audio of the same seconds, for a judge. The clock starts with the audio.

    Attributes:
        frames: uint8 (N, H, W, 3) RGB, or N images whose sizes differ, sampled from the video, the longer side at most
            ``LONGEST_SIDE``.
        timestamps: float64 (N,) seconds, increasing.
        waveform: float32 (T,), mono, in [-1, 1].
        sampling_rate: Hz.
    """

    frames: Frames = field(repr=False)
    timestamps: np.ndarray
    waveform: np.ndarray = field(repr=False)
    sampling_rate: int

    def __post_init__(self) -> None:
        _check_frames(self.frames, self.timestamps)
        if self.waveform.dtype != np.float32 or self.waveform.ndim != 1:
            raise InputError(f"waveform must be float32 (T,), got {self.waveform.dtype} {self.waveform.shape}")

    @property
    def duration(self) -> float:
        """Seconds of audio."""
        return len(self.waveform) / self.sampling_rate

    def content(self, prompt: str) -> Content:
        """Return the parts of a message: each image after its time, the audio, the prompt.

        The words in them are a part of what ``VERSION`` stands for.
        """
        parts = _pictures(self.frames, self.timestamps)
        parts += [text_part(f"Sound from 0.00 s to {self.duration:.2f} s:")]
        parts += [audio_part((self.waveform, self.sampling_rate), "sound"), text_part(prompt)]
        return parts

    def arguments(self) -> tuple[Any, ...]:
        """Return what a function gets: frames of one size, timestamps, waveform, sampling rate."""
        return _of_one_size(self.frames), self.timestamps, self.waveform, self.sampling_rate


@dataclass(frozen=True, eq=False)
class JudgedCaption:
    """Images of a video and a caption of it, for a judge. The clock starts with the video, or its segment.

    Attributes:
        frames: as of ``JudgedClip``.
        timestamps: float64 (N,) seconds, increasing; None where the frames have no clock.
        caption: what is judged.
        references: captions of the same video that are right; none: ().
    """

    frames: Frames = field(repr=False)
    timestamps: np.ndarray | None
    caption: str
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_frames(self.frames, self.timestamps)

    def content(self, prompt: str) -> Content:
        """Return the parts of a message: each image after its time, caption and references as JSON, the prompt.

        In JSON a caption that reads like an instruction stays a quotation. The words in the parts are a part of what
        ``CAPTION_VERSION`` stands for.
        """
        parts = _pictures(self.frames, self.timestamps)
        parts += [text_part(f"Caption: {json.dumps(self.caption, ensure_ascii=False)}")]
        if self.references:
            parts += [text_part(f"References: {json.dumps(list(self.references), ensure_ascii=False)}")]
        return [*parts, text_part(prompt)]

    def arguments(self) -> tuple[Any, ...]:
        """Return what a function gets: frames of one size, timestamps, caption, references."""
        return _of_one_size(self.frames), self.timestamps, self.caption, self.references


def _pictures(frames: Frames, timestamps: np.ndarray | None) -> Content:
    """Return each image after its time, or after its number where there is no clock."""
    parts: Content = []
    for i, pixels in enumerate(frames):
        where = f"{i + 1} of {len(frames)}" if timestamps is None else f"at {timestamps[i]:.2f} s"
        parts += [text_part(f"Picture {where}:"), image_part(pixels)]
    return parts


def _of_one_size(frames: Frames) -> np.ndarray:
    from vqe_core.media.video.sizes import of_one_size

    return of_one_size(frames)


def caption_prompt(chosen: str) -> str:
    """Return the prompt of a judge of captions: a template by its name, or a user's own words.

    Args:
        chosen: a name of ``CAPTION_PROMPTS``, or a text that asks for JSON with a ``score`` from 0 to 10.

    Raises:
        InputError: neither: a single word that is no name, or nothing.

    Example:
        >>> caption_prompt("zero-shot").startswith("You have seen pictures")
        True
    """
    if isinstance(chosen, str) and chosen in CAPTION_PROMPTS:
        return CAPTION_PROMPTS[chosen]
    if not isinstance(chosen, str) or len(chosen.split()) < 2:  # a misspelt name would be sent as the whole prompt
        raise InputError(
            f"judge_prompt ({chosen!r}) must be {' or '.join(CAPTION_PROMPTS)}, or words of your own that ask for JSON "
            "with a score from 0 to 10 and a reason"
        )
    return chosen


class Judgement(NamedTuple):
    """``score`` in [0, 1], 1 where what is judged fits the images as well as can be; ``reason`` on one line, or ""."""

    score: float
    reason: str = ""


def as_judgement(value: Any) -> Judgement:
    """Return a judgement from a number, or a number with a reason.

    Raises:
        InputError: no such thing, or a number outside [0, 1]; code ``bad_judgement``.

    Example:
        >>> as_judgement((1, "a bell\\n rings"))
        Judgement(score=1.0, reason='a bell rings')
    """
    score, reason = value if isinstance(value, tuple | list) and len(value) == 2 else (value, "")
    number = isinstance(score, Real) and not isinstance(score, bool)
    if not number or not isinstance(reason, str | None):
        raise InputError(
            f"a judgement ({str(value)[:60]!r}) must be a number from 0 to 1, or (number, reason)", code="bad_judgement"
        )
    if not (math.isfinite(score) and 0 <= score <= 1):
        raise InputError(f"a judgement ({score}) must be a number from 0 to 1", code="bad_judgement")
    return Judgement(float(score), one_line(reason or ""))


def one_line(reason: str) -> str:
    """Return a reason on one line, cut where it is long, and with no letter that a file cannot hold."""
    line = " ".join(reason.encode("utf-8", "replace").decode("utf-8").split())
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 1] + "…"


def read_judgement(text: object) -> Judgement:
    """Read the judgement in an answer; its number, from 0 to 10, becomes one from 0 to 1.

    Args:
        text: of the answer.

    Raises:
        InputError: no text, no number, several that differ, or one outside the scale; code ``bad_judgement``.

    Example:
        >>> read_judgement('Sure! {"reason": "a bell", "score": 7}')
        Judgement(score=0.7, reason='a bell')
    """
    if not isinstance(text, str):
        raise _bad(f"the answer is no text but {type(text).__name__}")
    if len(text) > MAX_LETTERS:
        raise _bad(f"the answer has {len(text)} letters, more than {MAX_LETTERS}")
    said = text.rpartition(_THOUGHT)[2]  # what a model thinks before it answers is full of numbers
    if "<think>" in said:
        raise _bad("the answer ends within its thoughts; raise max_tokens")
    found = list(_verdicts(said))
    if found:
        return _agreed([number for number, _ in found], next((r for _, r in reversed(found) if r), ""), said)
    alone = _ALONE.fullmatch(said)
    if alone is not None:
        return _agreed([float(alone[1])], "", said)
    for pattern in (_LABELLED, _SHARE):
        numbers = [float(match[1]) for match in pattern.finditer(said)]
        if numbers:
            return _agreed(numbers, said, said)
    raise _bad(f"no score from 0 to {SCALE:g} in the answer {_excerpt(said)!r}")


def _verdicts(said: str) -> Iterator[tuple[float, str]]:
    """Yield number and reason of each JSON object with a score."""
    decoder, at = json.JSONDecoder(), said.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(said, at)
        except (ValueError, RecursionError):
            value, end = None, at + 1
        fields = {str(key).lower(): item for key, item in value.items()} if isinstance(value, dict) else {}
        number = _number(fields.get("score"))
        if number is not None:
            reason = fields.get("reason")
            yield number, reason if isinstance(reason, str) else ""
        # An object without a score may hold one that has it.
        at = said.find("{", end if number is not None else at + 1)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        match = _ALONE.fullmatch(value)
        return None if match is None else float(match[1])
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(min(value, 1e9))  # an integer may be too large for a float


def _agreed(numbers: list[float], reason: str, said: str) -> Judgement:
    if len(set(numbers)) > 1:
        raise _bad(f"several scores ({', '.join(f'{n:g}' for n in numbers[:4])}) in the answer {_excerpt(said)!r}")
    (number,) = set(numbers)
    if not 0 <= number <= SCALE:  # NaN too
        raise _bad(f"the score {number:g} is not from 0 to {SCALE:g} in the answer {_excerpt(said)!r}")
    return Judgement(number / SCALE, one_line(reason))


def _excerpt(said: str) -> str:
    return one_line(said)[:EXCERPT]


def _bad(why: str) -> InputError:
    return InputError(why, code="bad_judgement")
