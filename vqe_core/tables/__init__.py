"""Tables on disk: jsonl, json, csv and parquet, chosen by the file's ending, whole or batch by batch.

Task: read what users wrote as they wrote it, and write what a format can hold, whatever else is in the table.
"""

from __future__ import annotations

from vqe_core.tables.formats import ENVIRONMENT, FORMATS, READ_FORMATS, SIGNATURE, AnyColumns, Columns
from vqe_core.tables.reading import (
    read_batches,
    read_environments,
    read_media_folder,
    read_signatures,
    read_table,
    read_written,
)
from vqe_core.tables.values import Changes
from vqe_core.tables.writing import (
    check_writable,
    rehearse,
    rehearse_batches,
    warn_of,
    write_batches,
    write_noted,
    write_table,
    write_whole,
)

__all__ = [
    "ENVIRONMENT",
    "FORMATS",
    "READ_FORMATS",
    "SIGNATURE",
    "AnyColumns",
    "Changes",
    "Columns",
    "check_writable",
    "read_batches",
    "read_environments",
    "read_media_folder",
    "read_signatures",
    "read_table",
    "read_written",
    "rehearse",
    "rehearse_batches",
    "warn_of",
    "write_batches",
    "write_noted",
    "write_table",
    "write_whole",
]
