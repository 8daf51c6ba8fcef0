"""The keeper's program, in every shell an image may have."""

from __future__ import annotations

import subprocess
import time

import pytest

from greenroom.sandboxes.docker import keeper

pytestmark = pytest.mark.real_time

SHELLS = (
    pytest.param(("bash",), marks=pytest.mark.needs("bash"), id="bash"),
    pytest.param(("dash",), marks=pytest.mark.needs("dash"), id="dash"),
    pytest.param(("busybox", "sh"), marks=(pytest.mark.containers, pytest.mark.needs("busybox")), id="busybox-sh"),
)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """One of them."""
    found: tuple[str, ...] = request.param
    return found


def start(shell: tuple[str, ...], tolerance: int, life: int) -> subprocess.Popen[bytes]:
    """A keeper outside of any container."""
    argv = [*shell, "-c", keeper.command(0)[2], "keeper", str(tolerance), str(life)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE)


def end_of(process: subprocess.Popen[bytes]) -> int:
    """Its exit code, as a container would give it."""
    code = process.wait(timeout=20)
    if process.stdin is not None:
        process.stdin.close()
    return code if code >= 0 else 128 - code


def test_its_time(shell: tuple[str, ...]) -> None:
    """It ends when its time is over, however often it is told to go on."""
    process = start(shell, 30, 1)
    assert process.stdin is not None
    process.stdin.write(b"\n" * 100)
    process.stdin.flush()
    assert end_of(process) == keeper.EXPIRED


def test_silence(shell: tuple[str, ...]) -> None:
    """It ends when heartbeats stay away."""
    process = start(shell, 1, 60)
    assert end_of(process) == keeper.DESERTED


def test_the_end_of_the_line(shell: tuple[str, ...]) -> None:
    """It ends at once when its input does."""
    began = time.monotonic()
    process = start(shell, 30, 60)
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    assert end_of(process) == keeper.DESERTED
    assert time.monotonic() - began < 15
