"""What is used of the open-dataflow package, or stand-ins where it is not installed.

The stand-ins let this package be imported, documented and tested everywhere; an operator cannot be made with them.
"""

from __future__ import annotations

from typing import Any

from vqe_core.errors import MissingPackageError

# Its own requirements pin numpy below 2 and years-old versions of much else, so they are not asked for.
INSTALL = "pip install --no-deps open-dataflow==1.0.13 && pip install colorlog rich pandas"


class _NoOperatorABC:
    """Base of the operators where open-dataflow is absent."""


try:
    from dataflow.core import OperatorABC
    from dataflow.utils.registry import OPERATOR_REGISTRY

    absent: ImportError | None = None
except ImportError as error:
    OperatorABC: Any = _NoOperatorABC  # type: ignore[no-redef]
    OPERATOR_REGISTRY: Any = None  # type: ignore[no-redef]
    absent = error


def require_dataflow() -> None:
    """Check that operators can be made here.

    Raises:
        MissingPackageError: open-dataflow, or a package that it imports, is absent.
    """
    if absent is not None:
        raise MissingPackageError(
            f"DataFlow operators need the package open-dataflow ({absent}); install it without its pinned "
            f"requirements, which would downgrade numpy and others: {INSTALL}"
        ) from absent
