"""Rows of a data set, the format in which it hands them out, and its media columns."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from datasets import Audio, Dataset, DownloadConfig, IterableDataset, Video, config
from datasets.utils.file_utils import is_local_path, xopen
from datasets.utils.py_utils import string_to_dict

from vqe_core.errors import PROGRAMMING_ERRORS, InputError, InputTypeError, InternalError, MediaError


def checked_rows(part: Any, num_proc: int | None = None) -> Any:
    """Return a data set whose columns are known.

    Args:
        part: should be a ``Dataset`` or an ``IterableDataset``.
        num_proc: processes that are to read it.

    Raises:
        InputTypeError: it is neither.
        InputError: a stream for several processes.
    """
    if isinstance(part, IterableDataset):
        if num_proc is not None:
            raise InputError(
                f"num_proc ({num_proc}) cannot speed up a stream; score it in one process, or shard it over several"
            )
        return part._resolve_features()  # reads a few rows of a stream whose columns are not known yet
    if not isinstance(part, Dataset):
        raise InputTypeError(f"rows must be a data set of `datasets`, or the name of one, got {type(part).__name__}")
    return part


def without_format(part: Any) -> Any:
    """Return the rows as Python values, unless a transform of the user makes them."""
    return part if _format_of(part) in (None, "custom") else part.with_format(None)


def formatted_as(scored: Any, part: Any) -> Any:
    """Return the scored rows in the format of those before, results included."""
    kind = _format_of(part)
    if kind in (None, "custom"):
        return scored
    if isinstance(part, IterableDataset):
        return scored.with_format(kind)
    added = [name for name in scored.column_names if name not in part.column_names]
    how = part.format
    columns = [*how["columns"], *added]
    return scored.with_format(kind, columns, how["output_all_columns"], **how["format_kwargs"])


def _format_of(part: Any) -> str | None:
    stream = isinstance(part, IterableDataset)
    kind: str | None = getattr(part._formatting, "format_type", None) if stream else part.format["type"]
    return kind


READ_AT_ONCE = 8  # files of one batch; most of the time is spent waiting for another machine


def media_columns(part: Any) -> tuple[str, ...]:
    """Return the names of the columns of the types ``Video()`` and ``Audio()``."""
    return tuple(name for name, kind in part.features.items() if isinstance(kind, Video | Audio))


def stored_media(part: Any) -> Any:
    """Leave video and audio as stored: they are read here, with checked times and without torchcodec."""
    for name in media_columns(part):
        part = part.cast_column(name, type(part.features[name])(decode=False))
    return part


def reads_remote(scorer: Any, part: Any) -> Any:
    """Wrap the scorer in a function that first reads what `datasets` would read from elsewhere, if it may have to."""
    columns = media_columns(part)
    tokens = getattr(part, "_token_per_repo_id", None) or {}  # of private repositories, by their id
    return WithRemoteMedia(scorer, columns, tokens) if columns else scorer


@dataclass(frozen=True)
class WithRemoteMedia:
    """Scorer of video and audio that may be stored on another machine, as those of a streamed data set are.

    Only cells of ``Video()`` and ``Audio()`` columns are read so, by the opener of `datasets`, which would open them
    too; an address in a column of strings stays refused. A file that cannot be read costs its row.

    Attributes:
        scorer: a scorer.
        columns: of stored media.
        tokens: for private repositories, by their id.
    """

    scorer: Any
    columns: tuple[str, ...]
    tokens: Mapping[str, Any]

    def __call__(self, batch: Mapping[str, Any], *rank: Any, **how: Any) -> dict[str, Any]:
        """Score a batch, as the scorer does."""
        with ThreadPoolExecutor(READ_AT_ONCE) as readers:
            read = {name: readers.map(self._content, batch[name]) for name in self.columns if name in batch}
            # The other columns stay as lazy as they are: nothing that is not asked for is decoded.
            known = ChainMap({name: list(cells) for name, cells in read.items()}, batch)  # type: ignore[arg-type]
        columns: dict[str, Any] = self.scorer(known, *rank, **how)
        return columns

    def _content(self, cell: Any) -> Any:
        """Return the cell, with its bytes where it names another machine, or the error where they cannot be had."""
        path = cell.get("path") if isinstance(cell, Mapping) and cell.get("bytes") is None else None
        if not path or is_local_path(path):
            return cell
        try:
            with xopen(path, "rb", download_config=DownloadConfig(token=self._token(path))) as file:
                return {"path": path, "bytes": file.read()}
        except PROGRAMMING_ERRORS as error:
            return InternalError.of(error)
        except Exception as error:  # whatever the file systems behind the opener raise
            missing = isinstance(error, FileNotFoundError)
            return MediaError(
                f"{path!r} cannot be read from where the data set names it ({type(error).__name__}: {error}); "
                "look at the address and the network, or leave the row out",
                code="not_found" if missing else "unreachable",
            )

    def _token(self, path: str) -> Any:
        address = path.split("::")[-1]
        on_hub = address.startswith(config.HF_ENDPOINT)
        parts = string_to_dict(address, config.HUB_DATASETS_URL if on_hub else config.HUB_DATASETS_HFFS_URL)
        return self.tokens.get(parts["repo_id"]) if parts else None
