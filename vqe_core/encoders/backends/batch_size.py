"""The batch size: smaller where memory runs out, larger where that is faster, and the same for every batch.

A matrix product of another number of rows may be computed in another order, and so round otherwise: in batches of one
size, filled up where there is too little, a row's numbers do not depend on who else is there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from vqe_core.errors import ModelError
from vqe_core.runtime import one_thread

# What torch, its libraries and OpenVINO say when the machine itself has no memory left; a device's has a type.
SAID_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "bad allocation")


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell whether ``error`` says that memory ran out, and not that something is wrong."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SAID_OF_MEMORY)


def steady_rows(most: int) -> int:
    """Return the rows of a batch, at most ``most``, in which no row's numbers depend on its place.

    Example:
        >>> steady_rows(32), steady_rows(7), steady_rows(1)
        (32, 4, 1)
    """
    return most if most < STEP else most - most % STEP


@dataclass
class BackOff:
    """Halves batches that do not fit into memory, and keeps to the size that did.

    Attributes:
        limit: most items a batch; None until memory ran out.

    Example:
        >>> BackOff(limit=2).run(lambda part: sum(part), [1, 2, 3])
        [3, 3]
    """

    limit: int | None = None

    def run(self, encode: Callable[[Any], Any], items: Any) -> list[Any]:
        """Encode ``items`` in one part, or in as many as memory needs.

        Args:
            encode: a batch to its result; a row's result must not depend on its batch.
            items: anything with a length and slices.

        Returns:
            The results of the parts, in order.

        Raises:
            ModelError: a single item does not fit.
        """
        if not len(items):
            return [encode(items)]
        results: list[Any] = []
        start = 0
        while start < len(items):
            size = min(self.limit or len(items), len(items) - start)
            try:
                results.append(encode(items[start : start + size]))
                start += size
                continue
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
                if size == 1:
                    raise ModelError(
                        f"memory ran out on a batch of one ({error}); use a smaller model, dtype='bfloat16', or a "
                        "device with more memory"
                    ) from error
            # Only here, with the error and what it held gone, is there memory to free.
            self._halve(size)
        return results

    def _halve(self, size: int) -> None:
        if self.limit is None:
            warnings.warn(
                f"memory ran out on a batch of {size}; batches are halved from here on. A smaller batch_size avoids "
                "the try",
                stacklevel=4,
            )
        self.limit = size // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


USUAL = 32  # of an encoder that does not say what suits it
ON_CPU = 16  # images: more were no faster on a CPU
TOKENS = 128  # of a batch of texts on a CPU, likewise, in a tower as wide as
WIDTH = 512
THIN = 256  # width of a tower whose products are so small that threads wait longer for each other than they work
STEP = 4  # kernels of a CPU take so many rows at a time, and compute the rows that are left over in another order
MOST = 512  # prepared images of 224 x 224 then take 77 MB
PAYS = 1.1  # how much faster, per image, a batch of twice the size must be


def width_of(config: Any) -> int:
    """Return the width of a tower by its configuration; ``WIDTH`` where that does not say."""
    return int(getattr(config, "hidden_size", WIDTH))


def suited_threads(config: Any) -> AbstractContextManager[None]:
    """Compute with all threads of torch inside, or with one in a thin tower."""
    return one_thread() if width_of(config) <= THIN else nullcontext()


def best_batch_size(seconds: Callable[[int], float]) -> int:
    """Find the batch size beyond which larger ones are hardly faster.

    Args:
        seconds: how long a batch of that many images takes; may run out of memory.

    Returns:
        ``USUAL`` times a power of two, at most ``MOST``.

    Example:
        >>> best_batch_size(lambda size: 1 + size / 50)  # seconds: one for each call, a fiftieth for each image
        256
    """
    size, rate = USUAL, USUAL / seconds(USUAL)
    while size < MOST:
        try:
            larger = 2 * size / seconds(2 * size)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            break
        if larger < PAYS * rate:
            break
        size, rate = 2 * size, larger
    return size
