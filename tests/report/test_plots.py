"""Plots draw what the profile says."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

from tests.required import required_package
from vqe_core.errors import InputError
from vqe_core.report.explain import explain_captions
from vqe_core.report.plots import plot_over_time, plot_profile, plot_words
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.toy.clips import make_clip

PROFILE = {
    "times": [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]],
    "similarity": [0.5, None, 0.2],
    "matrix": [[0.5, None, 0.1], [0.3, None, 0.2], [0.1, None, 0.2]],
    "mean": 0.35,
    "worst": {"start": 2.0, "end": 3.0, "similarity": 0.2},
    "best_lag": 1.0,
}


def test_a_profile_becomes_a_figure():
    figure = plot_profile(PROFILE)
    matrix, over_time = figure.axes[0], figure.axes[1]
    assert np.array_equal(
        matrix.images[0].get_array().filled(np.nan), np.array(PROFILE["matrix"], float), equal_nan=True
    )
    line = over_time.lines[0]
    assert line.get_xdata().tolist() == [0.5, 1.5, 2.5]
    assert np.array_equal(line.get_ydata(), [0.5, np.nan, 0.2], equal_nan=True)
    assert over_time.get_title() == "video and audio of the same time (best lag +1.00 s)"
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_a_hundredth_of_noise_does_not_fill_the_plot():
    noise = {**PROFILE, "similarity": [0.80, 0.81, 0.80], "mean": 0.803}
    low, high = plot_profile(noise).axes[1].get_ylim()
    assert high - low == pytest.approx(0.2) and (low + high) / 2 == pytest.approx(0.805, abs=0.002)
    low, high = plot_profile(PROFILE).axes[1].get_ylim()
    assert 0.3 < high - low < 0.4  # what is seen decides where there is something to see


def test_a_failed_row_has_nothing_to_draw():
    with pytest.raises(InputError, match="a failed row has none"):
        plot_profile(None)


@pytest.fixture(scope="module")
def explained():
    clip = make_clip(seed=7)
    scorer = EMScore(clip_model_path="toy", frame_num=4)
    return explain_captions(scorer, [clip.captions(1)[0], "a red zebra"], clip.frames)


def test_words_are_drawn_against_frames(explained):
    figure = plot_words(explained[1])
    strip, words = figure.axes[:2]
    assert len(strip.images) == 4
    assert np.array_equal(words.images[0].get_array(), explained[1].evidence.similarity)
    assert [label.get_text() for label in words.get_yticklabels()] == ["(start)", "a", "red", "zebra", "(end)"]
    assert [label.get_text() for label in words.get_xticklabels()] == ["#1", "#2", "#3", "#4"]
    outlined = [round(patch.get_x() + 0.46) for patch in words.patches]
    assert outlined == [best for best in explained[1].best_frame if best is not None]
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_a_line_a_caption_is_drawn_over_time(explained):
    axes = plot_over_time(explained, score="EMScore(X,V)_figr_F").axes[0]
    lines, wholes = axes.lines[::2], axes.lines[1::2]
    for line, whole, explanation in zip(lines, wholes, explained, strict=True):
        times, values = explanation.over_time("EMScore(X,V)_figr_F")
        assert line.get_xdata().tolist() == times.tolist() == [1.0, 2.0, 3.0, 4.0]
        assert line.get_ydata().tolist() == values.tolist()
        assert set(whole.get_ydata()) == {explanation.scores["EMScore(X,V)_figr_F"]}
        assert line.get_color() == whole.get_color()
    with pytest.raises(InputError, match="at least one"):
        plot_over_time([])


def test_a_notebook_shows_a_figure_without_pyplot():
    # In a process of its own: pyplot, once imported, would show any figure.
    code = (
        "import sys; from vqe_core.report.plots import plot_profile;"
        "from IPython.core.interactiveshell import InteractiveShell;"
        f"data, _ = InteractiveShell().display_formatter.format(plot_profile({PROFILE!r}));"
        "assert 'matplotlib.pyplot' not in sys.modules; assert data['image/png'].startswith(b'\\x89PNG'), data"
    )
    required_package("IPython")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
