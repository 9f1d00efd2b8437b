"""Loading of a data set by its name: a table, a folder, or an id on the hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from datasets import load_dataset, load_from_disk
from datasets.exceptions import DatasetNotFoundError, DatasetsError

from vqe_core.errors import InputError

TABLES = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv"}


def load_rows(name: str | os.PathLike[str], split: str | None) -> tuple[Any, str | None]:
    """Load a data set by its name; return it with the folder that its relative media paths start from.

    Args:
        name: a table, a folder (with media files and their metadata, with tables, or written by ``save_to_disk``), or
            the id of a data set on the hub.
        split: None for all; a table alone has one, and comes back as it.

    Raises:
        InputError: there is no such data set, or it cannot be read.
    """
    path = Path(name).expanduser()
    try:
        if path.is_file():
            return _load_table(path, split), str(path.absolute().parent)
        if path.is_dir():
            return _load_folder(path, split), str(path.absolute())
        return load_dataset(os.fspath(name), split=split), None
    except (DatasetNotFoundError, ConnectionError) as error:
        raise InputError(
            f"data set {os.fspath(name)!r} is neither a file or folder here nor within reach on the hub "
            f"({_first_line(error)}); check the name, the network and HF_HUB_OFFLINE, or give a local folder or table"
        ) from error
    except (DatasetsError, OSError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"data set {os.fspath(name)!r} with split {split!r} cannot be read: {_first_line(error)}"
        ) from error


def _load_table(path: Path, split: str | None) -> Any:
    if path.suffix.lower() not in TABLES:
        raise InputError(f"{str(path)!r} must end in one of {', '.join(TABLES)}")
    return load_dataset(TABLES[path.suffix.lower()], data_files=str(path), split=split or "train")


def _load_folder(path: Path, split: str | None) -> Any:
    if any((path / file).is_file() for file in ("dataset_dict.json", "state.json")):
        rows = load_from_disk(str(path))
        return rows[split] if split is not None and isinstance(rows, dict) else rows
    return load_dataset(str(path), split=split)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
