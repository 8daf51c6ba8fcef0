"""A fast test stays on this machine, and starts nothing that not every machine has: if it does otherwise, it fails.

What the programs do that a test starts is not seen; the gate runs the fast tests on a machine that has nothing.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import sys
from collections.abc import Callable, Generator, Mapping
from functools import cache
from typing import Any, Final

import pytest

from tests.plugins.needs import FAST
from tests.plugins.tiers import tier_of

PROGRAMS: Final = ("docker", "dockerd", "erl", "erlc", "node", "npm", "npx")
_trespasses: list[str] | None = None


def pytest_configure() -> None:
    """Watch this process from now on: what watches cannot be taken away again."""
    _watch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a fast test that went out of bounds, whatever it made of the error."""
    global _trespasses  # noqa: PLW0603 - the interpreter has one audit hook for all
    outer: list[str] | None = _trespasses
    found: list[str] | None = [] if tier_of(item) == FAST else None
    _trespasses = found
    try:
        result = yield
        if found:
            pytest.fail(f"a fast test {', and '.join(found)}", pytrace=False)
    finally:
        _trespasses = outer
    return result


@cache
def _watch() -> None:
    sys.addaudithook(_audit)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _trespasses is None or event not in _LOOK:
        return
    if trespass := _LOOK[event](args):
        _trespasses.append(trespass)
        raise PermissionError(f"a fast test {trespass}")


def _connected(args: tuple[Any, ...]) -> str:
    address: tuple[Any, ...] | str = args[1]
    return f"connected to {address[0]}" if isinstance(address, tuple) and not _is_here(str(address[0])) else ""


def _resolved(args: tuple[Any, ...]) -> str:
    host = os.fsdecode(args[0] or "")
    return "" if _is_here(host) else f"looked up {host}"


def _started(args: tuple[Any, ...]) -> str:
    program = os.fsdecode(args[0]) if args[0] else ""
    return f"started {program}" if os.path.realpath(shutil.which(program) or program) in _programs() else ""


def _is_here(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host in {"", "localhost"} or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


@cache
def _programs() -> frozenset[str]:
    return frozenset(os.path.realpath(path) for name in PROGRAMS if (path := shutil.which(name)))


_LOOK: Final[Mapping[str, Callable[[tuple[Any, ...]], str]]] = {
    "socket.connect": _connected,
    "socket.getaddrinfo": _resolved,
    "subprocess.Popen": _started,
    "os.posix_spawn": _started,
    "os.exec": _started,
}
