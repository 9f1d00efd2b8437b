"""Where open-dataflow is absent, everything imports, and making an operator tells what to install."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from types import SimpleNamespace

import pytest

from vqe_core import EMScore
from vqe_core.errors import MissingPackageError
from vqe_core.integrations import dataflow
from vqe_core.integrations.dataflow.score_operator import INSTALL, frame_columns, tells_of_parts
from vqe_core.scorers.video_audio.options import VideoAudioOptions

WITHOUT = "import sys; sys.modules['dataflow'] = None\n"  # as where it is not installed


@pytest.mark.parametrize("use", ["EMScoreEval()", "VideoAudioSimilarity()", "register()"])
def test_what_to_install_is_told_at_use_and_not_on_import(use):
    code = f"""{WITHOUT}
from vqe_core.integrations.dataflow import *
try:
    {use}
except ImportError as error:
    print(type(error).__name__, error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout.startswith("MissingPackageError DataFlow operators need the package open-dataflow"), ran.stderr
    assert INSTALL in ran.stdout
    assert "--no-deps open-dataflow" in INSTALL


def test_a_missing_package_is_an_import_error():
    assert issubclass(MissingPackageError, ImportError)


@pytest.mark.parametrize(
    ("operator", "options"),
    [(dataflow.EMScoreEval, EMScore), (dataflow.VideoAudioSimilarity, VideoAudioOptions)],
)
def test_the_signature_shows_every_option_of_the_scorer_that_a_run_does_not_name(operator, options):
    shown = inspect.signature(operator).parameters
    in_run = inspect.signature(operator.run).parameters
    absent = {
        name
        for name in (field.name for field in dataclasses.fields(options))
        if name not in shown and name not in in_run
    }
    assert absent == {"per_sample"}


def test_cells_of_nested_columns_are_read_and_others_left():
    import numpy as np
    import pandas

    frame = pandas.DataFrame({"references": ['["a", "b"]', "[sic] a", None], "caption": ["[1, 2]", "{}", "x"]})
    columns = frame_columns(frame, ("references", None))
    assert columns["references"][:2] == [["a", "b"], "[sic] a"]
    assert columns["caption"] == ["[1, 2]", "{}", "x"]
    lists = pandas.DataFrame({"videos": [np.array(["a.mp4", "b.mp4"], dtype=object)]})
    assert frame_columns(lists, ("videos",))["videos"] == [["a.mp4", "b.mp4"]]


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"page_size": 10, "page_num": 0}, "page_size=10"),
        ({"page_size": None, "page_num": 1}, ""),
        ({"pageSize": 5}, "pageSize=5"),
        ({"PAGE_ROWS": 5}, "PAGE_ROWS=5"),
        ({"chunk_rows": 100}, "chunk_rows=100"),
        ({"rows_per_batch": 7}, "rows_per_batch=7"),
        ({"limit": 100, "offset": 0}, "limit=100"),
        ({"limit": 0}, ""),
        ({"stream": True}, "stream=True"),
        ({"stream": False}, ""),
        ({"partition": 3}, "partition=3"),
        ({"next_page": lambda: None}, "next_page"),
        ({"shard_index": 2}, "shard_index"),
        ({"batch_size": -1}, ""),
        ({"cache_path": "x", "operator_step": 1, "first_entry_file_name": "rows.jsonl", "logger": None}, ""),
        ({"_page_size": 3, "record_count": 5, "table": "parties"}, ""),
    ],
)
def test_a_storage_tells_of_its_parts_under_any_name(attributes, told):
    found = tells_of_parts(SimpleNamespace(**attributes))
    assert found == told
