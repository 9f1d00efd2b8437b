"""Errors cross processes as they are."""

import copy
import pickle
import traceback
import weakref

import numpy as np
import pytest

from vqe_core import errors
from vqe_core.errors import MediaError, VqeError
from vqe_core.media.video.reader import TableMismatchError


def every_error():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, VqeError)]
    return [kind("'x.mp4' breaks a rule") for kind in kinds] + [TableMismatchError.at(1.5, "x.mp4")]


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


def test_an_internal_error_keeps_the_traceback_as_text_and_nothing_that_it_held():
    big = np.zeros(1_000_000, np.uint8)
    gone = weakref.ref(big)

    def fails(frames):
        return frames.no_such_method()

    found = errors.attempt(fails, big)
    assert isinstance(found, errors.InternalError)
    del big
    assert gone() is None
    assert "in fails" in found.trace and "AttributeError" in found.trace
    again = pickle.loads(pickle.dumps(found))
    assert again.trace == found.trace
    with pytest.raises(errors.InternalError) as caught:
        raise again.with_trace()
    assert "in fails" in "".join(traceback.format_exception(caught.type, caught.value, caught.tb))


def test_errors_raised_on_purpose_stay_as_they_are_and_memory_is_no_fault_of_the_code():
    missing = errors.MediaNotFoundError("no video")
    assert errors.row_error(missing) is missing
    assert errors.row_error(MemoryError()).code == "out_of_memory"
    assert errors.row_error(OSError(5, "I/O")).code == "internal_error"  # those of files are told apart where files are
