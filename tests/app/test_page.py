"""The Spaces in a real browser: upload to scores, clear errors, nothing leaves the machine."""

from __future__ import annotations

import re
import runpy
import time
import urllib.request

import numpy as np
import pytest
import soundfile

from tests.app.browser import ROOT, chromium, serve, serve_space, visit
from tests.required import required_package
from vqe_core.toy.clips import make_clip, write_clip

pytestmark = pytest.mark.slow

required_package("gradio")
CLIP = make_clip(seed=7)
HOSTILE = "<img src=x onerror=document.title='broken'> ${1+1} {{value}}"


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    write_clip(CLIP, folder / "clip.mp4")
    (folder / "notes.mp4").write_text("not a video at all\n" * 50)
    soundfile.write(folder / "sound.wav", CLIP.waveform, CLIP.sampling_rate)
    (folder / "sound.mp4").write_bytes((folder / "sound.wav").read_bytes())
    return folder


@pytest.fixture(scope="module")
def clip_score(tmp_path_factory):
    with serve_space("clip_score", tmp_path_factory.mktemp("clip_score")) as address:
        yield address


@pytest.fixture(scope="module")
def emscore(tmp_path_factory):
    with serve_space("emscore", tmp_path_factory.mktemp("emscore")) as address:
        yield address


@pytest.fixture(scope="module")
def video_audio(tmp_path_factory):
    with serve_space("video_audio_similarity", tmp_path_factory.mktemp("video_audio")) as address:
        yield address


def quiet(at):
    """Check that the page logged no error and asked no other host."""
    assert at.errors == []
    assert at.other_hosts() == set()
    return True


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        ("caption_judge", "Caption judge"),
        ("clip_score", "CLIPScore"),
        ("emscore", "EMScore"),
        ("side_by_side", "Video metrics side by side"),
        ("video_audio_similarity", "Video-audio similarity"),
    ],
)
def test_the_commands_of_the_guide_serve_their_pages(metric, title, tmp_path):
    guide = (ROOT / "docs" / "guides" / "spaces.md").read_text(encoding="utf-8")
    (script,) = {path for path in re.findall(r"python (metrics/\w+/app\.py)", guide) if f"/{metric}/" in path}
    with serve(script, ROOT, tmp_path, PYTHONPATH=str(ROOT)) as address:
        assert title in urllib.request.urlopen(address).read().decode()


def test_captions_are_scored_and_explained(browser, emscore, files):
    with visit(browser, emscore) as at:
        started = time.monotonic()
        at.upload(files / "clip.mp4")
        right = CLIP.captions(1)[0]
        at.page.fill("#captions textarea", f"{right}\ntwo red stars\n\n{HOSTILE}")
        at.page.fill("#references textarea", CLIP.captions(2)[1])
        text = at.score(".vqe-scores")
        print(f"upload to scores: {time.monotonic() - started:.1f} s")
        assert right in text and HOSTILE in text
        rows = at.page.locator(".vqe-scores tbody tr").all_inner_texts()
        headline = [float(re.search(r"\d\.\d{3}", row).group()) for row in rows]
        assert len(rows) == 3 and headline[0] > headline[1]
        assert "best" in rows[0]
        words = at.page.locator(".vqe-map").first.locator("tbody th").all_inner_texts()
        assert words == ["start", *right.split(), "end"]
        assert at.page.locator(".vqe-map").first.locator("thead .vqe-frame").count() == 10
        assert at.page.locator(".vqe-map").first.locator("thead th").nth(1).inner_text() == "0.00 s"
        assert at.page.locator(".vqe-chart polyline").count() == 3
        at.page.locator(".vqe-words summary").nth(1).click()
        assert at.page.locator(".vqe-map").nth(1).is_visible()
        at.page.get_by_text("Signature: everything").click()
        assert at.page.locator(".vqe-signature").is_visible()
        assert at.page.title() == "EMScore"
        assert quiet(at)


def test_an_example_fills_the_form(browser, emscore):
    with visit(browser, emscore) as at:
        at.page.get_by_text(CLIP.captions(1)[0]).first.click()
        at.page.wait_for_selector("#video video", timeout=60_000)
        assert at.page.input_value("#captions textarea").startswith(CLIP.captions(1)[0])
        assert CLIP.captions(1)[0] in at.score(".vqe-scores")
        assert quiet(at)


def test_what_is_missing_or_broken_is_said_in_plain_words(browser, emscore, files, tmp_path_factory):
    with visit(browser, emscore) as at:
        assert "There is no video yet" in at.score("[role=alert]")
        at.upload(files / "clip.mp4")
        at.page.click("#go")
        at.page.wait_for_selector("text=There is no caption yet")
        at.page.fill("#captions textarea", "a star\n" + "x" * 600)
        at.page.click("#go")
        at.page.wait_for_selector("text=at most 500 fit here")


@pytest.mark.parametrize("name", ["notes.mp4", "sound.mp4"])
def test_a_file_that_is_no_video_is_named_without_its_folder(browser, emscore, files, name):
    with visit(browser, emscore) as at:
        at.page.set_input_files("#video input[type=file]", str(files / name))
        at.page.wait_for_selector("#video button[aria-label=Clear]", timeout=60_000)
        at.page.fill("#captions textarea", "a star")
        text = at.score("[role=alert]")
        assert name in text
        assert "This file" in text or "no video or audio file" in text
        assert str(files) not in text and "/tmp" not in text and "uploads" not in text
        assert at.other_hosts() == set()


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_page_does_not_scroll_sideways(browser, emscore, files, dark):
    with visit(browser, emscore, width=390, dark=dark) as at:
        at.upload(files / "clip.mp4")
        at.page.fill("#captions textarea", f"{CLIP.captions(1)[0]}\n{'long' * 60}")
        at.page.fill("#references textarea", "a star")
        at.score(".vqe-scores")
        assert at.page.evaluate("document.documentElement.scrollWidth") <= 390
        widths = "[...document.querySelectorAll('.vqe-scores td')].map(cell => cell.getBoundingClientRect().right)"
        assert max(at.page.evaluate(widths)) <= 390
        assert quiet(at)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_captions_are_ranked_by_clip_score(browser, clip_score, files, width, dark):
    with visit(browser, clip_score, width=width, dark=dark) as at:
        at.upload(files / "clip.mp4")
        right = CLIP.captions(1)[0]
        at.page.fill("#captions textarea", f"two red stars\n{HOSTILE}\n{right}")
        at.page.fill("#references textarea", CLIP.captions(2)[1])
        text = at.score(".vqe-scores")
        assert HOSTILE in text
        rows = at.page.locator(".vqe-scores tbody tr").all_inner_texts()
        assert len(rows) == 3 and right in rows[0]
        both = [[float(value) for value in re.findall(r"\d\.\d{3}", row)] for row in rows]
        ranked = [ref_clip_score for ref_clip_score, _ in both]
        assert ranked == sorted(ranked, reverse=True) and ranked[0] > ranked[-1]
        assert at.page.locator(".vqe-scores .vqe-track i").count() == 6
        assert at.page.locator(".vqe-strip li").all_inner_texts()[:2] == ["0.00 s", "0.25 s"]
        assert at.page.locator(".vqe-strip li").count() == 10
        assert at.page.evaluate("document.documentElement.scrollWidth") <= width
        assert at.page.title() == "CLIPScore"
        assert quiet(at)


def test_audio_is_compared_with_the_video(browser, video_audio, files):
    with visit(browser, video_audio) as at:
        started = time.monotonic()
        at.upload(files / "clip.mp4")
        text = at.score(".vqe-tiles")
        print(f"upload to scores: {time.monotonic() - started:.1f} s")
        assert re.search(r"Fits better than \d+ of 100 other sounds: \w+", text)
        assert "similarity of the whole clip" in text and "weakest moment" in text
        value = float(at.page.locator(".vqe-tiles strong").first.inner_text().replace("−", "-"))
        assert -1 <= value <= 1
        assert at.page.locator(".vqe-strip li").count() >= 3
        assert at.page.locator(".vqe-chart polyline").count() >= 1
        assert at.page.locator(".vqe-matrix i").count() == 25
        assert quiet(at)


def test_another_audio_and_a_description_can_be_given(browser, video_audio, files, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000, np.float32), 16000)
    with visit(browser, video_audio, width=390) as at:
        at.upload(files / "clip.mp4")
        at.page.set_input_files("#audio input[type=file]", str(tmp_path / "silence.wav"))
        at.page.wait_for_selector("#audio >> text=silence", timeout=60_000)
        text = at.score("[role=alert]")
        assert "The audio is silent" in text and str(tmp_path) not in text
        at.page.locator("#audio button[aria-label='Remove this file'], #audio button[aria-label=Clear]").first.click()
        at.page.fill("#description textarea, #description input", CLIP.sound_caption())
        assert "by description" in at.score(".vqe-tiles")
        assert at.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert quiet(at)


def test_an_example_has_tags(browser, video_audio):
    with visit(browser, video_audio) as at:
        at.page.get_by_text("clip 1 with the audio of clip 2").click()
        at.page.wait_for_selector("#video video", timeout=60_000)
        at.score(".vqe-tags")
        assert at.page.locator(".vqe-tags .vqe-track").count() >= 1
        assert quiet(at)


def test_a_tie_is_called_one_and_a_lead_is_best(browser, emscore, files):
    with visit(browser, emscore) as at:
        at.upload(files / "clip.mp4")
        foils = CLIP.foils()
        at.page.fill("#captions textarea", f"{CLIP.captions(1)[0]}\n{foils[0].text}\n{foils[-1].text}")
        text = at.score(".vqe-scores")
        assert foils[0].wrong == ("motion",), "appearing told for vanishing, which no frame shows"
        assert "Too close to call: captions 1 and 2." in text and "too close to call" in text
        at.page.fill("#captions textarea", f"{CLIP.captions(1)[0]}\n{foils[-1].text}")
        at.page.click("#go")
        at.page.wait_for_selector("text=Caption 1 fits best.")
        assert at.page.locator(".vqe-scores em").all_inner_texts() == ["best"]
        assert quiet(at)


def test_an_older_alert_is_gone_while_the_page_works_and_stages_are_shown(browser, emscore, files):
    with visit(browser, emscore) as at:
        assert "There is no video yet" in at.score("[role=alert]")
        at.upload(files / "clip.mp4")
        at.page.fill("#captions textarea", CLIP.captions(1)[0])
        seen = at.page.evaluate_handle(
            """() => { const seen = []; new MutationObserver(() => {
            const now = document.querySelector("#results li.now");
            if (now) seen.push([now.innerText, !!document.querySelector("#results [role=alert]")]); })
            .observe(document.querySelector("#results"), {childList: true, subtree: true}); return seen; }"""
        )
        at.score(".vqe-scores")
        stages = seen.json_value()
        assert stages[0][0].split(" …")[0] == "Reading the clip"
        assert not any(alert for _, alert in stages)
        assert quiet(at)


def test_a_link_shows_the_result_of_an_example_again(browser, emscore):
    with visit(browser, emscore) as at:
        at.page.get_by_text(CLIP.captions(1)[0]).first.click()
        at.page.wait_for_selector("#video video", timeout=60_000)
        before = at.score(".vqe-verdict")
        link = at.page.get_attribute("#results a.vqe-link", "href")
    with visit(browser, emscore + link) as again:
        again.page.wait_for_selector("#results .vqe-verdict", timeout=120_000)
        assert again.page.inner_text("#results").split("Signature")[0] == before.split("Signature")[0]
        with again.page.expect_download() as waited:
            again.page.click("text=Download JSON")
        assert waited.value.suggested_filename == "emscore.json"
        assert quiet(again)


@pytest.mark.parametrize("page", ["caption_judge", "clip_score", "emscore", "side_by_side", "video_audio_similarity"])
@pytest.mark.timeout(1200)  # up to eighteen visits
def test_no_state_of_a_page_asks_elsewhere_logs_an_error_or_scrolls_sideways(browser, page, tmp_path):
    pictures = runpy.run_path(str(ROOT / "docs" / "screenshots.py"))
    assert pictures["write_states"](tmp_path, page, ((1280, False), (390, True)), browser) == []
    assert len(list(tmp_path.glob("*.png"))) == 2 * len(pictures["STATES"][page])
