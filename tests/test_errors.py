"""Errors cross processes as they are."""

import copy
import pickle

import pytest

from vqe_core import errors
from vqe_core.errors import MediaError, VqeError
from vqe_core.media.reader import TableMismatchError


def every_error():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, VqeError)]
    return [kind("'x.mp4' breaks a rule") for kind in kinds] + [TableMismatchError("x.mp4", 1.5)]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("copied", [lambda error: pickle.loads(pickle.dumps(error)), copy.deepcopy])
def test_every_error_survives_a_copy(error, copied):
    again = copied(error)
    assert type(again) is type(error)
    assert (str(again), again.code, again.args) == (str(error), error.code, error.args)
    with pytest.raises(type(error)):
        raise again


def test_the_code_of_one_error_survives_and_its_class_keeps_its_own():
    again = pickle.loads(pickle.dumps(MediaError("too large", code="too_large")))
    assert (again.code, MediaError.code) == ("too_large", "decode_error")
