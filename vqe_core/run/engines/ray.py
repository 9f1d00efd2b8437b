"""Ray core actors, on this machine or on a cluster whose machines share the folder of the run.

Ray hands out numbers of parts and restarts what dies; rows, scores and progress stay in the folder. Ray Data is not
used: it computed all rows again after a kill, and needs ten processes where two work.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vqe_core.embed.texts import TextMemory
from vqe_core.errors import MissingPackageError, VqeError, WorkerEndedError
from vqe_core.run.engines.local import TRIES, Task, computing_as, do_part, rebuilt, told_error
from vqe_core.run.engines.reaper import Reaper
from vqe_core.run.folder import Manifest, RunFolder


class PartActor:
    """Scores parts in a process of Ray."""

    def __init__(self, folder: str, scorer: Any, task: Task) -> None:
        self._folder, self._scorer, self._task = RunFolder(Path(folder)), scorer, task
        self._manifest: Manifest = self._folder.manifest()
        self._texts = TextMemory()

    def do(self, number: int) -> dict[str, Any]:
        """Score one part; an error is returned, as Ray would wrap it in kinds of its own."""
        try:
            with computing_as(self._folder, self._manifest, self._texts):
                return do_part(self._folder, self._manifest, self._scorer, number, self._task)
        except VqeError as error:
            return {"error": told_error(error)}


@dataclass(frozen=True)
class RayEngine:
    """Actors of Ray, each with a model: on this machine, or by ``address`` on a cluster with a shared folder."""

    name: ClassVar[str] = "ray"

    workers: int = 1
    address: str | None = None

    def run(
        self, folder: RunFolder, scorer: Any, numbers: Sequence[int], task: Task = "score"
    ) -> Iterator[dict[str, Any]]:
        """Score parts; see ``Engine.run``."""
        with _session(self.address) as ray:
            manifest = folder.manifest()
            gpus = 1 if ray.cluster_resources().get("GPU") and scorer.device in ("auto", "cuda") else 0
            kind = ray.remote(
                num_cpus=manifest.threads,
                num_gpus=gpus,
                max_restarts=TRIES,
                runtime_env={"env_vars": {"OMP_NUM_THREADS": str(manifest.threads)}},
            )(PartActor)
            actors = [
                kind.remote(str(folder.path.absolute()), scorer, task) for _ in range(min(self.workers, len(numbers)))
            ]
            try:
                yield from _hand_out(ray, actors, list(numbers)[::-1], manifest)
            finally:
                for actor in actors:
                    ray.kill(actor)


@contextmanager
def _session(address: str | None) -> Iterator[Any]:
    """Yield Ray, connected; disconnect afterwards, unless it was connected before."""
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError("engine 'ray' needs Ray: pip install 'vqe-core[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # an actor without GPUs leaves them as they are
    reaper = Reaper() if address is None else None
    try:
        with _own_sigterm(), reaper.marking() if reaper else nullcontext():
            ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        yield ray
    finally:
        ray.shutdown()
        if reaper:
            reaper.end()  # an agent may live on for seconds after all else has ended


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep the handler of SIGTERM that there is: Ray's own waits up to a minute for a node that serves others."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as error:  # Ray's handler, while it starts
        raise KeyboardInterrupt from error
    finally:
        with suppress(ValueError, TypeError):  # not the main thread, where Ray sets none; or a handler of C
            signal.signal(signal.SIGTERM, handler)


def _hand_out(ray: Any, actors: Sequence[Any], waiting: list[int], manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Give each actor a part, and the next one when it is done; a part whose actor died goes to whoever is free."""
    at_work: dict[Any, tuple[Any, int]] = {}
    tries: dict[int, int] = {}

    def give(actor: Any) -> None:
        if waiting:
            number = waiting.pop()
            at_work[actor.do.remote(number)] = actor, number

    for actor in actors:
        give(actor)
    while at_work:
        (ready,), _ = ray.wait(list(at_work), num_returns=1)
        actor, number = at_work.pop(ready)
        try:
            answer = ray.get(ready)
        except ray.exceptions.RayActorError as error:
            tries[number] = tries.get(number, 0) + 1
            if tries[number] >= TRIES:
                part = manifest.parts[number]
                raise WorkerEndedError(
                    f"the actor of rows {part.start} to {part.stop - 1} ended {TRIES} times ({error}); finished parts "
                    "are kept"
                ) from error
            waiting.append(number)
            give(actor)
            continue
        if "error" in answer:
            raise rebuilt(answer["error"])
        give(actor)
        yield answer
