"""Fixtures of the whole suite: both backends, virtual time, the leak check, quiet logs, reproducible examples.

An async test runs on asyncio and on trio, in virtual time; marked ``real_time``, on both in real time. A module
bound to one backend says ``pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)``.
Unless it is told otherwise, every run tries the same schedule and the same generated examples, so that a passing
suite goes on passing. ``GREENROOM_SEED=7 pytest`` explores another schedule and other examples, the same each time.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import hypothesis
import pytest
import structlog

from greenroom.testing import BACKENDS, leak_check, virtual_backend_options

SEED = os.environ.get("GREENROOM_SEED", "")

hypothesis.settings.register_profile("usual", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.register_profile("seeded", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("seeded" if SEED else "usual")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Hand the seed to Hypothesis, which takes its own on the command line alone."""
    if SEED and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = SEED


def pytest_report_header() -> str:
    """Say which schedule and which examples the run explores."""
    usual = "the usual ones (set GREENROOM_SEED to explore others)"
    return f"schedule and examples: {f'GREENROOM_SEED={SEED}' if SEED else usual}"


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each backend, its time virtual unless the test is marked ``real_time``."""
    if request.node.get_closest_marker("real_time"):
        return request.param, {}
    return request.param, virtual_backend_options(request.param, _seed(request.param))


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """No thread, file descriptor, process or actor system outlives its test, the test's fixtures and its loop."""
    with leak_check("thread", "fd", "process", "system"):
        yield


@pytest.fixture
async def no_task_leaks(no_leaks: None) -> AsyncIterator[None]:
    """No task outlives its test and the test's fixtures."""
    async with leak_check("task"):
        yield


@pytest.fixture(autouse=True)
def no_leaks_in_the_loop(request: pytest.FixtureRequest, no_leaks: None) -> None:
    """Have `no_task_leaks` begin before, and so end after, all other fixtures of an async test."""
    # Hypothesis gives each example a loop of its own, which a fixture must not hold open.
    if inspect.iscoroutinefunction(request.function) and not hasattr(request.function, "hypothesis"):
        request.getfixturevalue("no_task_leaks")


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Heed SIGINT, in the programs that tests start too: what a shell runs in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def quiet_logs() -> None:
    """Send structlog's lines through logging: pytest shows them for failing tests alone."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _seed(backend: str) -> int | None:
    # asyncio has a natural order, first in, first out; trio has none and would draw another one in each run.
    if SEED:
        return int(SEED)
    return 0 if backend == "trio" else None
