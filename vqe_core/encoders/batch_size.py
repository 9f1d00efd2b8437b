"""How many pictures to encode at once."""

from __future__ import annotations

from collections.abc import Callable

from vqe_core.encoders.backoff import ran_out_of_memory

USUAL = 32  # on two cores of a CPU, larger batches were no faster
MOST = 512  # prepared pictures of 224 x 224 then take 77 MB
PAYS = 1.1  # how much faster, a picture, a batch of twice the size must be


def best_batch_size(seconds: Callable[[int], float]) -> int:
    """The batch size beyond which larger ones hardly are faster.

    Args:
        seconds: how long a batch of so many pictures takes; may run out of memory.

    Returns:
        ``USUAL`` times a power of two, at most ``MOST``.

    Example:
        >>> best_batch_size(lambda size: 1 + size / 50)  # seconds: one for each call, a fiftieth for each picture
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
