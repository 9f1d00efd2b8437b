"""The Space of the caption judge. Start it with `python app.py`; it needs the packages of the extra `app`."""

from pathlib import Path

from vqe_core.app.caption_judge import caption_judge_page
from vqe_core.app.page import launch

if __name__ == "__main__":
    launch(caption_judge_page(card=Path(__file__).with_name("README.md")))
