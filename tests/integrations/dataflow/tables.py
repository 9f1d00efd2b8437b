"""Toy clips and the storages of DataFlow that name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vqe_core.toy.clips import make_clip, write_clip

FORMATS = ("jsonl", "json", "csv", "parquet")


def write_clips(folder: Path, count: int = 3) -> list[Path]:
    """Write ``clip_0.mp4`` and so on, with audio."""
    paths = [folder / f"clip_{seed}.mp4" for seed in range(count)]
    for seed, path in enumerate(paths):
        write_clip(make_clip(seed), path)
    return paths


def caption_rows(clips: list[Path]) -> list[dict[str, Any]]:
    """Make a row a clip with references (a list, of one or of two), after a row whose file is missing."""
    rows = [
        {
            "video_path": str(path),
            "candidate": make_clip(seed).captions(1)[0],
            "reference": make_clip(seed).captions(2)[: 1 + seed % 2],
        }
        for seed, path in enumerate(clips)
    ]
    return [{"video_path": "nowhere.mp4", "candidate": "a red circle", "reference": ["a circle"]}, *rows]


def storage_of(rows: list[dict[str, Any]], form: str, folder: Path, kind: str = "FileStorage", **options: Any) -> Any:
    """Make a storage of DataFlow over rows written as ``form``, which is also the form of what it writes."""
    import pandas
    from dataflow.utils import storage

    first = folder / f"first.{form}"
    frame = pandas.DataFrame(rows)
    if form == "jsonl":
        frame.to_json(first, orient="records", lines=True)
    elif form == "json":
        frame.to_json(first, orient="records")
    elif form == "csv":  # lists as JSON, as tables of this package write them
        texts = frame.map(lambda cell: json.dumps(cell) if isinstance(cell, list | dict) else cell)
        texts.to_csv(first, index=False)
    else:
        frame.to_parquet(first)
    return getattr(storage, kind)(str(first), cache_path=str(folder / "cache"), cache_type=form, **options)


def written(storage: Any, step: int = 1) -> Any:
    """Read the data frame that a storage holds on disk after a step, read as the next operator reads it."""
    storage.operator_step = step
    return storage.read("dataframe")


def in_memory(frame: Any) -> Any:
    """Make a storage that hands out its own data frame and keeps what is written."""
    from dataflow.utils.storage import DataFlowStorage

    class InMemory(DataFlowStorage):
        held = frame

        def get_keys_from_dataframe(self) -> list[str]:
            return list(self.held.columns)

        def read(self, output_type: str = "dataframe") -> Any:
            return self.held

        def write(self, data: Any) -> None:
            self.held = data

    return InMemory()
