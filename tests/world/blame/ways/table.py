"""The table of cases."""

from __future__ import annotations

import os

import pytest
from _pytest.mark.structures import ParameterSet

from tests.world.blame.case import Case, Ground, Often
from tests.world.blame.seeds import SEED
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


ONE_OF: dict[Ground, int] = {"simulated": 1, "local": 3, "docker": 5}
"""Of so many cases one is played, another one with each seed; real processes and containers take seconds."""


def on(ground: Ground) -> list[ParameterSet]:
    """Parameters ``case`` and ``often`` for what is played there; for everything with ``GREENROOM_BLAME=all``."""
    every = [_parameters(case, often, ground) for case in CASES if ground in case.on for often in case.often]
    one_of = 1 if os.environ.get("GREENROOM_BLAME") == "all" else ONE_OF[ground]
    return every[SEED % one_of :: one_of]


def _parameters(case: Case, often: Often, ground: Ground) -> ParameterSet:
    marks = [pytest.mark.xfail(strict=True, reason=case.wrong)] if case.wrong else []
    if ground == "docker":
        marks.append(pytest.mark.containers if case.of == "sandbox" else pytest.mark.long)
    if case.needs:
        marks.append(pytest.mark.needs(*case.needs))
    return pytest.param(case, often, id=f"{case.of}: {case.name}, {often}", marks=marks)
