"""Files of captioning people: told by structure, read into the columns of a metric, refused with what is in them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from vqe_core.cli import main
from vqe_core.errors import InputError, MissingPackageError
from vqe_core.run import finish_run, score_run
from vqe_core.run.layouts import CaptionRows, caption_rows
from vqe_core.tables import Columns, read_table
from vqe_core.toy.clips import make_clip, write_clip

KEYS = {role: {"video": "video_path"}.get(role, role) for role in ("video", "candidate", "reference")}
NAMES = ("clip_a", "clip_b")
DOCS = [{"video_name": f"{name}.mp4", "caption": ["a dot", name]} for name in NAMES]
LMMS = [{"doc_id": i, "doc": doc, "target": "t", "filtered_resps": [[f"r{i}"]]} for i, doc in enumerate(DOCS)]
RESULTS = [{"image_id": i, "caption": f"r{i}"} for i in range(2)]
COCO = {
    "images": [{"id": i, "file_name": f"{name}.mp4"} for i, name in enumerate(NAMES)],
    "annotations": [{"id": 9, "image_id": i, "caption": f"c{i}{k}"} for i in range(2) for k in range(2)],
}
MSRVTT = {
    "info": {},
    "videos": [{"video_id": name} for name in NAMES],
    "sentences": [{"video_id": name, "sen_id": k, "caption": f"{name} {k}"} for name in NAMES for k in range(2)],
}
VATEX = [{"videoID": name, "enCap": [f"{name} 0", f"{name} 1"], "chCap": []} for name in NAMES]
VLMEVAL = "index\tvideo\tquestion\tanswer\tprediction\n0\tclip_a\twhat?\ta0\tr0\n1\tclip_b\twhat?\ta1\tr1\n"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    (folder / "deeper").mkdir()
    write_clip(make_clip(0), folder / "clip_a.mp4")
    write_clip(make_clip(1), folder / "deeper" / "clip_b.mp4")
    return folder


def saved(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, content)))
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return path


def read(path: Path, *, keys: dict[str, str] = KEYS, **beside: Any) -> tuple[CaptionRows, Columns]:
    rows = caption_rows([path], str(path.parent), keys, **beside)
    assert rows is not None
    found: Columns = {}
    for batch in rows.batches(1):  # a row at a time, so that batches are joined too
        for name, values in batch.items():
            found.setdefault(name, []).extend(values)
    return rows, found


@pytest.mark.parametrize(
    ("name", "content", "what", "candidates", "references"),
    [
        ("a.jsonl", LMMS, "a log of lmms-eval", ["r0", "r1"], [["a dot", "clip_a"], ["a dot", "clip_b"]]),
        ("a.json", {"args": {}, "logs": LMMS}, "a log of lmms-eval", ["r0", "r1"], [["a dot", n] for n in NAMES]),
        ("a.json", MSRVTT, "MSR-VTT", ["clip_a 0", "clip_a 1", "clip_b 0", "clip_b 1"], None),
        ("a.json", VATEX, "VATEX", ["clip_a 0", "clip_a 1", "clip_b 0", "clip_b 1"], None),
        ("a.json", COCO, "annotations of COCO", ["c00", "c01", "c10", "c11"], None),
        ("a.tsv", VLMEVAL, "a table of VLMEvalKit", ["r0", "r1"], ["a0", "a1"]),
    ],
)
def test_each_structure_is_told_whatever_the_name(tmp_path, clips, name, content, what, candidates, references):
    rows, found = read(saved(tmp_path, name, content), videos_dir=clips)
    assert rows.layout.what == what
    assert found["candidate"] == candidates
    assert found.get("reference") == references
    names = [Path(path).stem for path in found["video_path"]]
    assert names == [name for name in NAMES for _ in range(len(candidates) // 2)]
    assert all(Path(path).is_file() for path in found["video_path"])
    assert rows.num_rows == len(candidates)


@pytest.mark.parametrize(
    ("results", "beside", "references"),
    [
        (RESULTS, COCO, [["c00", "c01"], ["c10", "c11"]]),
        ([{"video_id": n, "caption": n} for n in NAMES], MSRVTT, [[f"{n} 0", f"{n} 1"] for n in NAMES]),
        ([{"video_id": n, "caption": n} for n in NAMES], VATEX, [[f"{n} 0", f"{n} 1"] for n in NAMES]),
    ],
)
def test_results_meet_their_references_by_id_and_their_videos_by_name(tmp_path, clips, results, beside, references):
    file = saved(tmp_path, "beside.json", beside)
    _, found = read(saved(tmp_path, "results.json", results), videos_dir=clips, references=file)
    assert found["reference"] == references
    assert [Path(path).stem for path in found["video_path"]] == list(NAMES)


def test_a_table_like_any_other_is_joined_too(tmp_path, clips):
    table = saved(tmp_path, "rows.csv", "video_id,candidate\nclip_a,a dog\nclip_b,a cat\n")
    truth = saved(tmp_path, "truth.jsonl", [{"id": n, "reference": f"{n} itself"} for n in NAMES])
    rows, found = read(table, videos_dir=clips, references=truth)
    assert rows.layout.what == "a table"
    assert (found["candidate"], found["reference"]) == (["a dog", "a cat"], [["clip_a itself"], ["clip_b itself"]])
    assert caption_rows([table], str(tmp_path), KEYS) is None


def test_columns_that_options_name_are_read_as_they_are(tmp_path, clips):
    _, found = read(saved(tmp_path, "a.jsonl", LMMS), keys={"video": "video_path"}, videos_dir=clips)
    assert found["target"] == ["t", "t"]
    assert {"candidate", "reference"}.isdisjoint(found)


def test_ids_are_no_videos_where_no_folder_is_named(tmp_path, caplog):
    with caplog.at_level("INFO", "vqe_core.run.layouts"):
        _, found = read(saved(tmp_path, "a.json", MSRVTT))
    assert "video_path" not in found
    assert caplog.messages == [
        "a.json is MSR-VTT: candidate from caption, no videos (video_id names them; --videos-dir says where they are)"
    ]


@pytest.mark.parametrize(
    ("name", "content", "beside", "words"),
    [
        ("a.json", {"foo": 1, "bar": []}, None, "holds an object with foo, bar; rows are a list, or annotations"),
        (
            "a.jsonl",
            [{"doc_id": 1, "doc": {}, "filtered_resps": [[-1.5, False]]}],
            None,
            "among doc_id, filtered_resps",
        ),
        ("a.json", RESULTS, [{"videoID": "v", "enCap": ["a"]}], r"ids \(image_id\) are such as '0', .* such as 'v'"),
        ("a.json", RESULTS, [{"id": 1, "score": 2}], "needs ids and captions; its rows have id, score"),
        ("a.csv", "text\na\n", COCO, r"has no column that tells its videos \(video_path, .* there are text"),
    ],
)
def test_a_wrong_guess_is_refused_with_what_is_there(tmp_path, name, content, beside, words):
    path = saved(tmp_path, name, content)
    references = None if beside is None else saved(tmp_path, "beside.json", beside)
    with pytest.raises(InputError, match=words):
        caption_rows([path], str(tmp_path), KEYS, references=references)


@pytest.mark.skipif(importlib.util.find_spec("openpyxl") is not None, reason="openpyxl is installed")
def test_spreadsheets_ask_for_their_package(tmp_path):
    with pytest.raises(MissingPackageError, match="needs openpyxl: pip install openpyxl; or save it as csv"):
        read_table(saved(tmp_path, "a.xlsx", "PK"))


@pytest.mark.skipif(importlib.util.find_spec("openpyxl") is None, reason="openpyxl is not installed")
def test_spreadsheets_are_read_where_their_package_is(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for line in VLMEVAL.splitlines():
        book.active.append(line.split("\t"))
    book.save(tmp_path / "a.xlsx")
    _, found = read(tmp_path / "a.xlsx")
    assert (found["candidate"], found["reference"]) == (["r0", "r1"], ["a0", "a1"])


def test_the_command_scores_a_log_and_says_what_it_took_for_what(tmp_path, clips, capsys, monkeypatch):
    monkeypatch.chdir(clips.parent)
    line = ["score", "emscore", str(saved(tmp_path, "log.jsonl", LMMS)), "--videos-dir", str(clips)]
    assert main([*line, "--out", str(tmp_path / "s.csv"), "--clip-model-path", "toy"]) == 0
    assert capsys.readouterr().err == (
        f"vqe: log.jsonl is a log of lmms-eval: video_path from doc.video_name in {clips.name}, candidate from "
        "filtered_resps, reference from doc.caption\n"
    )
    scored = read_table(tmp_path / "s.csv")
    assert scored["status"] == ["ok", "ok"]
    assert scored["doc.video_name"] == ["clip_a.mp4", "clip_b.mp4"]
    assert (
        main([*line, "-q", "--candidate-key", "foo", "--out", str(tmp_path / "t.csv"), "--clip-model-path", "toy"]) == 1
    )
    assert "--candidate-key ('foo') is no column; there are doc_id, target, " in capsys.readouterr().err


def test_a_run_of_results_is_finished_with_the_same_references(tmp_path, clips):
    given: dict[str, Any] = {"clip_model_path": "toy", "videos_dir": clips, "rows_per_part": 1}
    rows, truth = saved(tmp_path, "results.json", RESULTS), saved(tmp_path, "truth.json", COCO)
    for shard in ("0/2", "1/2"):
        score_run(rows, tmp_path / "run", references=truth, shard=shard, **given)
    merged = finish_run(tmp_path / "run", tmp_path / "merged.jsonl")
    assert "EMScore(X,V,X*)_full_F" in merged.scores and merged.num_failed == 0
    saved(tmp_path, "truth.json", {**COCO, "info": "another"})
    with pytest.raises(InputError, match="has changed since the run began"):
        score_run(rows, tmp_path / "run", references=truth, **given)
