"""The ``vqe`` command as a user types it."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clips import write_clip
from vqe_core import registry
from vqe_core.cli import _parser, main
from vqe_core.tables import read_table

VQE = str(Path(sys.executable).parent / "vqe")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Three rows, the last with a missing video; media paths relative to the table."""
    (tmp_path / "media").mkdir()
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    write_clip(tmp_path / "media" / "a.mp4", frames)
    table = [
        {"id": 1, "clip": "media/a.mp4", "text": "a cat", "truth": ["a cat", "the cat"], "other": {"kept": [1]}},
        {"id": 2, "clip": "media/a.mp4", "text": "a dog", "truth": "the dog", "other": None},
        {"id": 3, "clip": "media/none.mp4", "text": "a man", "truth": None, "other": None},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in table))
    return path


def keys(folder: str) -> list[str]:
    return ["--clip-model-path", folder, "--video-key", "clip", "--candidate-key", "text", "--reference-key", "truth"]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_score_keeps_every_column_and_adds_scores_status_and_message(rows, clip_folder, capsys, suffix):
    out = rows.with_name(f"scores{suffix}")
    arguments = ["score", "emscore", str(rows), "--out", str(out), *keys(clip_folder), "--on-error", "skip"]
    assert main([*arguments, "--every-n-frames", "2", "--return-all-frames", "--idf"]) == 0
    table = read_table(out)
    assert list(table)[:5] == ["id", "clip", "text", "truth", "other"]
    assert table["status"] == ["ok", "ok", "not_found"]
    assert table["message"][2].startswith("no video file at")
    assert table["EMScore(X,V)_full_F"][2] is None
    details = table["frame_details"][0]
    assert len(json.loads(details) if isinstance(details, str) else details) == 3
    assert "3 rows, 1 failed; written to" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_score_video_audio_similarity(tmp_path, suffix):
    from vqe_core.toy.clips import make_clip, write_clip

    for seed in (0, 1):
        write_clip(make_clip(seed), tmp_path / f"{seed}.mp4")
    table = tmp_path / "rows.jsonl"
    rows = [{"clip": "0.mp4", "sound": None}, {"clip": "0.mp4", "sound": "1.mp4"}, {"clip": "0.mp4", "sound": "no.wav"}]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / f"scores{suffix}"
    columns = ["--video-key", "clip", "--audio-key", "sound", "--hf-clip", "toy", "--method", "tags"]
    options = [*columns, "--on-error", "skip", "--min-score", "-1", "--return-profile"]
    assert main(["score", "video_audio_similarity", str(table), "--out", str(out), *options]) == 0
    scored = read_table(out)
    assert scored["status"] == ["ok", "ok", "not_found"]
    own, other = (float(value) for value in scored["similarity"][:2])
    assert own != other
    tags = scored["tags"][0]
    assert (json.loads(tags) if isinstance(tags, str) else tags)[0]["weight"] > 0


def test_an_error_names_the_row_and_writes_nothing(rows, clip_folder, capsys):
    out = rows.with_name("scores.jsonl")
    arguments = ["score", "emscore", str(rows), "--out", str(out), *keys(clip_folder)]
    assert main([*arguments, "--on-error", "raise"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("vqe: error: 1 of 3 rows cannot be scored:\n  row 2: [not_found] no video file at")
    assert "or use --on-error skip to score the others" in captured.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--out", "scores.txt"], "must end in one of"),
        (["--candidate-key", "caption"], "--candidate-key ('caption') is no column; there are id, clip, text"),
        (["--every-n-seconds", "1", "--every-n-frames", "1"], "exclude each other"),
        (["--start-key", "from"], "--start-key ('from') is no column"),
    ],
)
def test_wrong_options_are_told_plainly(rows, clip_folder, capsys, change, words):
    out = ["--out", str(rows.with_name("scores.jsonl"))]
    assert main(["score", "emscore", str(rows), *out, *keys(clip_folder), *change]) == 1
    assert words in capsys.readouterr().err


def test_a_table_that_is_scored_already_is_refused_before_the_work(rows, clip_folder, capsys):
    out = rows.with_name("scores.jsonl")
    arguments = [*keys(clip_folder), "--on-error", "skip"]
    assert main(["score", "emscore", str(rows), "--out", str(out), *arguments]) == 0
    assert main(["score", "emscore", str(out), "--out", str(out.with_suffix(".csv")), *arguments]) == 1
    assert "has columns ['EMScore(X,V)_figr_P'" in capsys.readouterr().err


@pytest.mark.parametrize("name", registry.names("scorer"))
def test_every_option_of_the_metric_has_a_flag(name):
    line = ["score", name, "rows.jsonl", "--out", "o.csv"]
    parser = _parser(line)
    given: dict[str, Any] = vars(parser.parse_args(line))
    # What is not given keeps the scorer's default.
    shown = {"format", "quiet", "verbose", "fail_on_errors", "all", "failures"}
    assert set(given) == {
        "rows",
        "out",
        "metric",
        "command",
        "debug",
        *shown,
    }  # what is not given keeps the scorer's default
    fields = [f for f in dataclasses.fields(registry.load("scorer", name)) if not f.metadata.get("python_only")]
    assert len(fields) > 20
    choices = {action.dest: action.choices for action in parser.leaf(line)._actions}
    for field in fields:
        flag = "--" + field.name.replace("_", "-")
        value = [] if "bool" in str(field.type) else [(choices[field.name] or ["1"])[0]]
        assert field.name in vars(parser.parse_args([*line, flag, *value]))


@pytest.mark.parametrize("name", registry.names("scorer"))
def test_help_names_the_components_that_there_are(name, capsys):
    with pytest.raises(SystemExit):
        main(["score", name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for kind in ("sampler", "reader"):
        assert all(component in text for component in registry.names(kind))
    assert "{" not in text


def test_a_list_of_one_kind_tells_what_each_component_takes(capsys):
    assert main(["list", "sampler"]) == 0
    assert "scene:threshold=" in capsys.readouterr().out
    assert main(["list", "nothing"]) == 1
    assert "KIND ('nothing') must be one of sampler, reader" in capsys.readouterr().err


def many_rows(folder: Path, count: int) -> Path:
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    for number in range(count):
        write_clip(folder / f"{number}.mp4", frames)
    table = folder / "rows.jsonl"
    rows = [{"clip": f"{number}.mp4", "text": "a cat", "truth": None} for number in range(count)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return table


def plant(monkeypatch: pytest.MonkeyPatch, hit: str) -> list[str]:
    """Let the reader make a mistake on files whose name holds ``hit``; the names of those that it was given."""
    from vqe_core.media.video import pyav_reader

    real, seen = pyav_reader.open_stream, list[str]()

    def mistaken(source: Any, limits: Any) -> Any:
        seen.append(source.name)
        return real(source, limits, metadata="") if hit in source.name else real(source, limits)

    monkeypatch.setattr(pyav_reader, "open_stream", mistaken)
    return seen


@pytest.mark.parametrize("on_error", ["skip", "warn", "raise"])
def test_a_mistake_in_the_reader_ends_the_run_with_its_traceback(tmp_path, clip_folder, capsys, monkeypatch, on_error):
    table, out = many_rows(tmp_path, 60), tmp_path / "scores.jsonl"
    seen = plant(monkeypatch, "mp4")
    arguments = ["score", "emscore", str(table), "--out", str(out), *keys(clip_folder), "--on-error", on_error]
    assert main([*arguments, "--no-isolate", "--no-cache"]) == 1
    told = capsys.readouterr().err
    assert "in mistaken" in told and "unexpected keyword argument 'metadata'" in told
    assert "decode_error" not in told
    assert told.count("Traceback") == 1
    assert "stopped: the first 20 rows or videos all failed" in told
    assert len(set(seen)) < 40  # not all sixty
    assert not out.exists()


def test_few_rows_that_all_meet_a_mistake_end_with_its_traceback_too(tmp_path, clip_folder, capsys, monkeypatch):
    table, out = many_rows(tmp_path, 3), tmp_path / "scores.jsonl"
    plant(monkeypatch, "mp4")
    arguments = ["score", "emscore", str(table), "--out", str(out), *keys(clip_folder), "--on-error", "skip"]
    assert main([*arguments, "--no-isolate", "--no-cache"]) == 1
    told = capsys.readouterr().err
    assert "in mistaken" in told
    assert "no row was scored, of 3" in told
    assert read_table(out)["status"] == ["internal_error"] * 3


@pytest.mark.parametrize("debug", [False, True])
def test_a_mistake_on_one_file_of_many_costs_its_row(tmp_path, clip_folder, monkeypatch, capsys, caplog, debug):
    table, out = many_rows(tmp_path, 6), tmp_path / "scores.jsonl"
    (tmp_path / "5.mp4").write_bytes((tmp_path / "5.mp4").read_bytes()[:700])  # a damaged file is damaged still
    plant(monkeypatch, "3.mp4")
    arguments = ["score", "emscore", str(table), "--out", str(out), *keys(clip_folder), "--on-error", "skip"]
    assert main([*arguments, "--no-isolate", "--no-cache", *(["--debug"] if debug else [])]) == 0
    scored = read_table(out)
    assert scored["status"] == ["ok"] * 3 + ["internal_error", "ok", "decode_error"]
    assert scored["message"][3].startswith("TypeError: ") and "This is a fault of vqe" in scored["message"][3]
    shown = capsys.readouterr()
    assert "  internal_error: row 3: TypeError: " in shown.out
    assert "  decode_error: row 5: " in shown.out
    assert ("in mistaken" in caplog.text) == debug
    assert debug or shown.err == ""


@pytest.mark.parametrize("on_error", ["skip", "warn"])
def test_a_run_that_scores_nothing_says_so_first_and_fails(rows, clip_folder, capsys, on_error):
    lines = rows.read_text().replace("a.mp4", "gone.mp4").splitlines()
    rows.write_text("\n".join([*lines, json.dumps({"id": 4, "clip": "media/a.mp4", "text": " ", "truth": None})]))
    out = rows.with_name("scores.jsonl")
    arguments = ["score", "emscore", str(rows), "--out", str(out), *keys(clip_folder), "--on-error", on_error]
    assert main([*arguments, "--score-types", "EMScore(X,V)"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""  # no means of nothing
    first, *others = shown.err.splitlines()
    assert first == f"vqe: error: no row was scored, of 4; {out} says why, row by row"
    assert others[0].startswith("  not_found: 3 rows, for example row 0: no video file at")
    assert others[1].startswith("  empty_caption: row 3: predictions (' ')")
    assert read_table(out)["status"] == ["not_found"] * 3 + ["empty_caption"]


def test_one_reason_for_every_row_is_said_once(tmp_path, clip_folder, capsys):
    table = tmp_path / "rows.jsonl"
    table.write_text((json.dumps({"clip": "gone.mp4", "text": "a cat", "truth": None}) + "\n") * 20)
    arguments = ["score", "emscore", str(table), "--out", str(tmp_path / "o.csv"), *keys(clip_folder)]
    assert main([*arguments, "--on-error", "skip"]) == 1
    assert capsys.readouterr().err.count("no video file at") == 1


def test_list_names_the_components(capsys):
    assert main(["list"]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert {name.rstrip("s").replace(" ", "_") for name in lines} == set(registry.kinds())
    for kind in registry.kinds():
        assert lines[kind.replace("_", " ") + "s"].split() == list(registry.names(kind))


def test_lists_and_the_cache_come_as_json_too(tmp_path, capsys):
    def told(*line: str) -> Any:
        assert main([*line, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert told("list")["sampler"] == list(registry.names("sampler"))
    assert {"name": "scene", "options": ["threshold"]}.items() <= told("list", "sampler")[-2].items()
    assert told("cache", "info", "--cache-dir", str(tmp_path))["entries"] == 0


def test_help_and_version_answer():
    for arguments in (["--help"], ["score", "emscore", "--help"], ["--version"]):
        assert subprocess.run([VQE, *arguments], capture_output=True, check=True).stdout


def test_bars_on_a_terminal_only(rows, clip_folder):
    out = str(rows.with_name("scores.jsonl"))
    command = [VQE, "score", "emscore", str(rows), "--out", out, *keys(clip_folder), "--on-error", "skip"]
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    assert piped.stderr == ""
    shown = subprocess.run([*command, "--progress"], capture_output=True, text=True, check=True)
    assert "3/3" in shown.stderr and "not_found=1" in shown.stderr


def test_a_reader_that_goes_away_is_no_traceback():
    ran = subprocess.run(f"{VQE} list | head -0", shell=True, capture_output=True, text=True)
    assert "Traceback" not in ran.stderr


def test_ctrl_c_ends_cleanly(clip_folder, tmp_path):
    frames = np.zeros((2500, 64, 64, 3), np.uint8)
    write_clip(tmp_path / "long.mp4", frames)
    table = tmp_path / "long.jsonl"
    rows = [{"clip": "long.mp4", "text": f"a {i}", "from": i, "truth": None} for i in range(60)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "scores.jsonl"
    sampling = ["--frame-sampling-method", "all", "--max-frames", "2500", "--start-key", "from"]
    options = [*keys(clip_folder), *sampling, "--progress"]
    process = subprocess.Popen(
        [VQE, "score", "emscore", str(table), "--out", str(out), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        # A runner in the background ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    while b"0/60" not in (shown := os.read(process.stderr.fileno(), 4096)):
        assert shown, "ended before it began to decode"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"vqe: interrupted; 0 of 60 rows are done and kept, and the same command goes on" in errors
    assert b"Traceback" not in errors
    assert not out.exists()


def test_without_a_home_folder_nothing_is_cached_and_a_warning_says_so(rows, clip_folder, capsys, monkeypatch):
    monkeypatch.delenv("VQE_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    monkeypatch.delenv("HOME", raising=False)

    def homeless(_: int) -> None:
        raise KeyError("uid not found")  # what the system says of a user without an entry

    monkeypatch.setattr(pwd, "getpwuid", homeless)
    arguments = ["score", "emscore", str(rows), "--out", str(rows.with_name("o.csv")), *keys(clip_folder)]
    assert main([*arguments, "--on-error", "skip"]) == 0
    assert "vqe: warning: nothing is cached: no folder for the cache" in capsys.readouterr().err


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.jsonl"
    path.write_text('{"candidate": "a cat", "reference": "a cat"}\n')
    return path


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["list"], ["score", "emscore", "{rows}", "--out", "{out}"]])
def test_a_full_disk_under_the_output_of_the_command_is_one_line(captions, tmp_path, arguments):
    out = tmp_path / "scores.csv"
    line = [word.format(rows=captions, out=out) for word in arguments]
    more = ["--clip-model-path", "toy", "--no-cache"] if "score" in line else []
    with open("/dev/full", "w") as full:
        ran = subprocess.run([VQE, *line, *more], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ran.returncode, ran.stderr) == (1, "vqe: error: the output: No space left on device\n")
    assert out.exists() is ("score" in line)  # the table was written before


def test_a_closed_output_is_no_error(captions, tmp_path):
    command = f"{VQE} score emscore {captions} --out {tmp_path / 'o.csv'} --clip-model-path toy --no-cache >&-"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert read_table(tmp_path / "o.csv")["status"] == ["ok"]


def test_names_that_are_no_unicode_are_printed_as_escapes(captions, tmp_path):
    out = os.fsencode(tmp_path) + b"/scores \xe9\xff.csv"
    options = ["--clip-model-path", "toy", "--no-cache"]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run([VQE, "score", "emscore", str(captions), "--out", out, *options], capture_output=True, env=env)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"scores \\udce9\\udcff.csv" in ran.stdout
    assert os.path.exists(out)


@pytest.mark.parametrize("folder", ["captions.jsonl", "captions.jsonl/cache", "x" * 300, "/proc/none"])
def test_a_cache_that_cannot_be_costs_no_score_and_no_traceback(captions, tmp_path, capsys, folder):
    options = ["--clip-model-path", "toy", "--cache-dir", str(tmp_path / folder)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        status = main(["score", "emscore", str(captions), "--out", str(tmp_path / "o.csv"), *options])
    said = capsys.readouterr().err
    if os.path.isfile(tmp_path / folder):
        assert (status, "is a file; give a folder" in said) == (1, True)
    else:
        assert (status, read_table(tmp_path / "o.csv")["status"]) == (0, ["ok"])
    assert main(["cache", "info", "--cache-dir", str(tmp_path / folder)]) == int(os.path.isfile(tmp_path / folder))


def test_the_module_is_the_command(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "vqe_core", "cache", "info", "--cache-dir", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ": 0 entries, " in ran.stdout
