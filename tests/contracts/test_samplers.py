"""What every registered sampler promises, on any table."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings

from tests.samplers.tables import table, tables
from vqe_core import registry
from vqe_core.errors import InputError
from vqe_core.samplers import FrameSampler, sampler_spec

NAMES = registry.names("sampler")


@pytest.fixture(params=NAMES)
def sampler(request):
    return registry.load("sampler", request.param)()


def check(sampler, frames):
    before = frames.timestamps.copy()
    positions = sampler.select(frames)
    assert positions.dtype == np.int64
    assert positions.ndim == 1 and len(positions) >= 1
    assert positions.min() >= 0 and positions.max() < len(frames)
    assert np.all(np.diff(positions) >= 0)
    np.testing.assert_array_equal(frames.timestamps, before)
    np.testing.assert_array_equal(sampler.select(frames), positions)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(frames=tables())
def test_positions_are_sorted_and_inside_the_table(name, frames):
    check(registry.load("sampler", name)(), frames)


@pytest.mark.parametrize("times", [[0.0], [-2.5], [-0.5, -0.4, 0.3], [7.0, 7.0, 7.0], [1e6, 1e6 + 0.04]])
def test_short_and_shifted_tables(sampler, times):
    check(sampler, table(times, differences=np.zeros(len(times))))


def test_it_is_a_frozen_dataclass_with_a_name(sampler):
    assert isinstance(sampler, FrameSampler)
    assert dataclasses.is_dataclass(sampler)
    assert sampler.name in NAMES
    assert pickle.loads(pickle.dumps(sampler)) == sampler
    assert hash(sampler) == hash(type(sampler)())
    for field in dataclasses.fields(sampler):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(sampler, field.name, 1)


def test_its_spec_makes_it_again(sampler):
    spec = sampler_spec(sampler)
    assert registry.load("sampler", spec.pop("name"))(**spec) == sampler


def test_options_are_checked(sampler):
    for field in dataclasses.fields(sampler):
        for value in (0, -1, True, None, "2", float("nan"), float("inf")):
            with pytest.raises(InputError, match=field.name):
                type(sampler)(**{field.name: value})


def test_an_empty_table_is_refused(sampler):
    empty = dataclasses.replace(
        table([0.0]), timestamps=np.empty(0), is_keyframe=np.empty(0, dtype=bool), indices=np.empty(0, dtype=int)
    )
    with pytest.raises(InputError, match="empty"):
        sampler.select(empty)
