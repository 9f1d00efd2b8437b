"""Visitors read plain words, and never where files lie on the server."""

from __future__ import annotations

import logging

import pytest

from vqe_core.app.page import UNKNOWN, alert, plain_words, told_in_words, without_folders
from vqe_core.errors import InputError, MediaError, attempt


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("cannot read '/tmp/gradio/0a/my clip.mp4'", "cannot read 'my clip.mp4'"),
        ("Invalid data: 'file:/srv/uploads/9c/notes.mp4')", "Invalid data: 'notes.mp4')"),
        (r"no file C:\Users\me\clip.mp4", "no file clip.mp4"),
        (
            "a rate of 30000/1001 and 3/4, see https://example.org/a/b",
            "a rate of 30000/1001 and 3/4, see https://example.org/a/b",
        ),
    ],
)
def test_folders_are_cut_off(text, plain):
    assert without_folders(text) == plain


def test_the_row_s_own_error_is_told():
    inner = MediaError("'/srv/x/clip.mp4' holds no frame", code="no_video_stream")
    outer = MediaError("1 of 1 rows cannot be scored:\n  row 0: ...", code="no_video_stream")
    outer.__cause__ = inner
    assert plain_words(outer) == ("This file has no video stream.", "'clip.mp4' holds no frame")


def test_known_errors_are_told_and_others_are_logged(caplog):
    def known():
        raise InputError("Captions: too many <lines>")

    def unknown():
        raise RuntimeError("secret at /srv/app/key")

    shown = told_in_words(known)()
    assert "Captions: too many &lt;lines&gt;" in shown and 'role="alert"' in shown
    with caplog.at_level(logging.ERROR):
        shown = told_in_words(unknown)()
    assert UNKNOWN in shown and "secret" not in shown
    assert "secret at /srv/app/key" in caplog.text
    assert told_in_words(lambda: "<p>fine</p>")() == "<p>fine</p>"


def test_a_fault_of_ours_is_logged_with_its_traceback_and_not_shown(caplog):
    def faulty():
        raise attempt(lambda: None + 1)

    shown = told_in_words(faulty)()
    assert UNKNOWN in shown and "TypeError" not in shown
    assert "TypeError: unsupported operand" in caplog.text and "Traceback" in caplog.text


def test_an_alert_is_text():
    assert "&lt;b&gt;" in alert("<b>")
