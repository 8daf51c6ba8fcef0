"""uvloop as a backend: the cases that are played against OTP, without those that need time to pass."""

from __future__ import annotations

import anyio
import pytest
import uvloop
from hypothesis import given, settings

from greenroom.testing import run_virtual
from tests.oracle import ours
from tests.oracle.model import Case, cases

pytestmark = pytest.mark.real_time


@pytest.fixture(autouse=True, scope="module")
def libuv() -> None:
    """The first loop opens a pipe that stays for the life of the process; it is not a test's leak."""
    uvloop.new_event_loop().close()


def needs_no_time(case: Case) -> bool:
    """Whether nobody in it waits for anything but others."""
    return all(step.verb not in ("wait", "hang") for step in case.script)


@given(case=cases().filter(needs_no_time))
@settings(max_examples=25)
def test_uvloop_goes_the_same_way(case: Case) -> None:
    """Start order, stop order, reasons, results, counts and the set alive are those of asyncio's own event loop."""
    options = {"use_uvloop": True}
    real = anyio.run(ours.run, case, anyio.wait_all_tasks_blocked, backend="asyncio", backend_options=options)
    assert real == run_virtual(ours.run, case)
