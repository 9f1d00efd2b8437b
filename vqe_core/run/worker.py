"""A worker process of a run: numbers of parts come on standard input, a line for each finished one goes back."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import threading
from base64 import b64decode
from pathlib import Path
from queue import Queue
from typing import Any

from vqe_core.run.folder import TEMPORARY


def main() -> None:
    """Score parts until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver's to handle
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    orders: Queue[Any] = Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    first = orders.get()
    from vqe_core.errors import InternalError, VqeError
    from vqe_core.run.engines.local import computing_as, do_part, told_error
    from vqe_core.run.folder import RunFolder

    folder, scorer = RunFolder(Path(first["folder"])), pickle.loads(b64decode(first["scorer"]))
    manifest = folder.manifest()
    with computing_as(folder, manifest):
        while True:
            order = orders.get()
            try:
                answer = do_part(folder, manifest, scorer, order["part"], first["task"])
            except VqeError as error:
                answer = {"error": told_error(error)}
            except Exception as error:
                answer = {"error": told_error(InternalError.of(error).with_trace())}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _listen(orders: Queue[Any]) -> None:
    """Pass on orders. Standard input ends when there are no more, or with the driver: in both cases so does this."""
    folder = None
    for line in sys.stdin.buffer:
        order = json.loads(line)
        folder = order.get("folder", folder)
        orders.put(order)
    for left in Path(folder or ".").glob(f"{TEMPORARY}{os.getpid()}-*") if folder else ():
        left.unlink(missing_ok=True)
    os._exit(0)  # also out of a part that nobody waits for


if __name__ == "__main__":
    main()
