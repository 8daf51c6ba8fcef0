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
_LAP_SECONDS = 300

FLOORS = {
    "tell": (1.8, 1.2),
    "fan_in": (1.8, 1.2),
    "call": (1.8, 1.2),
    "callers": (1.8, 1.2),
    "leaves": (4.0, 2.0),
    "trees": (4.0, 2.0),
    "restarts": (7.0, 3.0),
    "snapshot": (10.0, 4.0),
}
"""How many times the floor's time each must stay within, and should come down to."""
PEERS = (
    Mark(of="everything-is-an-actor.tell", over="everything-is-an-actor.tell.ours", must=3, aim=4, better="higher"),
    Mark(of="everything-is-an-actor.call", over="everything-is-an-actor.call.ours", must=1.5, aim=2, better="higher"),
    Mark(of="pykka.tell", over="pykka.tell.ours", must=5, aim=6, better="higher"),
    Mark(of="pykka.call", over="pykka.call.ours", must=2.5, aim=4, better="higher"),
    Mark(of="xoscar.tell", over="xoscar.tell.ours", must=50, aim=100, better="higher"),
    Mark(of="xoscar.call", over="xoscar.call.ours", must=5, aim=8, better="higher"),
    Mark(of="erlang.tell", over="erlang.tell.ours", must=0.4, aim=1, better="higher"),
    Mark(of="erlang.call", over="erlang.call.ours", must=0.15, aim=0.5, better="higher"),
    Mark(of="erlang.leaves", over="erlang.leaves.ours", must=0.1, aim=0.5, better="higher"),
    Mark(of="erlang.restarts", over="erlang.restarts.ours", must=1, aim=2, better="higher"),
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
        Mark(of=f"{loop}.{key}", over=f"{loop}.{key}.floor", must=must, aim=aim)
        for loop in LOOPS
        for key, (must, aim) in FLOORS.items()
    ]
    return [*found, Mark(of="memory.idle.bytes", over="memory.idle.floor.bytes", must=5.0, aim=2.0)]


if __name__ == "__main__":
    main(__doc__, run)
