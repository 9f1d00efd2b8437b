"""Write every file of the corpus into a folder: ``python -m tests.media.corpus.generate FOLDER [NAME ...]``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.media.corpus.cases import all_cases
from tests.media.corpus.reading import value_of


def main(folder: str, names: list[str]) -> None:
    """Write the files, and print what each of them is."""
    place = Path(folder).resolve()
    place.mkdir(parents=True, exist_ok=True)
    for case in all_cases():
        if not names or case.name in names:
            value = value_of(case, place)
            size = Path(value).stat().st_size if isinstance(value, str) and Path(value).is_file() else 0
            print(f"{case.name:32} {size:8} bytes  {case.what}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
