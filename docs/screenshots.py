"""Write the images of README.md and docs/: python docs/screenshots.py. Needs Chromium and pip install -e '.[test]'."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT))

from tests.app.browser import Visit, chromium, serve_space, visit  # noqa: E402
from vqe_core.toy.clips import make_clip, write_clip  # noqa: E402


def save(at: Visit, name: str, height: int) -> None:
    """Save the upper part of the page with 128 colours: small files, sharp letters."""
    at.page.mouse.move(0, 0)
    at.page.wait_for_timeout(800)
    at.page.evaluate("window.scrollTo(0, 0)")
    at.page.set_viewport_size({"width": 1280, "height": height})
    path = IMAGES / name
    at.page.screenshot(path=str(path))
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


def main() -> None:
    """Run both pages and the demo's report, and take their screenshots."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        clip = make_clip(seed=1, size=256, num_frames=24)
        path = write_clip(clip, folder / "clip.mp4")
        (folder / "emscore").mkdir()
        with serve_space("emscore", folder / "emscore") as address, visit(browser, address) as at:
            at.upload(path)
            captions = [clip.captions(1)[0], clip.foils()[0].text, clip.foils()[-1].text]
            at.page.fill("#captions textarea", "\n".join(captions))
            at.score(".vqe-scores")
            save(at, "emscore.png", 1240)
        (folder / "audio").mkdir()
        with serve_space("video_audio_similarity", folder / "audio") as address, visit(browser, address) as at:
            at.page.get_by_text("clip 1:").first.click()
            at.page.wait_for_selector("#video video")
            at.score(".vqe-tiles")
            save(at, "video_audio_similarity.png", 1240)
        demo = [sys.executable, "-m", "vqe_core.cli", "demo", "--out", str(folder / "demo")]
        subprocess.run(demo, cwd=ROOT, check=True)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((folder / "demo" / "report.html").as_uri())
        save(Visit(page, "file:"), "report.png", 1100)
        made = [str(folder / "demo" / "emscore.parquet"), "--out", str(folder / "table.html"), "--title", "My captions"]
        subprocess.run([sys.executable, "-m", "vqe_core.cli", "report", *made], cwd=ROOT, check=True)
        page.goto((folder / "table.html").as_uri())
        page.click(".worth .row >> nth=0")
        save(Visit(page, "file:"), "table_report.png", 1250)
        shown = [made[0], "--out", str(folder / "gallery.html"), "--title", "My captions", "--threshold", "p80"]
        subprocess.run([sys.executable, "-m", "vqe_core.cli", "gallery", *shown], cwd=ROOT, check=True)
        page.goto((folder / "gallery.html").as_uri())
        save(Visit(page, "file:"), "gallery.png", 1210)


if __name__ == "__main__":
    main()
