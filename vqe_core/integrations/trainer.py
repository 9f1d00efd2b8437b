"""EMScore as the ``compute_metrics`` of a ``Seq2SeqTrainer``, in one process or many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import datasets
import numpy as np
import torch.distributed as dist

from vqe_core.errors import InputError, VqeError
from vqe_core.integrations.datasets.columns import stored_media
from vqe_core.scorers.emscore.score_types import BOTH, REFERENCE, VIDEO, available_score_types
from vqe_core.scorers.emscore.scorer import EMScore

HEADLINE = "emscore"
IGNORED = -100  # what trainers pad ids with


def make_compute_metrics(
    eval_dataset: Any,
    tokenizer: Any,
    *,
    video_key: str = "video",
    reference_key: str | None = "reference",
    scorer: EMScore | None = None,
    **scorer_options: Any,
) -> Callable[[Any], dict[str, float]]:
    """Make a ``compute_metrics`` that scores generated captions against the videos of ``eval_dataset``.

    It gives every mean of EMScore under its name, as ``"EMScore(X,V)_full_F"``, and the headline ``"emscore"``, for
    ``metric_for_best_model``: ``full_F`` (``cogr`` where the model has no other) of the most that is compared,
    video and references, else video, else references. A caption without a word cannot be scored; in the headline
    it counts 0, or as the worst row where that is less, so that no checkpoint gains by saying nothing.

    In a distributed run rows that only fill up the last batch are dropped, the first process scores, and all get
    the same numbers.

    Args:
        eval_dataset: the rows that the trainer evaluates, in its order: a ``datasets.Dataset``, a mapping of
            columns, or a list of mappings.
        tokenizer: or processor; decodes the generated ids.
        video_key: column of the videos, in any form that ``vqe_core.EMScore`` takes.
        reference_key: column of the reference captions, a string or a list of strings a row; None for none.
        scorer: Default: ``vqe_core.EMScore(**scorer_options)``; give ``cache_dir``, and videos are decoded and
            embedded once for all evaluations.

    Raises:
        InputError: a column is not there; ``scorer`` and options together; ``idf=True`` without references, which
            would count words in captions that every checkpoint writes anew. From the function it returns: rows
            that are not those of ``eval_dataset``, also where they are more in a distributed run and do not repeat
            the first ones.

    Example:
        >>> from transformers import EvalPrediction
        >>> from vqe_core.toy.clips import make_clip
        >>> class Words:  # stands for a tokenizer
        ...     pad_token_id = 0
        ...     def batch_decode(self, ids, skip_special_tokens):
        ...         return [" ".join("_ a red circle".split()[i] for i in row if i) for row in ids]
        >>> rows = {"video": [make_clip(seed=7).frames], "reference": ["a red circle"]}
        >>> compute_metrics = make_compute_metrics(rows, Words(), clip_model_path="toy")
        >>> metrics = compute_metrics(EvalPrediction(np.array([[1, 2, 3, 0, -100]]), None))
        >>> round(metrics["EMScore(X,X*)_full_F"], 3), metrics["emscore"] == metrics["EMScore(X,V,X*)_full_F"]
        (1.0, True)
    """
    if scorer is not None and scorer_options:
        raise InputError(f"give scorer, or options for one ({', '.join(scorer_options)}), not both")
    rows = _Rows(eval_dataset, video_key, reference_key)
    scorer = EMScore(**scorer_options) if scorer is None else scorer
    if scorer.idf is True:
        if reference_key is None:
            raise InputError("idf=True needs reference_key; without, give idf a list of captions or a saved file")
        scorer = scorer.fit(rows.column(reference_key))

    def compute_metrics(prediction: Any) -> dict[str, float]:
        return _once(lambda: _judge(prediction, tokenizer, rows, scorer))

    return compute_metrics


class _Rows:
    """Columns of the evaluation rows, read when they are needed."""

    def __init__(self, data: Any, video_key: str, reference_key: str | None) -> None:
        self.data, self.video_key, self.reference_key = data, video_key, reference_key
        if not hasattr(data, "__len__"):
            raise InputError(f"eval_dataset ({type(data).__name__}) must have a length; a stream has no fixed rows")
        columns = getattr(data, "column_names", None)
        if columns is None:  # only then is a row looked at: one of a data set would be decoded for it
            columns = data if isinstance(data, Mapping) else data[0]
        self.names = list(columns)
        for option, key in (("video_key", video_key), ("reference_key", reference_key)):
            if key is not None and key not in self.names:
                raise InputError(f"{option} ({key!r}) is no column; there are {', '.join(map(str, self.names))}")

    def __len__(self) -> int:
        return len(self.data[self.video_key]) if isinstance(self.data, Mapping) else len(self.data)

    def column(self, key: str) -> list[Any]:
        """Read values as they are stored: a transform of the data set may need columns that are not asked for."""
        data = self.data
        if isinstance(data, datasets.Dataset):
            return list(stored_media(data.with_format(None).select_columns([key]))[key])
        return list(data[key]) if isinstance(data, Mapping) else [row[key] for row in data]


def _judge(prediction: Any, tokenizer: Any, rows: _Rows, scorer: EMScore) -> dict[str, float]:
    ids = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    ids = np.asarray(ids)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise InputError(
            f"predictions must be token ids, (rows, length), got shape {ids.shape} of {ids.dtype}; "
            "set predict_with_generate=True in the training arguments"
        )
    _check_count(len(ids), prediction.label_ids, len(rows))
    ids = ids[: len(rows)]
    _check_order(prediction.label_ids, rows, tokenizer)
    captions = tokenizer.batch_decode(np.where(ids == IGNORED, _pad_id(tokenizer), ids), skip_special_tokens=True)
    return _score([caption.strip() for caption in captions], rows, scorer)


def _check_count(evaluated: int, label_ids: Any, expected: int) -> None:
    """Check the number of rows; those that fill up the last batch of a distributed run repeat the first in order."""
    wrong = f"the trainer evaluated {evaluated} rows and eval_dataset has {expected}"
    if evaluated < expected or (evaluated > expected and not (expected and _distributed())):
        raise InputError(f"{wrong}; give both the same rows")
    columns = [np.asarray(column) for column in (label_ids if isinstance(label_ids, tuple) else (label_ids,))]
    for i in range(expected, evaluated):
        first = (i - expected) % expected
        if label_ids is None or not all(np.array_equal(column[i], column[first]) for column in columns):
            raise InputError(
                f"{wrong}; only rows that fill up the last batch may be more, and row {i} has not the labels of row "
                f"{first}, which such a row repeats; give both the same rows"
            )


def _pad_id(tokenizer: Any) -> int:
    pad: int = getattr(tokenizer, "tokenizer", tokenizer).pad_token_id  # a processor holds a tokenizer
    return pad


def _check_order(label_ids: Any, rows: _Rows, tokenizer: Any) -> None:
    """Check the order by the labels: else rows would be scored against the videos of others, without any sign of it."""
    if "labels" not in rows.names or label_ids is None:
        return
    padding = (IGNORED, _pad_id(tokenizer))
    for i, (evaluated, stored) in enumerate(zip(np.asarray(label_ids), rows.column("labels"), strict=False)):
        if [x for x in evaluated if x not in padding] != [x for x in stored if x not in padding]:
            raise InputError(
                f"row {i}: the trainer's labels are not those of eval_dataset, so rows come in another order; evaluate "
                "without train_sampling_strategy='group_by_length' and with the same data set"
            )


def _score(captions: list[str], rows: _Rows, scorer: EMScore) -> dict[str, float]:
    said = [i for i, caption in enumerate(captions) if caption]
    columns = {"videos": rows.column(rows.video_key)}
    if rows.reference_key is not None:
        columns["references"] = rows.column(rows.reference_key)
    types = available_score_types(scorer.score_types, frozenset(columns))
    scores = {f"{score_type}_{metric}": math.nan for score_type in types for metric in scorer.metrics}
    headline, known, failed = _headline(scores), [], 0
    if said:
        report = scorer.score(
            predictions=[captions[i] for i in said],
            **{name: [column[i] for i in said] for name, column in columns.items()},
        )
        scores, failed = {**scores, **report.scores}, report.num_failed
        known = [value for value in report.rows[headline] if not math.isnan(value)]
    known += [min([0.0, *known])] * (len(captions) - len(said))
    return {
        HEADLINE: math.fsum(known) / len(known) if known else math.nan,
        **scores,
        "emscore_num_empty": float(len(captions) - len(said)),
        "emscore_num_failed": float(failed),
    }


def _headline(names: Iterable[str]) -> str:
    names = list(names)
    wanted = [f"{score_type}_{metric}" for score_type in (BOTH, VIDEO, REFERENCE) for metric in ("full_F", "cogr")]
    return next((name for name in wanted if name in names), names[0])


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _once(judge: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Compute in the first process, and return or raise in every one, or the others would wait for ever."""
    if not _distributed():
        return judge()
    answer: list[Any] = [None, None]
    error: Exception | None = None
    if dist.get_rank() == 0:
        try:
            answer[0] = judge()
        except Exception as caught:
            error, answer[1] = caught, f"{type(caught).__name__}: {caught}"
    dist.broadcast_object_list(answer, src=0)
    if error is not None:
        raise error
    if answer[1] is not None:
        raise VqeError(f"the first process could not score: {answer[1]}")
    scores: dict[str, float] = answer[0]
    return scores
