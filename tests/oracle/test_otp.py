"""Erlang/OTP as the oracle: the same trees and scripts on its ``supervisor`` and on ours must go the same way."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from greenroom.testing import run_virtual
from tests.oracle import erlang, ours
from tests.oracle.model import Case, cases

CASES = int(os.environ.get("GREENROOM_ORACLE_CASES", "300"))

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.timeout(60 + CASES),
    pytest.mark.long,
    pytest.mark.needs("erl"),
]


@pytest.fixture(scope="module")
def otp() -> Iterator[erlang.Erlang]:
    """A resident Erlang node."""
    with erlang.Erlang() as node:
        yield node


@given(case=cases())
@settings(max_examples=CASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_our_supervisor_does_as_otps(otp: erlang.Erlang, case: Case) -> None:
    """Start order, stop order, reasons, results, counts and the set alive agree, step by step."""
    theirs = otp.run(case)
    for number, (expected, got) in enumerate(zip(theirs, run_virtual(ours.run, case), strict=True)):
        assert got == expected, f"step {number} of {case.term()}"
