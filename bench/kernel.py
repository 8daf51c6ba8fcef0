"""What does the kernel cost beside a bare event loop, and beside its peers?

    .venv/bin/python bench/kernel.py [--json] [--quick] [--alone]

Every figure is CPU time, the median of nine laps in which both sides take turns in one process. ``.floor`` has nothing
of greenroom in it. For messages it is a deque and a future; for a leaf's life a task and an event, six of them for a
tree; for a restart a task that fails and the next one; for a snapshot as many rows copied from as many rows; for memory
a waiting task with a deque. Peers are told and asked in one process with the kernel, in environments of their own;
Erlang's laps and the kernel's alternate. ``--alone`` leaves the peers out. It takes about two minutes, and some more to
install the peers once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _laps import Samples, progress
from _peers import ACTORS, Missing, erlang, measure
from _report import Mark, Report, machine, main

LOOPS = ("asyncio", "uvloop", "trio")
_LAP = Path(__file__).with_name("_kernel_lap.py")
_LAP_SECONDS = 1800

FLOORS = {
    "tell": ((1.75, 1.75, 1.75), 1.2),
    "fan_in": ((1.4, 1.5, 1.4), 1.1),
    "call": ((1.65, 2.05, 1.65), 1.2),
    "callers": ((1.85, 2.1, 1.85), 1.2),
    "leaves": ((4.0, 5.3, 4.0), 2.0),
    "trees": ((4.0, 5.4, 3.8), 2.0),
    "restarts": ((7.6, 9.9, 5.5), 3.0),
    "snapshot": ((10.5, 12.0, 10.5), 4.0),
}
"""How many times the floor's time each must stay within, by loop, and what is worth reaching on all of them.

A faster loop has a lower floor. What must be is a quarter above what was measured, which noise does not reach.
"""
PEERS = tuple(
    Mark(of=key, over=f"{key}.ours", must=must, aim=aim, better="higher")
    for key, must, aim in (
        ("everything-is-an-actor.tell", 2.9, 4.0),
        ("everything-is-an-actor.call", 1.5, 2.0),
        ("pykka.tell", 4.7, 6.0),
        ("pykka.call", 2.0, 4.0),
        ("xoscar.tell", 70.0, 100.0),
        ("xoscar.call", 5.0, 8.0),
        ("erlang.tell", 0.29, 1.0),
        ("erlang.call", 0.12, 0.5),
        ("erlang.leaves", 0.1, 0.5),
        ("erlang.restarts", 1.3, 2.0),
    )
)


def run(*, quick: bool, alone: bool) -> Report:
    """Every loop and every peer, one after another."""
    samples: Samples = {}
    for name in (*LOOPS, "memory"):
        progress(f"the kernel and its floor: {name}")
        samples |= {f"{name}.{key}": values for key, values in lap(name, quick=quick).items()}
    peers: dict[str, str] = {}
    for name, look in contestants().items():
        if alone:
            continue
        progress(f"the kernel and {name}")
        try:
            found, peers[name] = look(quick=quick)
        except Missing as missing:
            peers[name] = f"not measured: {missing}"
        else:
            samples |= {f"{name}.{key}": values for key, values in found.items()}
    return Report(
        name="kernel",
        machine=machine(peers=peers, clock="CPU time of the process", quick=quick),
        samples=samples,
        marks=marks() if alone else (*marks(), *PEERS),
    )


def lap(name: str, *, quick: bool) -> Samples:
    """One event loop's figures, from a process of its own."""
    argv = [sys.executable, str(_LAP), name, *(["--quick"] if quick else [])]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=_LAP_SECONDS, check=True)
    found: Samples = json.loads(done.stdout)
    return found


def contestants() -> dict[str, Callable[..., tuple[Samples, str]]]:
    """What to call for each peer."""
    return {peer.name: partial(measure, peer) for peer in ACTORS} | {"erlang": erlang}


def marks() -> list[Mark]:
    """What the kernel is held against beside its floor."""
    found = [
        Mark(of=f"{loop}.{key}", over=f"{loop}.{key}.floor", must=musts[at], aim=aim)
        for at, loop in enumerate(LOOPS)
        for key, (musts, aim) in FLOORS.items()
    ]
    return [*found, Mark(of="memory.idle.bytes", over="memory.idle.floor.bytes", must=4.5, aim=2.0)]


if __name__ == "__main__":
    main(__doc__, run)
