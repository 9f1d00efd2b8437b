"""The Space of CLIPScore. Start it with `python app.py`; it needs the packages of the extra `app`."""

from pathlib import Path

from vqe_core.app.captions import warm_up
from vqe_core.app.clip_score import clip_score_page
from vqe_core.app.page import launch

if __name__ == "__main__":
    launch(clip_score_page(card=Path(__file__).with_name("README.md")), warm_up)
