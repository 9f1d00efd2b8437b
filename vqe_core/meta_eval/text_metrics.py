"""Text metrics of known value, to compare others with and to check a benchmark by.

Task: how much of a caption stands in reference captions, by words alone.
Conventions: words are runs of letters, digits and apostrophes in lower case; scores in [0, 1].
Metrics: ``unigram_precision``, ``rouge_l``.
Source: Papineni et al., "BLEU", ACL 2002, section 2.1; Lin, "ROUGE", 2004, section 3.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from vqe_core.errors import InputError

# As in the captioning toolkits, whose beta is 1.2.
BETA_SQUARED = 1.44


def words_of(text: str) -> list[str]:
    """Return the words of a text, lower case.

    Example:
        >>> words_of("A man's dog, running.")
        ['a', "man's", 'dog', 'running']
    """
    return re.findall(r"\w+(?:'\w+)*", text.lower())


def unigram_precision(candidate: str, references: Sequence[str]) -> float:
    """Return the share of a caption's words that stand in its references.

    A word counts as often as it stands in the one reference that has it most often.

    Args:
        candidate: the caption.
        references: at least one.

    Returns:
        Share, [0, 1]; 0 for a caption without words.

    Raises:
        InputError: no reference.

    Source:
        BLEU, section 2.1, modified unigram precision, without the brevity penalty.

    Example:
        >>> unigram_precision("the the cat", ["the cat sits", "a cat"])
        0.6666666666666666
    """
    _check(references)
    counts = Counter(words_of(candidate))
    most: Counter[str] = Counter()
    for reference in references:
        most |= Counter(words_of(reference))
    return (counts & most).total() / max(counts.total(), 1)


def rouge_l(candidate: str, references: Sequence[str]) -> float:
    """Return ROUGE-L: how long a sequence of words a caption has in common with its references.

    Precision and recall of the longest common subsequence are each the best over the references, then become one:
    (1 + 1.44) P R / (R + 1.44 P).

    Args:
        candidate: the caption.
        references: at least one.

    Returns:
        Score, [0, 1].

    Raises:
        InputError: no reference.

    Source:
        ROUGE, section 3, with beta = 1.2, as the captioning toolkits compute it.

    Example:
        >>> round(rouge_l("a cat sits", ["a black cat sits down"]), 4)
        0.7176
    """
    _check(references)
    words = words_of(candidate)
    others = [words_of(reference) for reference in references]
    common = [_longest_common(words, other) for other in others]
    precision = max(common) / max(len(words), 1)
    recall = max(length / max(len(other), 1) for length, other in zip(common, others, strict=True))
    if not precision or not recall:
        return 0.0
    return (1 + BETA_SQUARED) * precision * recall / (recall + BETA_SQUARED * precision)


TEXT_METRICS: dict[str, Callable[[str, Sequence[str]], float]] = {
    "unigram-precision": unigram_precision,
    "rouge-l": rouge_l,
}


def _check(references: Sequence[str]) -> None:
    if isinstance(references, str) or not references:
        raise InputError(f"references ({references!r}) must be a list of at least one reference caption")


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest sequence of words that both hold in this order."""
    lengths = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for i, candidate in enumerate(other, start=1):
            above = lengths[i]
            lengths[i] = before + 1 if word == candidate else max(above, lengths[i - 1])
            before = above
    return lengths[-1]
