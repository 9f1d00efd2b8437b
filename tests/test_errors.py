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


def test_an_error_of_a_row_keeps_its_cause_as_text_and_nothing_that_frames_held():
    big, samples = np.zeros(1_000_000, np.uint8), np.zeros(1_000_000, np.float32)
    gone = [weakref.ref(big), weakref.ref(samples)]

    def decode(frames):
        raise OSError(5, "the disk is gone")

    def fails(frames, waveform):
        try:
            decode(frames)
        except OSError as error:
            raise MediaError("cannot be read", code="decode_error") from error

    def fails_beside(frames, waveform):
        try:
            fails(frames, waveform)
        finally:
            {}["missing"]

    found = [errors.attempt(call, big, samples) for call in (fails, fails_beside)]
    del big, samples
    assert [reference() for reference in gone] == [None, None]  # without a collection: there are no cycles
    assert [error.code for error in found] == ["decode_error", "internal_error"]
    assert found[0].__traceback__ is None and found[0].__context__ is None
    with pytest.raises(MediaError) as caught:
        raise found[0]
    told = "".join(traceback.format_exception(caught.type, caught.value, caught.tb))
    assert "the disk is gone" in told and "in decode" in told
    again = errors.attempt(fails_again, found[0])
    assert again is found[0] and again.__traceback__ is None and "in decode" in str(again.__cause__)


def fails_again(error):
    raise error


def test_errors_raised_on_purpose_stay_as_they_are_and_memory_is_no_fault_of_the_code():
    missing = errors.MediaNotFoundError("no video")
    assert errors.row_error(missing) is missing
    assert errors.row_error(MemoryError()).code == "out_of_memory"
    assert errors.row_error(OSError(5, "I/O")).code == "internal_error"  # those of files are told apart where files are
