"""Write the moving picture of README.md: python docs/recording.py. Needs Chromium and pip install -e '.[test]'.

The commands run for real, in a terminal of their own; their output is shown as they print it.
"""

from __future__ import annotations

import argparse
import fcntl
import html
import io
import os
import pty
import random
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "images" / "recording.gif"
sys.path.insert(0, str(ROOT))

from tests.app.browser import chromium  # noqa: E402
from vqe_core.tables import write_table  # noqa: E402
from vqe_core.toy.clips import make_clip, write_clip  # noqa: E402

CLIPS = 40
COLUMNS, ROWS = 120, 29  # of the terminal
WIDTH, HEIGHT = 960, 540  # of the picture
KEY, LINE, READ, PAGE = 70, 250, 1500, 5000  # milliseconds: a key, a line to read, at least, the page at the end
KEYS = 3  # letters that appear at a time
COMMANDS = (
    "vqe score emscore ours.jsonl --out ours.parquet --clip-model-path toy",
    "vqe compare ours.parquet theirs.parquet",
    "vqe filter ours.parquet --bottom 5 --by xv_full_F",
    'vqe explain 07.mp4 --caption "four small yellow crosses disappear" --clip-model-path toy',
    "vqe report ours.parquet --out report.html",
)
UNSEEN = "vqe score emscore theirs.jsonl --out theirs.parquet --clip-model-path toy"  # before the recording begins
COLOURS = {
    "1": "font-weight:700",
    "2": "opacity:.7",
    "31": "color:#ff7b72",
    "32": "color:#7ee787",
    "33": "color:#e3b341",
}
STYLE = f"""
html, body {{ margin: 0; background: #10161d; }}
pre {{ margin: 0; padding: 14px 18px; width: {WIDTH - 36}px; height: {HEIGHT - 28}px; overflow: hidden;
  font: 13px/1.35 "DejaVu Sans Mono", monospace; color: #d7dde3; }}
.prompt {{ color: #7ee787; }} .typed {{ color: #ffffff; }} .caret {{ background: #d7dde3; }}
"""


def write_rows(folder: Path) -> None:
    """Write the clips, and the captions of two captioners: one is right four times in five, the other two."""
    clips = [make_clip(seed) for seed in range(CLIPS)]
    paths = [str(write_clip(clip, folder / f"{i:02}.mp4").name) for i, clip in enumerate(clips)]
    for name, right in (("ours", 0.8), ("theirs", 0.4)):
        chance = random.Random(name)
        texts = [clip.captions(1)[0] if chance.random() < right else chance.choice(clip.foils()).text for clip in clips]
        write_table(folder / f"{name}.jsonl", {"id": list(range(CLIPS)), "video_path": paths, "candidate": texts})


def run(command: str, folder: Path) -> str:
    """Return what a command writes to a terminal; a line that was written over is what it was last."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "VQE_CACHE_DIR": str(folder)}
    shell = command.replace("vqe ", f"{sys.executable} -m vqe_core ", 1)
    process = subprocess.Popen(
        shell, shell=True, cwd=folder, env=environment, stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    written = b"".join(iter(lambda: _read(leader), b""))
    os.close(leader)
    if process.wait() != 0:
        raise SystemExit(f"{command} failed:\n{written.decode(errors='replace')}")
    lines = written.decode(errors="replace").replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines).strip("\n")


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # Linux says so when the last process has closed its end
        return b""


def as_html(text: str) -> str:
    """Return terminal text as HTML: colours as spans, other control sequences left out."""
    shown, opened = [], 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z])", text):
        if not part.startswith("\x1b["):
            shown.append(html.escape(part))
        elif part.endswith("m"):
            styles = [COLOURS[code] for code in part[2:-1].split(";") if code in COLOURS]
            shown.append(f'<span style="{";".join(styles)}">' if styles else "</span>" * opened)
            opened = opened + 1 if styles else 0
    return "".join(shown) + "</span>" * opened


def cut(text: str) -> str:
    """Return what the terminal has room for: lines not folded, the first of them, the rest counted."""
    lines = text.split("\n")
    most = ROWS - 3
    return "\n".join(lines[:most] + ([f"... {len(lines) - most} more lines"] if len(lines) > most else []))


def frames_of(page: Any, command: str, output: str) -> Iterator[tuple[Image.Image, int]]:
    """Give the pictures of a command that is typed and answered, each with its milliseconds."""
    for end in [*range(0, len(command), KEYS), len(command)]:
        yield picture(page, f'<span class="typed">{html.escape(command[:end])}</span><span class="caret"> </span>'), KEY
    body = f'<span class="typed">{html.escape(command)}</span>\n\n{as_html(cut(output))}'
    yield picture(page, body), READ + LINE * output.count("\n")


def picture(page: Any, body: str) -> Image.Image:
    """Return the terminal as an image."""
    page.set_content(f'<style>{STYLE}</style><pre><span class="prompt">$ </span>{body}</pre>')
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def record(folder: Path) -> list[tuple[Image.Image, int]]:
    """Run the commands in a folder, and return the pictures with their milliseconds; the page is the last."""
    write_rows(folder)
    run(UNSEEN, folder)
    outputs = [run(command, folder) for command in COMMANDS]
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        shown = [
            frame
            for command, output in zip(COMMANDS, outputs, strict=True)
            for frame in frames_of(page, command, output)
        ]
        page.goto((folder / "report.html").as_uri())
        page.wait_for_timeout(500)
        return [*shown, (Image.open(io.BytesIO(page.screenshot())).convert("RGB"), PAGE)]


def main() -> None:
    """Record, and write the pictures with 32 colours."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as name:
        frames = record(Path(name))
    pictures = [image.quantize(32, dither=Image.Dither.NONE) for image, _ in frames]
    times = [milliseconds for _, milliseconds in frames]
    pictures[0].save(out, save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=True)
    print(f"{out}: {len(frames)} pictures, {sum(times) / 1000:.0f} s, {out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
