"""What the benches measure beside greenroom has nothing of greenroom in it, and does not change by itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from _peers import PEERS, Missing, Peer, erlang

BENCH = Path(__file__).resolve().parents[2] / "bench"
FLOORS = sorted(BENCH.glob("_floor_*.py"))
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?P<marker> ;[^\\]*)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def imported(path: Path) -> set[str]:
    """Names of modules that a file imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def reached(path: Path) -> set[str]:
    """What it imports, and what the bench's own modules among that import in turn."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        new = imported(waiting.pop()) - found
        found |= new
        waiting += [BENCH / f"{name}.py" for name in new if (BENCH / f"{name}.py").exists()]
    return found


def locked(peer: Peer) -> Iterator[tuple[str, str, int]]:
    """Name, version and number of hashes of each pin in a peer's lock."""
    name, version, hashes = "", "", 0
    for line in peer.lock.read_text(encoding="utf-8").splitlines():
        if HASH.match(line):
            hashes += 1
            continue
        if name:
            yield name, version, hashes
        found = PIN.match(line)
        assert found, line
        name, version, hashes = found["name"], found["version"], 0
    yield name, version, hashes


@pytest.mark.parametrize("path", FLOORS, ids=lambda path: path.stem)
def test_a_floor_has_nothing_of_greenroom(path: Path) -> None:
    """Neither a floor nor any of the bench's modules that it stands on imports greenroom."""
    assert [name for name in reached(path) if name.partition(".")[0] in ("greenroom", "tests")] == []


def test_there_is_a_floor_for_everything() -> None:
    """Messages, lives, model calls, rollouts, the store and containers have one."""
    names = {path.stem.removeprefix("_floor_") for path in FLOORS}
    assert {"messages", "lives", "http", "engine", "store", "rollouts", "docker"} <= names


def test_greenroom_would_be_found_behind_another_module() -> None:
    """The search goes through the bench's own modules: a peer that meets the kernel is seen to import it."""
    assert "greenroom.kernel" in reached(BENCH / "peers" / "pykka_.py")
    assert "greenroom.kernel" not in imported(BENCH / "peers" / "pykka_.py")


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_is_locked_with_everything_below_it(peer: Peer) -> None:
    """A lock pins the peer's own version, and every package in it has hashes and no address."""
    pins = list(locked(peer))
    assert (peer.name, peer.pin) in [(name, version) for name, version, _ in pins]
    assert [name for name, _, hashes in pins if not hashes] == []
    assert {"anyio", "msgspec"} <= {name for name, _, _ in pins}
    assert "://" not in peer.lock.read_text(encoding="utf-8")


def test_a_machine_without_erlang_is_told_so_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer is named as missing, with the package that brings it, and nothing is guessed."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Missing, match=r"^erl is not installed; on Debian: apt-get install erlang-base$"):
        erlang(quick=True)
