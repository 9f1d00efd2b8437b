"""The Space of video-audio similarity. Start it with `python app.py`; it needs the packages of the extra `app`."""

from pathlib import Path

from vqe_core.app.page import launch
from vqe_core.app.video_audio import video_audio_page, warm_up

if __name__ == "__main__":
    launch(video_audio_page(card=Path(__file__).with_name("README.md")), warm_up)
