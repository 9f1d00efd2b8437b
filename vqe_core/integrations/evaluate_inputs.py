"""Inputs of an ``evaluate`` metric that may be left out, mixed freely, and hold media.

The mixin is no ``EvaluationModule``, because ``evaluate.load`` takes the first of those it finds in a script.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import os
import shutil
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from vqe_core.errors import InputError
from vqe_core.integrations.cells import AUDIO, MEDIA, TEXT, TEXTS, Cell
from vqe_core.scorers.rows import as_columns

__all__ = ["AUDIO", "MEDIA", "TEXT", "TEXTS", "Cell", "OptionalInputs"]


class OptionalInputs:
    """Put it before ``evaluate.Metric`` among the bases.

    ``columns`` says how each input is stored, ``required`` which must be given, ``scorer`` what computes, and
    ``shared`` which options mean the same to it and to ``evaluate``; at load, what else both know is of ``evaluate``.
    The docstrings below are needed: ``evaluate`` appends to them.
    """

    columns: ClassVar[Mapping[str, Cell]] = {}
    required: ClassVar[tuple[str, ...]] = ()
    scorer: ClassVar[Any]
    shared: ClassVar[tuple[str, ...]] = ("seed",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Options of the scorer may be given here too, so to ``evaluate.load``; ``compute`` may overrule them.

        ``cache_dir`` is the folder of ``evaluate`` here, and that of embeddings in ``compute``.
        """
        hosts = inspect.signature(super().__init__).parameters
        known = {field.name for field in dataclasses.fields(self.scorer)}.intersection(self.shared)
        # What neither knows must raise: the host would swallow it.
        self.options = {name: value for name, value in kwargs.items() if name in known or name not in hosts}
        self.scorer(**self.options)
        self._one_at_a_time = threading.RLock()
        super().__init__(*args, **{name: value for name, value in kwargs.items() if name in hosts})
        self._round, self._experiment = 0, self.experiment_id  # type: ignore[attr-defined]

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Score the rows given here, or added before. Optional columns may be left out or be None."""
        given = {"predictions": predictions, "references": references}
        inputs = {name: kwargs.pop(name, given.get(name)) for name in self.columns}
        options = {**self.options, **kwargs}
        self.scorer(**options)  # a wrong option is told before the rows added so far are used up
        with self._one_at_a_time:
            if any(column is not None for column in inputs.values()):
                self.add_batch(**inputs)
            elif not self._has_rows():
                self._nothing_added()
            try:
                outcome = super().compute(**options)  # type: ignore[misc]
            finally:
                self._remove_spilled()
            self._next_round()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _nothing_added(self) -> None:
        """A process of a distributed run may have no rows, but must still say so, or the others wait for it."""
        if self.num_process == 1:  # type: ignore[attr-defined]
            raise InputError(f"no rows to score; give {', '.join(self.required)}, or call add or add_batch first")
        super().add_batch(**{name: [] for name in self.columns})  # type: ignore[misc]

    def _compute(self, **inputs_and_options: Any) -> dict[str, Any] | BaseException:
        """Score the stored rows. Unknown options raise: the scorer's constructor does not know them.

        An error is returned, not raised: ``evaluate`` cleans up after a result only, and would leave its files
        and locks behind, so that the next ``compute`` waits for them. Ctrl-C too.
        """
        options = {name: value for name, value in inputs_and_options.items() if name not in self.columns}
        try:
            rows = {
                name: [cell.decode(value) for value in inputs_and_options[name]] for name, cell in self.columns.items()
            }
            result: dict[str, Any] = self.scorer(**options).compute(**rows)
        except BaseException as error:
            return error
        return result

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Add rows. Optional columns may be left out or be None."""
        given = {"predictions": predictions, "references": references, **kwargs}
        unknown = [name for name, column in given.items() if name not in self.columns and column is not None]
        if unknown:
            raise InputError(f"{', '.join(unknown)} is no input of this metric; it takes {', '.join(self.columns)}")
        missing = [name for name in self.required if given.get(name) is None]
        if missing:
            raise InputError(f"{', '.join(missing)} must be given; this metric takes {', '.join(self.columns)}")
        # A shard without rows.
        if all(column is None or (hasattr(column, "__len__") and len(column) == 0) for column in given.values()):
            return super().add_batch(**{name: [] for name in self.columns})  # type: ignore[misc]
        lists = as_columns(**{name: given.get(name) for name in self.columns})
        count = len(next(column for column in lists.values() if column is not None))
        encoded = {
            name: [None] * count
            if column is None
            else [self.columns[name].encode(value, self._spill) for value in column]
            for name, column in lists.items()
        }
        with self._one_at_a_time:
            return super().add_batch(**encoded)  # type: ignore[misc]

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Add one row. Optional inputs may be left out or be None."""
        row = {"predictions": prediction, "references": reference, **kwargs}
        return self.add_batch(**{name: None if value is None else [value] for name, value in row.items()})

    def _next_round(self) -> None:
        """Files and locks of a distributed run are named anew for each ``compute``.

        A process that goes on at once then waits for the others, instead of taking their old locks for new ones.
        """
        if self.num_process > 1:  # type: ignore[attr-defined]
            self._round += 1
            self._module_info.experiment_id = f"{self._experiment}-{self._round}"  # type: ignore[attr-defined]

    def _has_rows(self) -> bool:
        return getattr(self, "writer", None) is not None

    def _spill_folder(self) -> Path:
        """A folder of this object alone; the ranks of one distributed run share theirs, as rank 0 reads them all."""
        data_dir, experiment = Path(self.data_dir), self.experiment_id  # type: ignore[attr-defined]
        if self.num_process > 1:  # type: ignore[attr-defined]
            return data_dir / f"spill-{experiment}"
        if getattr(self, "_spill_name", None) is None:
            self._spill_name = f"spill-{uuid.uuid4().hex}"
        return data_dir / self._spill_name

    def _remove_spilled(self) -> None:
        if self.process_id == 0:  # type: ignore[attr-defined]
            shutil.rmtree(self._spill_folder(), ignore_errors=True)

    def _spill(self, data: bytes, suffix: str) -> str:
        """Write ``data`` once, named by its content, so that equal videos of two rows stay one video."""
        folder = self._spill_folder()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (hashlib.sha256(data).hexdigest() + suffix)
        if not path.exists():
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            part.write_bytes(data)
            os.replace(part, path)
        return str(path)

    def __getstate__(self) -> dict[str, Any]:
        """Picklable after ``compute`` too: ``evaluate`` leaves used file locks behind."""
        state = dict(self.__dict__)
        if state.get("writer") is not None:
            raise TypeError("rows were added; call compute before pickling this metric")
        state.pop("_spill_name", None)  # a copy spills to a folder of its own
        state.pop("_one_at_a_time")
        unused = ("filelock", "rendez_vous_lock", "filelocks", "file_paths", "data", "buf_writer")
        return {**state, **{name: None for name in unused if name in state}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _one_at_a_time=threading.RLock())
