"""``python -m vqe_core.cli``, for who has no ``vqe`` on the path."""

from __future__ import annotations

from vqe_core.cli import program

program()
