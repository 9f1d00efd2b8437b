"""The Space of all metrics side by side. Start it with `python app.py`; it needs the packages of the extra `app`."""

from pathlib import Path

from vqe_core.app.page import launch
from vqe_core.app.side_by_side import side_by_side_page
from vqe_core.app.video_audio import warm_up

if __name__ == "__main__":
    launch(side_by_side_page(card=Path(__file__).with_name("README.md")), warm_up)
