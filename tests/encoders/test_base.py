"""Embeddings of different spaces are refused by name."""

import pytest

from vqe_core.encoders.base import check_same_space
from vqe_core.errors import ModelError


def test_one_space_passes():
    check_same_space("a@1", "a@1")


def test_different_spaces_are_refused_by_name_with_a_way_out():
    with pytest.raises(ModelError) as raised:
        check_same_space("openai/clip@c1", "laion/clap@c2")
    assert raised.value.code == "different_spaces"
    for part in ("'openai/clip@c1'", "'laion/clap@c2'", "'tags' or 'description'", "facebook/pe-av"):
        assert part in str(raised.value)
