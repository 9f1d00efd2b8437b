"""Write the images of README.md and docs/, and on request every state of every page, to look at.

``python docs/screenshots.py`` writes docs/images; ``python docs/screenshots.py --states DIR`` writes each page in each
state, 1280 and 390 pixels wide, light and dark, and fails where one asks another host for something, logs an error or
scrolls sideways. Needs Chromium and pip install -e '.[test]'.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT))

from tests.app.browser import Visit, chromium, serve_space, visit  # noqa: E402
from vqe_core.toy.clips import make_clip, write_clip  # noqa: E402

CLIP = make_clip(seed=7)
RIGHT = make_clip(seed=1)
MISSING = "someone/no-such-model"


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


def write_images() -> None:
    """Run the pages and the demo's report, and take their screenshots."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        clip = make_clip(seed=1, size=256, num_frames=24)
        path = write_clip(clip, folder / "clip.mp4")
        with space("emscore", folder) as address, visit(browser, address) as at:
            at.upload(path)
            captions = [clip.captions(1)[0], clip.foils()[0].text, clip.foils()[-1].text]
            at.page.fill("#captions textarea", "\n".join(captions))
            at.score(".vqe-scores")
            save(at, "emscore.png", 1400)
        with space("video_audio_similarity", folder) as address, visit(browser, address) as at:
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


@contextmanager
def space(metric: str, folder: Path, **environment: str) -> Iterator[str]:
    """Serve a page from a folder of its own."""
    own = folder / f"space_{metric}"
    own.mkdir()
    with serve_space(metric, own, **environment) as address:
        yield address


# Each state: brings a page that was just opened into it.
State = Callable[[Visit, Path], Any]


def scored(captions: list[str], clip: str = "clip.mp4", shown: str = ".vqe-verdict") -> State:
    """Bring a page of captions to its results."""

    def bring(at: Visit, folder: Path) -> None:
        at.upload(folder / clip)
        at.page.fill("#captions textarea", "\n".join(captions))
        at.score(shown)

    return bring


def heard(clip: str = "clip.mp4", audio: str | None = None, shown: str = ".vqe-verdict") -> State:
    """Bring the page of sounds to its results."""

    def bring(at: Visit, folder: Path) -> None:
        at.upload(folder / clip)
        if audio is not None:
            at.page.set_input_files("#audio input[type=file]", str(folder / audio))
            at.page.wait_for_selector(f"#audio >> text={Path(audio).stem}", timeout=60_000)
        at.score(shown)

    return bring


# A short clip is scored before anybody has looked: the results are put out of the page's reach once they show stages.
STOP_AT_STAGES = """() => {
    const observer = new MutationObserver(() => {
        const results = document.querySelector("#results");
        if (results?.querySelector(".vqe-waiting li.now")) {
            observer.disconnect();
            results.replaceWith(results.cloneNode(true));
        }
    });
    observer.observe(document.body, {childList: true, subtree: true, attributes: true});
}"""


def waits(at: Visit, folder: Path) -> None:
    """Stop at the stages."""
    at.upload(folder / "clip.mp4")
    at.page.fill("#captions textarea", CLIP.captions(1)[0])
    at.page.evaluate(STOP_AT_STAGES)
    at.page.click("#go")
    at.page.wait_for_selector("#results .vqe-waiting li.now", timeout=60_000)


def fails(model: str | None = None, clip: str = "clip.mp4") -> State:
    """Bring a page to an alert."""

    def bring(at: Visit, folder: Path) -> None:
        at.page.set_input_files("#video input[type=file]", str(folder / clip))
        at.page.wait_for_selector("#video button[aria-label=Clear], #video video", timeout=60_000)
        at.page.fill("#captions textarea", "a red star")
        if model is not None:
            at.page.click("#model input")
            at.page.get_by_role("option", name=model).click()
        at.score("[role=alert]")

    return bring


TIE = [CLIP.captions(1)[0], CLIP.foils()[0].text, CLIP.foils()[-1].text]
BEST = [CLIP.captions(1)[0], CLIP.foils()[1].text, CLIP.foils()[-1].text]
STATES: dict[str, dict[str, State]] = {
    "emscore": {
        "empty": lambda at, folder: None,
        "verdict": scored(BEST[:1]),
        "best": scored(BEST),
        "tie": scored(TIE),
        "warning": scored(["a dog swims in a lake", "a red star"], "other.mp4"),
        "unknown": scored(["a dog swims in a lake", *BEST[:1]]),
        "waiting": waits,
        "error": fails(clip="notes.mp4"),
        "no_model": fails(MISSING),
    },
    "clip_score": {"best": scored(BEST), "tie": scored(TIE), "warning": scored(BEST, "other.mp4")},
    "video_audio_similarity": {
        "verdict": heard(),
        "against": heard(audio="sound.mp4"),
        "warning": heard("other.mp4"),
    },
    "caption_judge": {"best": scored(BEST), "warning": scored(BEST, "other.mp4")},
    "side_by_side": {"best": scored(BEST), "warning": scored(["a dog swims in a lake"], "other.mp4")},
}


VIEWS = ((1280, False), (1280, True), (390, False), (390, True))  # pixels, and whether dark


def write_states(
    out: Path, only: str | None, views: Sequence[tuple[int, bool]] = VIEWS, browser: Any = None
) -> list[str]:
    """Take a screenshot of each state of a page, or of all pages, in each view; return what is wrong with them.

    Args:
        out: folder to write to.
        only: name of a page, None for all.
        views: width in pixels, and whether dark.
        browser: that runs already. Default: one is started.
    """
    out.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        browser = browser or stack.enter_context(chromium())
        folder = Path(name)
        write_files(folder)
        for metric, states in STATES.items():
            if only is not None and metric != only:
                continue
            address = stack.enter_context(space(metric, folder, VQE_APP_MODELS=f"toy,{MISSING}"))
            for state, bring in states.items():
                for width, dark in views:
                    with visit(browser, address, width=width, dark=dark) as at:
                        bring(at, folder)
                        at.page.wait_for_timeout(0 if state == "waiting" else 600)
                        path = out / f"{metric}_{state}_{width}_{'dark' if dark else 'light'}.png"
                        at.page.screenshot(path=str(path), full_page=True)
                        wrong += [f"{path.name}: {what}" for what in faults(at, width, state)]
                        print(path.name, flush=True)
    return wrong


def faults(at: Visit, width: int, state: str) -> list[str]:
    """Return what a page must not do: scroll sideways, log an error, ask another host."""
    wide = at.page.evaluate("document.documentElement.scrollWidth")
    found = [f"scrolls sideways, {wide} pixels"] if wide > width else []
    # What Chromium says of a file that is no video.
    found += [error for error in at.errors if state != "error"]
    return [*found, *(f"asked {host}" for host in at.other_hosts())]


def write_files(folder: Path) -> None:
    """Write the clips that the states need."""
    write_clip(CLIP, folder / "clip.mp4")
    write_clip(RIGHT, folder / "sound.mp4")
    (folder / "notes.mp4").write_text("not a video at all\n" * 50)
    write_clip(other_world(), folder / "other.mp4")


def other_world() -> Any:
    """Return a clip with the sound of a toy clip, and frames of no toy world: moving gradients of all colours."""
    import dataclasses

    across, down = np.meshgrid(np.linspace(0, 6, 128), np.linspace(0, 4, 128))
    turns = np.linspace(0, 3, len(CLIP.frames))[:, None, None]
    waves = [np.sin(across + turns), np.cos(down * 1.3 - turns), np.sin(across - down + 2 * turns)]
    frames = np.stack([127 + 120 * wave * np.ones_like(turns) for wave in waves], axis=-1).astype(np.uint8)
    return dataclasses.replace(CLIP, frames=frames)


def main() -> None:
    """Read the command line, and write what it asks for."""
    parser = argparse.ArgumentParser(description="Take screenshots of pages and reports.")
    parser.add_argument("--states", type=Path, metavar="DIR", help="every state of every page, into this folder")
    parser.add_argument("--only", metavar="PAGE", help="of one page")
    asked = parser.parse_args()
    if asked.states is None:
        write_images()
        return
    wrong = write_states(asked.states, asked.only)
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
