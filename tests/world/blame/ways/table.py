"""The table of cases."""

from __future__ import annotations

import pytest
from _pytest.mark.structures import ParameterSet

from tests.world.blame.case import Case, Ground, Often
from tests.world.blame.ways import agent, container, engine, machine, model, sandbox, server, store, time

CASES: tuple[Case, ...] = (
    *sandbox.CASES,
    *machine.CASES,
    *container.CASES,
    *model.CASES,
    *server.CASES,
    *store.CASES,
    *engine.CASES,
    *time.CASES,
    *agent.CASES,
)


def on(ground: Ground) -> list[ParameterSet]:
    """Parameters ``case`` and ``often`` for all that is played there."""
    return [_parameters(case, often, ground) for case in CASES if ground in case.on for often in case.often]


def _parameters(case: Case, often: Often, ground: Ground) -> ParameterSet:
    marks = [pytest.mark.xfail(strict=True, reason=case.wrong)] if case.wrong else []
    if ground == "docker":
        marks.append(pytest.mark.containers if case.of == "sandbox" else pytest.mark.long)
    if case.needs:
        marks.append(pytest.mark.needs(*case.needs))
    return pytest.param(case, often, id=f"{case.of}: {case.name}, {often}", marks=marks)
