"""Words of a command line: which belong to an option, and what is said of a wrong one."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from vqe_core.cli import _parser, main
from vqe_core.cli.logs import told_warnings
from vqe_core.cli.parsing import in_flags
from vqe_core.functional.idf import fit_idf, idf_to_json

FLAGS = {
    "on_error": "--on-error",
    "isolate": "--isolate",
    "idf": "--idf",
    "metrics": "--metrics",
    "sampler": "--sampler",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of one caption, as lines and as a list, and saved weights of its words."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"candidate": "a cat", "reference": "a cat"}\n')
    (tmp_path / "rows.json").write_text('[{"candidate": "a cat", "reference": "a cat"}]')
    (tmp_path / "idf.json").write_text(idf_to_json(fit_idf([[1, 2]], 2, "")))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["--idf", "rows.jsonl"], {"idf": "true"}),
        (["--idf", "rows.json"], {"idf": "true"}),
        (["--idf", "idf.json", "rows.jsonl"], {"idf": "idf.json"}),
        (["rows.jsonl", "--idf", "idf.json"], {"idf": "idf.json"}),
        (["rows.jsonl", "--idf", "gone.json"], {"idf": "gone.json"}),
        (["--idf", "false", "rows.jsonl"], {"idf": "false"}),
        (["--metrics", "full_F", "rows.jsonl"], {"metrics": ["full_F"]}),
        (
            ["--metrics", "full_F", "cogr", "rows.jsonl", "--metrics", "full_P"],
            {"metrics": ["full_F", "cogr", "full_P"]},
        ),
        (["--score-types", "xv", "EMScore(X,X*)", "rows.jsonl"], {"score_types": ["xv", "EMScore(X,X*)"]}),
        (["--against-chance", "rows.jsonl"], {"against_chance": "true"}),
        (["--against-chance", "cogr", "rows.jsonl"], {"against_chance": "cogr"}),
        (["--cogr-weight", "-1", "--", "rows.jsonl"], {"cogr_weight": -1.0}),
    ],
)
def test_no_option_swallows_the_rows(folder, words, read):
    line = ["score", "emscore", "--out", "o.csv", *words]
    options = vars(_parser(line).parse_args(line))
    assert options["rows"] in (["rows.jsonl"], ["rows.json"])
    assert {name: options[name] for name in read} == read


def test_names_of_scores_are_values_whatever_letters_they_have():
    line = ["meta-eval", "msvd-eval", "DIR", "--score", "EMScore(X,X*)_full_F", "EMScore(X,X*)_cogr"]
    read = _parser(line).parse_args(line)
    assert read.score == ["EMScore(X,X*)_full_F", "EMScore(X,X*)_cogr"]


def test_free_values_end_where_files_begin(folder):
    line = ["score", "video_audio_similarity", "--labels", "a dog barks", "rain", "rows.jsonl", "--out", "o.csv"]
    options = vars(_parser(line).parse_args(line))
    assert (options["labels"], options["rows"]) == (["a dog barks", "rain"], ["rows.jsonl"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["scor"], "vqe: error: COMMAND 'scor' is not known; did you mean 'score'? (help: vqe --help)"),
        (["score", "emscor", "x"], "METRIC 'emscor' is not known; did you mean 'emscore'?"),
        (["score", "emscore", "x", "--frame-nm", "3"], "--frame-nm is no option; did you mean --frame-num?"),
        (["score", "emscore", "x", "--metrics", "ful_F"], "full_R, full_F; did you mean 'full_F'?"),
        (["score", "emscore", "--metrics", "cogr", "ful_F", "x"], "--metrics ('ful_F') must be one of figr_P"),
        (["score", "emscore", "x", "--on-error", "skp"], "raise, warn, skip; did you mean 'skip'?"),
        (["score", "emscore"], "vqe score emscore: error: missing: ROWS (help: vqe score emscore --help)"),
        (["score", "emscore", "x", "--frame-num", "few"], "--frame-num ('few') must be a whole number (help: "),
        (["score", "emscore", "x", "-z"], "-z is no option"),
        (["run", "statu", "x"], "ACTION 'statu' is not known; did you mean 'status'?"),
        (["cache", "inf"], "ACTION ('inf') must be one of info, clear, verify; did you mean 'info'?"),
        (["demo", "more"], "vqe demo: error: 'more' is too much"),
    ],
)
def test_a_wrong_word_gets_one_line_with_the_nearest_right_one(line, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(line)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("use on_error='skip' to score the others", "use --on-error skip to score the others"),
        ("cannot hold with isolate=False: only", "cannot hold with --no-isolate: only"),
        ("use metrics=['cogr', 'full_F'], or", "use --metrics cogr full_F, or"),
        ("`on_error` was 'skip'", "--on-error was 'skip'"),
        ("idf ('x') is no file", "--idf ('x') is no file"),
        ("sampler 'x' and on_error exclude", "--sampler 'x' and --on-error exclude"),
        ("the sampler of idf=files", "the sampler of --idf files"),
        ("no video at 'my on_error.mp4'", "no video at 'my on_error.mp4'"),
        ("use one of all, on_error; did you", "use one of all, on_error; did you"),
        ("clips/on_error.mp4 is damaged", "clips/on_error.mp4 is damaged"),
    ],
)
def test_messages_speak_of_flags(text, spoken):
    assert in_flags(text, FLAGS.items()) == spoken


def test_a_warning_is_one_line_and_said_once(capsys):
    with told_warnings(FLAGS):
        for _ in range(2):
            warnings.warn("rows fail:\n  use on_error='raise'", UserWarning, stacklevel=1)
        warnings.warn("for programmers", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == "vqe: warning: rows fail: use --on-error raise\n"


def test_rows_that_fail_are_warned_of_without_a_line_of_code(folder, capsys):
    (folder / "rows.jsonl").write_text('{"candidate": "a cat", "reference": "a cat"}\n{"candidate": " "}\n')
    line = ["score", "emscore", "rows.jsonl", "--out", "o.csv", "--clip-model-path", "toy", "--on-error", "warn"]
    assert main(line) == 0
    said = capsys.readouterr().err
    assert said.startswith("vqe: warning: rows cannot be scored: empty_caption: row 1: ")
    assert said.count("\n") == 1
