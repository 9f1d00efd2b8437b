"""The page holds what it claims, needs nothing else, and escapes whatever it is given."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from tests.tiny import clip_tokenizer
from vqe_core.errors import InputError
from vqe_core.functional.matching import greedy_match
from vqe_core.report.html import (
    Report,
    ReportCaption,
    ReportVideo,
    Scale,
    ScoredCaption,
    bar_scale,
    format_score,
    frame_strip,
    heat_scale,
    render_report,
    severity_chart,
    summarise_attributes,
    summarise_severity,
)
from vqe_core.report.word_alignment import Word, changed_words, changes, read_words, word_evidence, word_positions

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>\'"&{{ 7 * 713 }}</style>'
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks nesting, and collects tags, attributes and text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def unit(*shape, seed=0):
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def evidence(text, seed=0, frames=3):
    words = [Word(word, (i,)) for i, word in enumerate(text.split())]
    return word_evidence(words, unit(len(words), 8, seed=seed), unit(frames, 8, seed=9))


def scores(value):
    return {"full_F": value, "figr_P": value, "figr_R": value, "figr_F": value, "cogr": value}


def small_report(text="a red star", title="one.mp4", **video):
    captions = (
        ReportCaption(text, "right", (), scores(0.8), evidence(text)),
        ReportCaption("a blue star", "foil", ("colour",), scores(0.6), evidence("a blue star", seed=1)),
        ReportCaption("two rings", "unrelated", ("colour", "shape"), scores(0.2)),
    )
    frames = np.full((3, 16, 24, 3), 90, np.uint8)
    one = ReportVideo(title, frames, np.array([0.0, 0.5, 1.0]), captions, **video)
    return Report(
        "Does it fit?", "Three captions.", (one,), {"model": "toy", "frames": "uniform(3)"}, "Teaching model."
    )


def test_the_page_says_what_it_was_given():
    page = render_report(small_report())
    text = " ".join(Page(page).texts)
    for expected in ("Does it fit?", "Teaching model.", "one.mp4", "0.80", "0.60", "1 of 1", "uniform(3)", "0.50 s"):
        assert expected in text
    assert "wrong: colour" in page and "<mark>blue</mark>" in page
    assert "How to read this" in page


def test_the_page_needs_no_script_and_no_request():
    page = render_report(small_report())
    tags = Page(page).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "img"}
    assert not re.search(r"https?:|//[a-z]|@import|\bon[a-z]+=", re.sub(r"base64,[\w+/=]+", "", page))
    addresses = re.findall(r"url\((.{22})", page)
    assert addresses == ["data:image/jpeg;base64"]


@pytest.mark.parametrize(
    "place", ["text", "title", "note", "signature", "environment", "notice", "intro", "wrong", "word"]
)
def test_a_hostile_text_stays_text(place):
    if place == "text":
        report = small_report(text=HOSTILE)
    elif place == "title":
        report = small_report(title=HOSTILE)
    elif place == "note":
        report = small_report(note=HOSTILE)
    elif place == "signature":
        report = replace(small_report(), signature={HOSTILE: HOSTILE})
    elif place == "environment":
        report = replace(small_report(), environment={HOSTILE: HOSTILE, "readers": [HOSTILE]})
    elif place in ("notice", "intro"):
        report = replace(small_report(), **{place: HOSTILE})
    else:
        caption = ReportCaption("x", "foil", (HOSTILE,), scores(0.1), evidence(HOSTILE), note=HOSTILE)
        report = small_report()
        video = report.videos[0]
        report = replace(report, videos=(replace(video, captions=(*video.captions, caption)),))
    page = render_report(report)
    assert "<script" not in page and "<img" not in page and "4991" not in page
    assert page.count("</style>") == 1
    tags = Page(page).tags
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)


def test_frames_and_tables_have_names_for_those_who_do_not_see_them():
    tags = Page(render_report(small_report())).tags
    images = [attributes for _, attributes in tags if attributes.get("role") == "img"]
    # the chart, a frame beside the fold, the frames, and the frames above each of two tables
    assert len(images) == 1 + 1 + 3 + 2 * 3
    assert all(attributes.get("aria-label") for attributes in images)
    assert any(attributes.get("aria-label") == "Frame 2 of 3, 0.50 s" for attributes in images)
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in tags if tag == "th")


def test_the_same_report_gives_the_same_page():
    assert render_report(small_report()) == render_report(small_report())


def test_rows_without_a_score_and_videos_without_a_clock_are_shown():
    frames = np.zeros((1, 8, 8, 3), np.uint8)
    video = ReportVideo("x", frames, None, (ReportCaption("a", "right", note="caption too long"),), soundless=True)
    page = render_report(Report("t", "i", (video,), {}))
    assert "caption too long" in page and "#1" in page and "no sound track" in page and "–" in page
    assert "In short" not in page
    assert Page(render_report(Report("t", "i", (), {}))).tags


def test_a_report_checks_itself():
    with pytest.raises(InputError, match=re.escape("kind ('false') must be one of right, paraphrase, foil, unrelated")):
        ReportCaption("a", "false")
    with pytest.raises(InputError, match=re.escape("frames must be uint8 (N, H, W, 3) RGB with N >= 1")):
        ReportVideo("x", np.zeros((0, 8, 8, 3), np.uint8), None, ())
    with pytest.raises(InputError, match="one entry for each of 2 frames"):
        ReportVideo("x", np.zeros((2, 8, 8, 3), np.uint8), np.zeros(3), ())


def test_evidence_adds_up_to_precision_and_recall():
    tokens, frames = unit(6, 8), unit(4, 8, seed=1)
    words = [Word("start", (0,), True), Word("a", (1,)), Word("crescent", (2, 3, 4)), Word("end", (5,), True)]
    found = word_evidence(words, tokens, frames)
    every = torch.ones(1, 6, dtype=torch.bool)
    match = greedy_match(tokens[None], every, frames[None], every[:, :4])
    tokens_a_word = np.array([len(word.positions) for word in words])
    assert np.isclose((found.best_of_word * tokens_a_word).sum() / 6, match.precision.item(), atol=1e-6)
    assert np.isclose(found.best_of_frame.mean(), match.recall.item(), atol=1e-6)
    assert found.similarity.shape == (4, 4)
    assert np.allclose(found.similarity[2], (tokens[2:5] @ frames.T).mean(dim=0), atol=1e-6)
    assert found.best_frame[1] == int((tokens[1] @ frames.T).argmax())


def test_no_best_frame_is_named_where_all_are_alike():
    frames = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert word_evidence([Word("a", (0,))], np.array([[1.0, 0.0]]), frames).best_frame == [None]


def test_evidence_wants_every_token_once():
    for words in ([Word("a", (0,))], [Word("a", (0, 1)), Word("b", (1,))]):
        with pytest.raises(InputError, match="each of the 2 tokens once"):
            word_evidence(words, unit(2, 4), unit(2, 4))


@pytest.mark.parametrize("text", ["a zebra runs", "Zoë naïve 猫, ok!"])
def test_words_are_read_back_from_their_pieces(text):
    tokenizer = clip_tokenizer()
    ids = tokenizer(text)["input_ids"]
    words = read_words(ids, tokenizer)
    assert (words[0].text, words[-1].text) == ("start", "end") and words[0].special and words[-1].special
    assert "".join(word.text for word in words[1:-1]) == text.lower().replace(" ", "")
    assert [p for word in words for p in word.positions] == list(range(len(ids)))


def test_word_pieces_of_every_spelling_are_joined():
    bert = ["[CLS]", "cre", "##scent", "spins", "[SEP]"]
    assert word_positions(bert, [True, False, False, False, True]) == [(0,), (1, 2), (3,), (4,)]
    assert word_positions(["Ġa", "Ġcres", "cent"], [False] * 3) == [(0,), (1, 2)]
    assert word_positions([], []) == []


def test_changed_words_are_found_by_place():
    assert [c for _, c in changed_words("a star and a ring", "a star and a ring")] == [False] * 5
    assert [w for w, c in changed_words("three red stars spin", "two red stars rise") if c] == ["three", "spin"]
    (change,) = changes(evidence("a red star"), evidence("a blue star", seed=1))
    assert (change.was, change.now) == ("red", "blue")
    assert change.was_best == pytest.approx(evidence("a red star").best_of_word[1].item())


CAPTIONS = [
    ScoredCaption("a", "right", (), 0.8),
    ScoredCaption("a", "paraphrase", (), 0.6),
    ScoredCaption("a", "foil", ("colour",), 0.8),
    ScoredCaption("b", "right", (), 0.5),
    ScoredCaption("b", "foil", ("colour",), 0.4),
    ScoredCaption("b", "foil", ("colour", "size"), None),
    ScoredCaption("c", "foil", ("colour",), 0.4),
]


def test_means_by_severity_and_pairs():
    right, one = summarise_severity(CAPTIONS)
    assert (right.num_wrong, right.pairs, right.share) == (0, 0, None)
    assert right.mean == pytest.approx((0.8 + 0.6 + 0.5) / 3)
    assert (one.num_wrong, len(one.values)) == (1, 3)
    assert (one.wins, one.pairs, one.share) == (1, 2, 0.5)  # a tie is no win; a video without a right caption no pair
    (colour,) = summarise_attributes(CAPTIONS)
    assert (colour.attribute, colour.wins, colour.pairs, colour.share) == ("colour", 1, 2, 0.5)
    assert summarise_severity([]) == () and summarise_attributes([]) == ()


def test_scales_and_chart_place_scores_in_order():
    scale = bar_scale([0.33, -0.12])
    assert (scale.low, scale.high) == (-0.2, 0.4)
    assert scale.bar(0.1) == (33.3, 16.7) and scale.bar(-0.2) == (0.0, 33.3)
    assert bar_scale([]) == Scale(0.0, 0.1)
    assert bar_scale([0.3]).high == 0.3 and bar_scale([0.70000001]).high == 0.7
    assert heat_scale([np.array([[0.5]])]).heat(0.5) == 0 and heat_scale([]).heat(1.0) == 20
    chart = severity_chart(summarise_severity(CAPTIONS))
    inside = [0 < dot.x < chart.width and 0 < dot.y < chart.height for dot in (*chart.dots, *chart.means)]
    assert all(inside) and len(chart.dots) == 6
    assert chart.means[0].y < chart.means[1].y  # a higher score is drawn higher
    assert len(severity_chart(summarise_severity(CAPTIONS[:1])).ticks) >= 2


def test_the_strip_is_one_image_of_all_frames():
    frames = np.zeros((2, 20, 40, 3), np.uint8)
    frames[1] = 255
    assert frame_strip(frames).startswith("data:image/jpeg;base64,/9j/")


def test_scores_are_written_for_people():
    assert [format_score(v) for v in (0.005, -0.004, -0.5, None)] == ["0.01", "0.00", "−0.50", "–"]
