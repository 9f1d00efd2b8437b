"""What CI promised to have is never skipped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import gpu, required

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("ask", "switch"),
    [
        (lambda: required.required_package("no_such_package"), required.SWITCH),
        (lambda: required.required_program("no-such-program"), required.SWITCH),
        (lambda: required.absent("something"), required.SWITCH),
        (lambda: gpu.required_gpu_package("no_such_package"), gpu.SWITCH),
    ],
)
def test_what_is_absent_is_skipped_by_name_and_fails_where_it_was_promised(ask, switch, monkeypatch):
    monkeypatch.delenv(switch, raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no_such_package|no-such-program|something"):
        ask()
    monkeypatch.setenv(switch, "1")
    with pytest.raises(pytest.fail.Exception, match=f"{switch}=1 says it must be there"):
        ask()


def test_no_test_skips_over_an_absent_package_by_itself():
    skips = re.compile(r"importorskip\(|pytest\.skip\([^)]*(import|install)")
    found = [str(path) for path in HERE.rglob("*.py") if path != Path(__file__) and skips.search(path.read_text())]
    assert found == []
