"""The table of cases."""

from __future__ import annotations

import pytest
from _pytest.mark.structures import ParameterSet

from tests.world.blame.case import Case, Ground, Often
from tests.world.blame.ways import agent, engine, model, sandbox, store, time

CASES: tuple[Case, ...] = (
    *sandbox.CASES,
    *model.CASES,
    *store.CASES,
    *engine.CASES,
    *time.CASES,
    *agent.CASES,
)


def on(ground: Ground) -> list[ParameterSet]:
    """Parameters ``case`` and ``often`` for all that is played there."""
    return [_parameters(case, often) for case in CASES if ground in case.on for often in case.often]


def _parameters(case: Case, often: Often) -> ParameterSet:
    marks = [pytest.mark.xfail(strict=True, reason=case.wrong)] if case.wrong else []
    return pytest.param(case, often, id=f"{case.of}: {case.name}, {often}", marks=marks)
