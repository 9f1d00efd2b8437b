"""The ``idf`` option: where token weights come from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vqe_core.encoders import ImageTextEncoder
from vqe_core.encoders.tokenization import TextSide
from vqe_core.errors import InputError, InputTypeError, ModelError, VqeError
from vqe_core.functional.idf import (
    IdfCounts,
    IdfTable,
    count_documents,
    idf_from_counts,
    idf_from_json,
    idf_from_mapping,
    with_end_weight,
)
from vqe_core.options import IdfEos, LongText, OnError
from vqe_core.scorers.rows import CaptionRow, check_references


def check_idf(idf: Any) -> None:
    """Raise InputTypeError unless ``idf`` has a form that ``resolve_idf`` knows."""
    if not isinstance(idf, bool | IdfTable | Mapping | str | os.PathLike | list | tuple):
        raise InputTypeError(
            f"idf ({idf!r}) must be False, True, a list of captions, the path of a saved idf file, or "
            f"{{token id: weight}}; got {type(idf).__name__}"
        )


def fit_captions(
    captions: Iterable[Any],
    reader: ImageTextEncoder | TextSide,
    long_text: LongText = "windows",
    on_error: OnError = "raise",
    idf_eos: IdfEos | None = None,
    prompt: str = "",
) -> IdfTable:
    """Return weights from captions: strings, or lists of strings, None for a row without.

    A long caption counts as one document with the tokens that the model reads of it. A row that cannot be scored does
    not count, unless ``on_error`` is ``"raise"``. The prompt is counted as it is scored, before each.

    Raises:
        InputError: no captions, or with ``"raise"`` one that cannot be scored.
    """
    counts = count_captions(captions, reader, long_text, on_error, prompt)
    return idf_from_counts(counts, reader.end_id, reader.tokenizer.digest(), idf_eos or "mean")


def count_captions(
    captions: Iterable[Any],
    reader: ImageTextEncoder | TextSide,
    long_text: LongText = "windows",
    on_error: OnError = "raise",
    prompt: str = "",
) -> IdfCounts:
    """Return in how many captions each token occurs, as ``fit_captions`` counts; of no captions a count of 0."""
    if isinstance(captions, str):
        raise InputTypeError(f"captions ({captions!r}) must be a list of strings, got one string; wrap it in [ ]")
    counted = captions if on_error == "raise" else filter(can_be_counted, captions)
    texts = (prompt + text for entry in counted for text in check_references(entry, "captions"))
    tokenizer = reader.tokenizer
    # Captions that are too long where that is an error are not scored, but what they say still counts.
    policy: LongText = "truncate" if long_text == "truncate" else "windows"
    return count_documents([i for window in tokenizer.split(text, policy).windows for i in window] for text in texts)


def can_be_counted(entry: Any) -> bool:
    """Tell whether the captions of a row, a string or a list of strings, hold words that can be scored."""
    try:
        return bool(check_references(entry, "captions"))
    except InputError:
        return False


def resolve_idf(
    idf: Any,
    encoder: ImageTextEncoder,
    rows: Sequence[CaptionRow | VqeError],
    long_text: LongText = "windows",
    on_error: OnError = "raise",
    idf_eos: IdfEos | None = None,
    prompt: str = "",
) -> IdfTable | None:
    """Return the table the ``idf`` option stands for, None for equal weights.

    Args:
        idf, long_text, on_error, prompt: the options.
        encoder: whose token ids they are.
        rows: of the call, behind the prompt.
        idf_eos: the option; None leaves a table that is given as it is.

    Raises:
        InputError: a file that is no idf file, or no captions.
        ModelError: the table was fitted with another tokenizer.
    """
    if idf is False:
        return None
    if idf is True:
        good = [row for row in rows if isinstance(row, CaptionRow)]
        references = [text for row in good for text in row.references]
        captions = references or [row.candidate for row in good]
        return fit_captions(captions, encoder, long_text, idf_eos=idf_eos) if captions else None
    if isinstance(idf, list | tuple):
        return fit_captions(idf, encoder, long_text, on_error, idf_eos, prompt)
    table = _given_table(idf)
    if table.tokenizer and table.tokenizer != encoder.tokenizer.digest():
        raise ModelError(
            f"idf was fitted with another tokenizer (digest {table.tokenizer}, this model has "
            f"{encoder.tokenizer.digest()}), so its token ids mean other words; fit it again with this model"
        )
    return table if idf_eos is None else with_end_weight(table, encoder.end_id, idf_eos)


def _given_table(idf: Any) -> IdfTable:
    if isinstance(idf, IdfTable):
        return idf
    if isinstance(idf, Mapping):
        return idf_from_mapping(idf)
    path = Path(idf)
    if not path.is_file():
        raise InputError(
            f"idf ({os.fspath(idf)!r}) is no file; give True, captions, or a file written by fit(captions, path)"
        )
    return idf_from_json(path.read_text(encoding="utf-8"))
