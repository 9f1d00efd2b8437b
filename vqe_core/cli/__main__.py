"""``python -m vqe_core.cli``, for who has no ``vqe`` on the path."""

from __future__ import annotations

import sys

from vqe_core.cli import main

sys.exit(main())
