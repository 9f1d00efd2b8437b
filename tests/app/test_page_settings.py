"""Limits of a page: models, texts and clips."""

from __future__ import annotations

import pytest

from vqe_core.app.inputs import check_clip, chosen_model, read_lines
from vqe_core.app.page import MAX_LETTERS, MAX_SECONDS, allowed_models, old_ffmpeg_warning
from vqe_core.errors import InputError, MediaError
from vqe_core.toy.clips import make_clip, write_clip


def test_the_environment_lists_the_models(monkeypatch):
    monkeypatch.setenv("VQE_APP_MODELS", " toy, someone/clip ,")
    assert list(allowed_models(("a",)).values()) == ["toy", "someone/clip"]
    monkeypatch.setenv("VQE_APP_MODELS", " ")
    with pytest.raises(InputError, match="must name at least one model"):
        allowed_models(("a",))
    monkeypatch.delenv("VQE_APP_MODELS")
    assert allowed_models(("openai/clip-vit-base-patch32", "a")) == {
        "CLIP ViT-B/32": "openai/clip-vit-base-patch32",
        "a": "a",
    }


def test_only_listed_models_are_loaded():
    assert chosen_model("toy", {"Toy": "toy"}) == "toy"
    for model in ("/etc/passwd", None, "Toy"):
        with pytest.raises(InputError, match="must be one of Toy"):
            chosen_model(model, {"Toy": "toy"})


@pytest.mark.parametrize(
    ("version", "old"), [("8.1.1", True), ("7.1", True), ("8.1.2", False), ("9.0", False), ("n", False)]
)
def test_an_old_ffmpeg_is_told(version, old):
    warning = old_ffmpeg_warning(version)
    assert (warning is not None) == old
    assert warning is None or f"FFmpeg {version} inside PyAV" in warning


def test_lines_are_counted_and_measured():
    assert read_lines(" a \n\na\nb", "Captions", most=2) == ["a", "b"]
    assert read_lines(None, "Captions", most=2) == []
    with pytest.raises(InputError, match="Captions: 3 lines, and at most 2 fit"):
        read_lines("a\nb\nc", "Captions", most=2)
    with pytest.raises(InputError, match=f"has {MAX_LETTERS + 1} letters"):
        read_lines("x" * (MAX_LETTERS + 1), "Captions", most=2)


def test_a_clip_that_is_too_long_is_refused(tmp_path):
    short = write_clip(make_clip(0), tmp_path / "short.mp4")
    assert check_clip(str(short)) == pytest.approx(3.0)
    long = write_clip(make_clip(0, num_frames=62, seconds=MAX_SECONDS + 20, sampling_rate=8000), tmp_path / "long.mp4")
    with pytest.raises(MediaError, match="at most 600 s are scored here") as caught:
        check_clip(str(long))
    assert caught.value.code == "too_long"
