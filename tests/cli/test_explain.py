"""``vqe explain`` says which word is wrong, in a terminal, as JSON and as a page."""

from __future__ import annotations

import json
import re

import pytest

from vqe_core.cli import main
from vqe_core.cli.explain import explanation_lines, sparkline
from vqe_core.report.explain import explain_captions
from vqe_core.scorers.emscore.scorer import EMScore
from vqe_core.toy.clips import make_clip, write_clip

CLIP = make_clip(seed=7)
RIGHT = CLIP.captions(1)[0]
WRONG = RIGHT.replace("white", "purple")
TOY = ["--clip-model-path", "toy", "--frame-num", "3"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(write_clip(CLIP, tmp_path_factory.mktemp("clips") / "clip <1>.mp4"))


def test_the_wrong_word_is_marked_and_the_better_caption_comes_first(path, capsys):
    assert main(["explain", path, "--caption", WRONG, "--caption", RIGHT, *TOY]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "clip <1>.mp4: 3 frames, 0.00 s to 2.75 s"
    right, wrong = (printed.index(f" {word} crosses appear") for word in ("white", "[purple]"))
    assert 0 < right < wrong
    scored = EMScore(clip_model_path="toy", frame_num=3).compute(predictions=[WRONG], videos=[path])
    assert f"EMScore(X,V)_full_F {scored['EMScore(X,V)_full_F']:.3f}" in printed
    assert re.search(r"least supported: .*purple -0\.\d+", printed)
    assert "not ranked, motion and change: single frames do not show it: appear" in printed


def test_references_give_the_combined_score(path, capsys):
    assert main(["explain", path, "--caption", WRONG, "--reference", RIGHT, "--reference", "a cross", *TOY]) == 0
    assert "EMScore(X,V,X*)_full_F" in capsys.readouterr().out


def test_json_holds_what_python_has(path, capsys):
    assert main(["explain", path, "--caption", WRONG, "--format", "json", *TOY]) == 0
    content = json.loads(capsys.readouterr().out)
    (explained,) = explain_captions(EMScore(clip_model_path="toy", frame_num=3), [WRONG], path)
    (caption,) = content["captions"]
    assert content["signature"] == json.loads(json.dumps(explained.signature))
    assert content["timestamps"] == explained.timestamps.tolist()
    assert caption["scores"] == pytest.approx(explained.scores)
    assert [word["text"] for word in caption["support"]] == WRONG.split()
    for word in caption["support"]:
        assert WRONG[word["start"] : word["end"]] == word["text"]
    against = [word["text"] for word in caption["support"] if word["speaks_against"]]
    assert against == [word.text for word in sorted(explained.speaks_against, key=lambda word: word.span)]
    assert "purple" in against
    assert {w["text"] for w in caption["support"] if w["unranked"]} == {"appear", "on"}
    assert len(caption["frames"]) == 3 and all(len(word["similarity"]) == 3 for word in caption["words"])


def test_the_page_stands_alone(path, tmp_path, capsys):
    page = tmp_path / "why.html"
    assert main(["explain", path, "--caption", WRONG, "--caption", RIGHT, "--html", str(page), *TOY]) == 0
    assert f"written to {page}" in capsys.readouterr().out
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and "clip &lt;1&gt;.mp4" in html and "clip <1>" not in html
    assert re.search(r'<mark title="support −0\.\d+">purple</mark>', html)
    assert not re.search(r"https?:|@import", re.sub(r"base64,[\w+/=]+", "", html))


def test_words_said_twice_have_each_their_own_support(path):
    scorer = EMScore(clip_model_path="toy", frame_num=2)
    (explained,) = explain_captions(scorer, ["a ring, then a white cross"], path)
    lines = [line.split() for line in explanation_lines([explained], "x")]
    shown = [float(line[1]) for line in lines if line[:1] == ["a"] and len(line) > 3]
    expected = [word.support for word in explained.support if word.text == "a"]
    assert shown == pytest.approx(expected, abs=1e-3) and len(expected) == 2 and expected[0] != expected[1]


def test_colours_stand_for_brackets_in_a_terminal(path):
    (explained,) = explain_captions(EMScore(clip_model_path="toy", frame_num=2), [WRONG], path)
    coloured = "\n".join(explanation_lines([explained], "x", colour=True))
    assert "\033[1;4;31mpurple\033[0m" in coloured and "[purple]" not in coloured


def test_what_is_not_there_is_told_in_a_line(tmp_path, capsys):
    assert main(["explain", str(tmp_path / "gone.mp4"), "--caption", "x", *TOY]) == 1
    assert "gone.mp4" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["explain", "x.mp4"])
    assert "--caption" in capsys.readouterr().err


def test_equal_values_are_a_flat_line():
    assert sparkline([0.5, 0.5]) == "▁▁" and sparkline([]) == ""
