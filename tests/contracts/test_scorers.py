"""What every registered scorer promises: rows, statuses, map, tables, the command line and the signature."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import warnings

import datasets
import numpy as np
import pytest
from datasets.fingerprint import Hasher

from tests.alike import assert_alike
from vqe_core import registry
from vqe_core.cli import main
from vqe_core.errors import InputError, InputTypeError, NothingScoredWarning
from vqe_core.samplers import SceneSampler, UniformSampler
from vqe_core.tables import read_signatures, read_table
from vqe_core.toy.clips import make_clip, write_clip

NAMES = registry.names("scorer")
TOY = {"clip_model_path": "toy", "hf_clip": "toy"}
TOY_OF = {"caption_judge": {"judge": "toy"}}  # options of other metrics have the name too


def options_of(name, **options):
    known = {field.name for field in dataclasses.fields(registry.load("scorer", name))}
    toy = {option: value for option, value in TOY.items() if option in known}
    return {**toy, **TOY_OF.get(name, {}), "progress": False, **options}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def make(name):
    kind = registry.load("scorer", name)
    return lambda **options: kind(**options_of(name, **options))


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Three good rows and one whose video is not there, by the kind of input."""
    folder = tmp_path_factory.mktemp("clips")
    clips = [make_clip(seed) for seed in range(3)]
    paths = [str(write_clip(clip, folder / f"{i}.mp4")) for i, clip in enumerate(clips)]
    captions = [clip.captions(2) for clip in clips]
    return {
        "text": [*[texts[0] for texts in captions], "a red circle"],
        "texts": [*captions, ["a circle"]],
        "video": [*paths, str(folder / "nowhere.mp4")],
        "audio": [None] * 4,
        "value": [0, 1, 2, 3],
    }


def inputs_of(scorer, cells, rows=slice(0, 3)):
    return {entry.name: cells[entry.kind][rows] for entry in scorer.inputs}


def table_of(scorer, cells, rows=slice(0, 4)):
    return {getattr(scorer, entry.key): cells[entry.kind][rows] for entry in scorer.inputs if entry.kind != "audio"}


def test_it_is_a_frozen_dataclass_of_options(make, name):
    scorer = make()
    assert scorer.name == name
    assert type(scorer).summary()
    with pytest.raises(dataclasses.FrozenInstanceError):
        scorer.max_frames = 3
    assert len(pickle.dumps(scorer)) < 4000
    assert pickle.loads(pickle.dumps(scorer)) == scorer
    assert make() == scorer and make(max_frames=3) != scorer


def test_it_gives_plain_values_means_and_samples(make, cells):
    scorer = make(per_sample=True)
    result = scorer.compute(**inputs_of(scorer, cells))
    json.dumps(result)  # plain Python values only
    assert result["num_rows"] == 3 and result["num_failed"] == 0
    names = scorer.result_names({entry.name for entry in scorer.inputs})
    for score in (*names.scores, *names.flags):
        assert scorer.writes_score(score)
        assert len(result["samples"][score]) == 3
        known = [value for value in result["samples"][score] if not math.isnan(value)]
        assert result[score] == pytest.approx(sum(known) / len(known) if known else math.nan, nan_ok=True)
    assert result["samples"]["status"] == ["ok"] * 3
    assert result["signature"]["metric"] == scorer.name and result["signature"]["version"]


def test_a_row_alone_is_as_in_any_batch(make, cells):
    scorer = make()
    names = [n for n in scorer.result_names({e.name for e in scorer.inputs}).scores if n != "percentile"]
    together = scorer.score(**inputs_of(scorer, cells))
    for i in range(3):
        alone = scorer.score(**inputs_of(scorer, cells, slice(i, i + 1)))
        assert_alike({n: alone.rows[n][0] for n in names}, {n: together.rows[n][i] for n in names})
        assert alone.signature == together.signature


def test_a_bad_row_costs_itself(make, cells):
    scorer = make(on_error="skip")
    report = scorer.score(**inputs_of(scorer, cells, slice(0, 4)))
    good = scorer.score(**inputs_of(scorer, cells))
    assert report.status == ["ok", "ok", "ok", "not_found"]
    assert "nowhere.mp4" in report.messages[3]
    for score in scorer.result_names({e.name for e in scorer.inputs}).scores:
        assert math.isnan(report.rows[score][3])
        assert_alike(report.rows[score][:3], good.rows[score])
    with pytest.raises(FileNotFoundError, match="row 3: \\[not_found\\]"):
        make().score(**inputs_of(scorer, cells, slice(0, 4)))
    with pytest.warns(UserWarning, match="1 of 4 rows cannot be scored"):
        make(on_error="warn").score(**inputs_of(scorer, cells, slice(0, 4)))
    with pytest.warns(NothingScoredWarning):
        scorer.score(**inputs_of(scorer, cells, slice(3, 4)))


def test_map_gives_the_columns_that_it_promises(make, cells, name):
    scorer = make(on_error="skip")
    rows = datasets.Dataset.from_dict(table_of(scorer, cells))
    before = Hasher.hash(scorer)
    scored = rows.map(scorer, batched=True, features=scorer.features(rows.features))
    assert Hasher.hash(scorer) == before == Hasher.hash(make(on_error="skip"))
    added = {column: feature.dtype for column, feature in scored.features.items() if column not in rows.features}
    assert added == scorer.columns_for(rows.features)
    assert scored["status"][:] == ["ok", "ok", "ok", "not_found"]
    with pytest.raises(InputError, match="already"):
        scored.map(scorer, batched=True)


def test_the_command_scores_a_table_and_signs_it(make, cells, name, tmp_path, capsys):
    scorer = make(on_error="skip")
    table, out = tmp_path / "rows.jsonl", tmp_path / "scores.parquet"
    columns = table_of(scorer, cells)
    table.write_text(
        "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in zip(*columns.values(), strict=True))
    )
    flags = [
        word
        for option, value in options_of(name).items()
        if option in {**TOY, **TOY_OF.get(name, {})}
        for word in (f"--{option.replace('_', '-')}", value)
    ]
    assert main(["score", name, str(table), "--out", str(out), "--on-error", "skip", *flags]) == 0
    assert "4 rows, 1 failed" in capsys.readouterr().out
    written = read_table(out)
    assert written["status"] == ["ok", "ok", "ok", "not_found"]
    given = {entry.name for entry in scorer.inputs if entry.kind != "audio"}
    assert set(scorer.result_names(given).scores) <= set(written)
    assert read_signatures(out)[0]["metric"] == name


def test_a_sampler_is_an_object_or_its_spec(make):
    assert make(sampler="scene:threshold=10") == make(sampler=SceneSampler(threshold=10))
    assert make(sampler=UniformSampler(4)).frame_sampler == make(frame_num=4).frame_sampler
    assert make(sampler="uniform").frame_sampler == make().frame_sampler
    with pytest.raises(InputError, match="sampler and frame_num \\(3\\) exclude each other"):
        make(sampler="middle", frame_num=3)
    with pytest.raises(InputError, match="sampler 'scence' is not known"):
        make(sampler="scence")
    with pytest.raises(InputTypeError, match="the class SceneSampler"):
        make(sampler=SceneSampler)


def test_what_changes_scores_is_in_the_signature(make, cells):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signatures = [
            make(**options).score(**inputs_of(make(), cells)).signature
            for options in ({}, {"sampler": SceneSampler(threshold=10)}, {"max_frames": 2})
        ]
    assert signatures[0] != signatures[1] != signatures[2] != signatures[0]


def test_wrong_options_and_inputs_are_told(make, cells, name):
    for option, value in (("on_error", "stop"), ("max_frames", 0), ("row_timeout", 0), ("cache_dir", 3)):
        with pytest.raises(InputError, match=option):
            make(**{option: value})
    with pytest.raises(InputError, match="status_key and message_key"):
        make(status_key="message")
    required = next(entry for entry in make().inputs if entry.required)
    with pytest.raises(InputError, match=f"{required.name} is empty"):
        make().score(**{required.name: []})
    with pytest.raises(InputError, match=required.key):
        make().score_batch({"other": [1]})


def test_every_float_column_is_float32_in_a_data_set(make, cells):
    scorer = make(on_error="skip")
    columns = scorer(table_of(scorer, cells))
    for score in scorer.result_names({e.name for e in scorer.inputs if e.kind != "audio"}).scores:
        assert columns[score].dtype == np.float32


def test_inputs_are_given_by_name(make, cells):
    """A column without a name would be dropped, or taken for another."""
    columns = list(inputs_of(make(), cells).values())
    for call in (make().compute, make().score):
        with pytest.raises(TypeError):
            call(columns[0])
    with pytest.raises(TypeError):
        make().score(**inputs_of(make(), cells), captions=columns[0])
