"""A suite that is broken on purpose: `test_fixtures` runs it, pytest does not collect it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import anyio
import pytest
import structlog

detached: list[asyncio.Task[None]] = []


@pytest.mark.anyio
async def test_virtual() -> None:
    """Passes at once."""
    await anyio.sleep(80_000)
    assert anyio.current_time() == 80_000


@pytest.mark.anyio
@pytest.mark.real_time
async def test_real() -> None:
    """Passes: the machine has been up for longer than nothing."""
    assert anyio.current_time() > 1


@pytest.mark.anyio
async def test_deadlock() -> None:
    """Fails."""
    await anyio.Event().wait()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_task() -> None:
    """Fails when it is over."""
    detached.append(asyncio.create_task(asyncio.sleep(10), name="left behind"))


@pytest.fixture
async def group() -> AsyncIterator[anyio.abc.TaskGroup]:
    """Ends the tasks a test began in it."""
    async with anyio.create_task_group() as group:
        yield group
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_tasks_of_a_fixture(group: anyio.abc.TaskGroup) -> None:
    """Passes."""
    group.start_soon(anyio.sleep_forever)


def test_descriptor() -> None:
    """Fails when it is over."""
    os.pipe()


def test_unclosed() -> None:
    """Fails."""
    socket.socket()


def test_quiet() -> None:
    """Passes."""
    structlog.get_logger().warning("a line nobody needs")


def test_loud() -> None:
    """Fails."""
    structlog.get_logger().warning("a line that explains", answer=42)
    pytest.fail("on purpose")
