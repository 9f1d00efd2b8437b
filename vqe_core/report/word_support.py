"""Support of the words of a caption: how much the score loses when a word is left out.

Task: say which words of a caption the video speaks for, and which against.
Conventions: spans are half-open, in characters of the caption; support is a difference of two scores, so of cosines.

A word's own cosine with its best frame answers that badly: in a CLIP-type model the embedding of a token holds the
words before it, so that one wrong word lowers those after it, and a word at the end of a right caption lies higher than
one at its beginning. Leaving the word out and scoring again asks the model about the word itself. The global score
(cogr) is compared: in a mean over tokens, dropping any token below the mean is a gain, whatever it says.
``benchmarks/explanations.py`` measures this and what else was tried; docs/explain.md has the figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vqe_core.encoders.tokenization import Tokenizer, window_starts
from vqe_core.options import LongText
from vqe_core.report.word_alignment import Word

Span = tuple[int, int]

MOST_MARKED = 2
# Scale-free, as models differ: see ``speaks_against``. Set where right captions of the toy world lose few words to it.
AGAINST = 0.2

# What single frames cannot show, so that a number would mislead. English; words of other languages are ranked.
_ORDER = "then after before afterwards afterward first second next finally later again eventually until once while"
_MOTION = (
    "move moves moving moved motion left right leftwards rightwards up down upwards downwards forward forwards "
    "backward backwards slide slides sliding drift drifts drifting rise rises rising climb climbs fall falls falling "
    "sink sinks spin spins spinning rotate rotates rotating turn turns turning still rest rests motionless accelerate "
    "accelerates slow slowly fast quickly appear appears appearing disappear disappears disappearing vanish vanishes "
    "vanishing come comes coming go goes going stay stays enter enters start starts stop stops begin begins"
)
# They bind others: left out, they change the sentence and say nothing of the video. "a" stays, it says how many.
_FUNCTION = (
    "the of on in at to and or is are was were be been being with by for from into onto over it its this that these "
    "those there as an' has have does do not"
)
UNRANKED = {
    **dict.fromkeys(_FUNCTION.split(), "function word"),
    **dict.fromkeys(_MOTION.split(), "motion"),
    **dict.fromkeys(_ORDER.split(), "order"),
}
HIT_RATE = (
    "In the toy world the wrong word is among the two least supported in 96 of 100 captions with one thing wrong; "
    "elsewhere that is not measured."
)
REASONS = {
    "order": "the order of events: every frame is matched on its own",
    "motion": "motion and change: single frames do not show it",
    "function word": "function words say nothing of the video",
    "only word": "nothing is left to score without it",
}


@dataclass(frozen=True)
class WordSupport:
    """A word of a caption, and what the score gains by it.

    Attributes:
        text: as it stands in the caption.
        span: its place there.
        support: score of the caption minus its score without the word; below 0 the caption fits better without it.
            None where that cannot be known.
        unranked: why the word takes no part in the ranking, a key of ``REASONS``; "" for a word that does.
        number: its number among the words of ``Explanation.words``.
    """

    text: str
    span: Span
    support: float | None
    unranked: str = ""
    number: int | None = None


def word_supports(caption: str, spans: Sequence[Span], score: Callable[[list[str]], list[float]]) -> list[WordSupport]:
    """Leave each word out of a caption, score what is left, and compare.

    Args:
        caption: one text.
        spans: of its words, from ``word_spans``.
        score: texts to scores; is called once.

    Returns:
        One entry a span.

    Example:
        >>> likes_red = lambda texts: [0.5 + 0.2 * ("red" in text) - 0.1 * ("two" in text) for text in texts]
        >>> [(word.text, round(word.support, 2)) for word in word_supports("two red", [(0, 3), (4, 7)], likes_red)]
        [('two', -0.1), ('red', 0.2)]
    """
    rest = {span: without(caption, span) for span in spans}
    # Where no letter is left there is nothing to score.
    whole, *values = score([caption, *[text for text in rest.values() if _has_letters(text)]])
    parts, found = iter(values), []
    for span, text in rest.items():
        word = caption[slice(*span)]
        if _has_letters(text):
            found.append(WordSupport(word, span, whole - next(parts), UNRANKED.get(word.casefold(), "")))
        else:
            found.append(WordSupport(word, span, None, "only word"))
    return found


def least_supported(words: Sequence[WordSupport], most: int = MOST_MARKED) -> list[WordSupport]:
    """Return the ``most`` words of least support, the least first; words that cannot be ranked are passed over."""
    ranked = [word for word in words if word.support is not None and not word.unranked]
    return sorted(ranked, key=lambda word: word.support or 0.0)[:most]


def speaks_against(words: Sequence[WordSupport]) -> list[WordSupport]:
    """Return those of the least supported words that the score would clearly gain without.

    Clearly: by more than a fifth of what it gains by the best supported word. Some word of a right caption always lies
    a little below 0.

    Example:
        >>> two, red = WordSupport("two", (0, 3), -0.1), WordSupport("red", (4, 7), 0.2)
        >>> [word.text for word in speaks_against([two, red, WordSupport("star", (8, 12), -0.01)])]
        ['two']
    """
    gains = [word.support for word in words if word.support is not None]
    limit = -AGAINST * max([*gains, 0.0])
    return [word for word in least_supported(words) if (word.support or 0.0) < limit]


def without(caption: str, span: Span) -> str:
    """Return the caption without one word, its spaces and punctuation closed up.

    Example:
        >>> without("a red star, then a ring", (2, 5)), without("two stars, then a ring", (4, 9))
        ('a star, then a ring', 'two, then a ring')
    """
    left = " ".join((caption[: span[0]] + " " * _spaced(caption, span) + caption[span[1] :]).split())
    return re.sub(r"\s+([,.;:!?])", r"\1", left)


def _spaced(caption: str, span: Span) -> bool:
    """Tell whether a space stands beside the word: in a script without, none must come into the sentence."""
    return caption[max(0, span[0] - 1) : span[0]].isspace() or caption[span[1] : span[1] + 1].isspace()


def _has_letters(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


def word_spans(caption: str, words: Sequence[Word], tokenizer: Tokenizer, long_text: LongText) -> dict[int, Span]:
    """Find the words of an embedded caption in its text.

    Args:
        caption: the text.
        words: as ``read_words`` gives them for it.
        tokenizer: of the encoder.
        long_text: as it was embedded.

    Returns:
        Span of each word by its number. Start, end and punctuation have none; a word that two windows of a long text
        share has the same span twice. Empty where the tokenizer does not tell places.
    """
    places = _token_spans(caption, tokenizer, long_text)
    spans = {}
    for number, word in enumerate(words):
        parts = [] if word.special else [place for p in word.positions if (place := places.get(p)) is not None]
        if parts:
            start, end = min(start for start, _ in parts), max(end for _, end in parts)
            text = caption[start:end]
            start, end = start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())
            if _has_letters(caption[start:end]):
                spans[number] = (start, end)
    return spans


def _token_spans(caption: str, tokenizer: Tokenizer, long_text: LongText) -> dict[int, Span]:
    """Return the place of each token, by its position among those of all windows together."""
    if not getattr(tokenizer.inner, "is_fast", False):
        return {}
    found = tokenizer.inner(caption, add_special_tokens=False, verbose=False, return_offsets_mapping=True)
    offsets: list[Span] = [(int(start), int(end)) for start, end in found["offset_mapping"]]
    room = tokenizer.context - len(tokenizer.prefix) - len(tokenizer.suffix)
    long = len(offsets) > room
    starts = window_starts(len(offsets), room) if long and long_text != "truncate" else [0]
    places, position = {}, 0
    for start in starts:
        content = offsets[start : start + room]
        position += len(tokenizer.prefix)
        places.update({position + i: span for i, span in enumerate(content)})
        position += len(content) + len(tokenizer.suffix)
    return places


def marked_parts(caption: str, words: Sequence[WordSupport]) -> list[tuple[str, WordSupport | None]]:
    """Cut a caption into pieces, each with the word of ``words`` that it is, or None.

    Example:
        >>> [(text, word is not None) for text, word in marked_parts("a red star", [WordSupport("red", (2, 5), -0.1)])]
        [('a ', False), ('red', True), (' star', False)]
    """
    parts: list[tuple[str, WordSupport | None]] = []
    end = 0
    for word in sorted(words, key=lambda word: word.span):
        if word.span[0] < end:
            continue
        parts += [(caption[end : word.span[0]], None), (caption[slice(*word.span)], word)]
        end = word.span[1]
    return [part for part in [*parts, (caption[end:], None)] if part[0]]
