"""Inverse document frequency of caption tokens.

Task: give rare words more weight than words every caption has.
Conventions: a document is one caption as a sequence of token ids, special tokens included; natural logarithm.
Metrics: ``IdfTable.weights``.
Source: Shi et al., EMScore, CVPR 2022, section 3.2 and the published code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from vqe_core.errors import InputError
from vqe_core.options import IdfEos

# The published tokenizer pads with id 0, so 0 occurs in every caption and weighs nothing; it counts in the mean below.
PADDING_ID = 0


@dataclass(frozen=True)
class IdfCounts:
    """Captions, and how many of them hold each token id. Counts of several parts of a corpus add up.

    Attributes:
        frequency: id -> captions that hold it.
        num_captions: of them all.

    Example:
        >>> count_documents([[1, 5, 2]]) + count_documents([[1, 6, 2]]) == count_documents([[1, 5, 2], [1, 6, 2]])
        True
    """

    frequency: Mapping[int, int] = field(repr=False)
    num_captions: int

    def __add__(self, other: IdfCounts) -> IdfCounts:
        frequency = Counter(self.frequency)
        frequency.update(other.frequency)
        return IdfCounts(dict(frequency), self.num_captions + other.num_captions)


def count_documents(documents: Iterable[Sequence[int]]) -> IdfCounts:
    """Count in how many captions each token id occurs, and the captions.

    Args:
        documents: token ids of each caption; none at all is a count of 0.
    """
    frequency: Counter[int] = Counter()
    num_captions = 0
    for token_ids in documents:
        frequency.update(set(token_ids))
        num_captions += 1
    return IdfCounts(dict(frequency), num_captions)


@dataclass(frozen=True)
class IdfTable:
    """Weights of token ids, and the weight of every other id.

    Attributes:
        weights: id -> weight, non-negative.
        unseen: weight of an id that is not in ``weights``.
        num_captions: captions it was fitted on, 0 if unknown.
        tokenizer: digest of the tokenizer's vocabulary, "" if unknown; ids of another tokenizer mean nothing.
        counts: what the weights were made of, which ``merge_idf`` adds up; None where only weights are known.
        end_id: id of the end token, and ``end_weight`` its rule, where counts are known.
    """

    weights: Mapping[int, float] = field(repr=False)
    unseen: float
    num_captions: int = 0
    tokenizer: str = ""
    counts: IdfCounts | None = field(default=None, repr=False)
    end_id: int | None = None
    end_weight: IdfEos = "mean"

    def __post_init__(self) -> None:
        for token_id, weight in [*self.weights.items(), ("unseen", self.unseen)]:
            if not (math.isfinite(weight) and weight >= 0):
                raise InputError(f"idf weight of token {token_id} ({weight}) must be finite and not negative")

    def lookup(self, token_ids: Sequence[int]) -> Tensor:
        """Return weights of ``token_ids``, float32 (L,)."""
        return torch.tensor([self.weights.get(i, self.unseen) for i in token_ids], dtype=torch.float32)

    def digest(self) -> str:
        """Twelve hex digits that change when any weight does."""
        text = json.dumps([sorted((int(k), v) for k, v in self.weights.items()), self.unseen])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def fit_idf(
    documents: Iterable[Sequence[int]], end_id: int, tokenizer: str = "", end_weight: IdfEos = "mean"
) -> IdfTable:
    """Fit weights on captions.

    A token in df of N captions weighs ln((N + 1) / (df + 1)), an unseen one ln(N + 1). The end token would
    weigh 0, as it is in every caption; it carries the whole caption's meaning, so it gets the mean of all
    weights, among them a 0 for the padding id.

    Args:
        documents: token ids of each caption, start and end tokens included.
        end_id: id of the end token, whose embedding stands for the whole caption.
        tokenizer: digest of the tokenizer's vocabulary.
        end_weight: see ``with_end_weight``.

    Returns:
        The table. With one caption, or captions all alike, every seen token weighs 0; ``greedy_match``
        then uses equal weights.

    Raises:
        InputError: no captions.

    Source:
        Published code: natural logarithm, padding id in the mean.

    Example:
        >>> table = fit_idf([[1, 5, 2], [1, 6, 2]], end_id=2)
        >>> [round(x, 3) for x in table.lookup([1, 5, 2, 99]).tolist()]
        [0.0, 0.405, 0.162, 1.099]
    """
    return idf_from_counts(count_documents(documents), end_id, tokenizer, end_weight)


def idf_from_counts(counts: IdfCounts, end_id: int, tokenizer: str = "", end_weight: IdfEos = "mean") -> IdfTable:
    """Return the table that ``fit_idf`` fits on captions that were counted before; see there."""
    num_captions = counts.num_captions
    if num_captions == 0:
        raise InputError("idf needs at least one caption to count words in, got none; pass captions or idf=False")
    weights = {token: math.log((num_captions + 1) / (count + 1)) for token, count in counts.frequency.items()}
    weights[PADDING_ID] = 0.0
    if end_weight == "mean":
        weights[end_id] = _mean(weights)
    return IdfTable(weights, math.log(num_captions + 1), num_captions, tokenizer, counts, end_id, end_weight)


def _mean(weights: Mapping[int, float]) -> float:
    # Summed exactly, so that neither the order of captions nor the release of Python moves the last bit, and with it
    # the digest.
    return math.fsum(weights.values()) / len(weights)


def merge_idf(tables: Iterable[IdfTable]) -> IdfTable:
    """Return the table that one pass over the captions of several tables would give, with the same digest.

    Args:
        tables: fitted with one tokenizer on parts of a corpus, in any order.

    Raises:
        InputError: none, one that holds weights alone, or tables of several tokenizers or rules of the end token.

    Example:
        >>> parts = [fit_idf([[1, 5, 2]], end_id=2), fit_idf([[1, 6, 2]], end_id=2)]
        >>> merge_idf(parts).digest() == fit_idf([[1, 5, 2], [1, 6, 2]], end_id=2).digest()
        True
    """
    tables = list(tables)
    if not tables:
        raise InputError("tables is empty; give at least one table of idf weights")
    first = tables[0]
    total = IdfCounts({}, 0)
    for table in tables:
        if table.counts is None or table.end_id is None:
            raise InputError("a table of idf weights holds no counts, so it cannot be merged; fit it again on captions")
        made_by = (table.tokenizer, table.end_id, table.end_weight)
        if made_by != (first.tokenizer, first.end_id, first.end_weight):
            raise InputError(
                "tables of idf weights were fitted with different tokenizers or idf_eos "
                f"({(first.tokenizer, first.end_id, first.end_weight)} and {made_by}); fit them with one"
            )
        total += table.counts
    assert first.end_id is not None
    return idf_from_counts(total, first.end_id, first.tokenizer, first.end_weight)


def with_end_weight(table: IdfTable, end_id: int, rule: IdfEos) -> IdfTable:
    """Return a table with another weight of the end token.

    Args:
        table: with any weight of it.
        end_id: id of the end token.
        rule: ``"mean"``: the mean of all weights, its own 0 and that of the padding among them (EMScore). ``"own"``:
            its own idf, which is 0, as every caption ends (FactVC, and any dictionary given to the published code).

    Source:
        Shi et al., EMScore, CVPR 2022, and Liu and Wan, FactVC, EMNLP 2023, published code of both.

    Example:
        >>> table = fit_idf([[1, 5, 2], [1, 6, 2]], end_id=2)
        >>> [round(x, 3) for x in with_end_weight(table, 2, "own").lookup([1, 5, 2]).tolist()]
        [0.0, 0.405, 0.0]
    """
    weights = {**table.weights, end_id: 0.0}  # whatever it was
    if rule == "mean":
        weights[end_id] = _mean(weights)
    return dataclasses.replace(table, weights=weights, end_id=end_id, end_weight=rule)


def idf_from_mapping(mapping: Mapping[int, float]) -> IdfTable:
    """Return a table from plain ``{token id: weight}``; an unseen id gets the largest weight of the mapping.

    Example:
        >>> idf_from_mapping({5: 0.5, 6: 2.0}).lookup([5, 7]).tolist()
        [0.5, 2.0]
    """
    if not mapping:
        raise InputError("idf mapping is empty; give {token id: weight}, or idf=False for equal weights")
    for token_id, weight in mapping.items():
        if not isinstance(token_id, Integral) or isinstance(token_id, bool):
            raise InputError(f"idf mapping has key {token_id!r}; keys must be token ids (int)")
        if not isinstance(weight, Real):
            raise InputError(f"idf weight of token {token_id} ({weight!r}) must be a number")
    return IdfTable({int(k): float(v) for k, v in mapping.items()}, unseen=float(max(mapping.values())))


def idf_to_json(table: IdfTable) -> str:
    """Return the table as the text of a saved idf file."""
    weights = {str(k): v for k, v in sorted(table.weights.items())}
    content = {"num_captions": table.num_captions, "tokenizer": table.tokenizer, "unseen": table.unseen}
    counted: dict[str, Any] = {}
    if table.counts is not None:  # beside the weights, which earlier releases read alone
        frequency = {str(k): v for k, v in sorted(table.counts.frequency.items())}
        counted = {"end_id": table.end_id, "end_weight": table.end_weight, "captions_with": frequency}
    return json.dumps({"format": "vqe-idf-1", **content, "weights": weights, **counted}, indent=1)


def idf_from_json(text: str) -> IdfTable:
    """Return the table of a saved idf file. Inverse of ``idf_to_json``.

    Raises:
        InputError: the text is no saved idf file.
    """
    try:
        content = json.loads(text)
        weights = {int(k): float(v) for k, v in content["weights"].items()}
        unseen, num_captions = float(content["unseen"]), int(content["num_captions"])
        counted: dict[str, Any] = {}
        if "captions_with" in content:
            frequency = {int(k): int(v) for k, v in content["captions_with"].items()}
            counted = {
                "counts": IdfCounts(frequency, num_captions),
                "end_id": int(content["end_id"]),
                "end_weight": "own" if content["end_weight"] == "own" else "mean",
            }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"not a saved idf file ({error!r}); write one with EMScore(...).fit(captions, path)"
        ) from error
    return IdfTable(weights, unseen, num_captions, str(content.get("tokenizer", "")), **counted)
