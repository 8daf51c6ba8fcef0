"""What does the kernel cost beside a bare event loop, and beside its peers?

    .venv/bin/python bench/kernel.py [--json] [--quick] [--alone]

Every figure is CPU time, the best of five rounds; in each round the contestants take turns in one process. ``x raw`` is
bare metal's time over ours: 1.0 is as fast as a deque and a future with nothing around them. ``--quick`` is for a look:
two short rounds. ``--alone`` leaves the peers out. It takes about two minutes, and some more to install the peers once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _peers import PEERS, Missing, erlang, measure
from _report import Report, Row, Target, machine, number, print_targets, seconds, table

LOOPS = ("asyncio", "uvloop", "trio")
_LAP = Path(__file__).with_name("_lap.py")
_LAP_SECONDS = 300

MESSAGES = {
    "tell": "cast, one to one",
    "fan_in": "cast, 1000 senders to one",
    "call": "call with a deadline, one to one",
    "callers": "call with a deadline, 1000 callers",
}
LIVES = {
    "leaves": "supervised leaf, start to stop",
    "trees": "rollout's tree of 6, up and down",
    "restarts": "crash to new instance ready",
    "snapshot": "snapshot of 10,000 actors",
}
MICRO, MILLI = 1e-6, 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object with every figure, as the last line")
    parser.add_argument("--quick", action="store_true", help="short rounds, rough figures")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    options = parser.parse_args()
    report = run(quick=options.quick, alone=options.alone)
    show(report)
    if options.json:
        print(report.as_json())


def run(*, quick: bool, alone: bool) -> Report:
    """Every lap and every peer, one after another."""
    metrics: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for name in (*LOOPS, "memory"):
        for key, value in lap(name, quick=quick).items():
            into = ratios if key.endswith("_ratio") else metrics
            into[f"{name}.{key.removesuffix('_ratio')}"] = value
    peers: dict[str, str] = {}
    if not alone:
        for name, look in contestants().items():
            peers[name] = side_by_side(name, partial(look, quick=quick), metrics, ratios)
    return Report(
        name="kernel",
        machine=machine(peers=peers, clock="CPU time of the process", quick=quick),
        metrics=metrics,
        ratios=ratios,
        targets=targets(metrics, ratios),
    )


def lap(name: str, *, quick: bool) -> dict[str, float]:
    """One event loop's figures, from a process of its own."""
    argv = [sys.executable, str(_LAP), name, *(["--quick"] if quick else [])]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=_LAP_SECONDS, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


Look = Callable[..., tuple[dict[str, float], str]]


def contestants() -> dict[str, Look]:
    """What to call for each peer."""
    return {peer.name: partial(measure, peer) for peer in PEERS} | {"erlang": erlang}


def side_by_side(name: str, look: Look, metrics: dict[str, float], ratios: dict[str, float]) -> str:
    """Measure a peer, and tell what it was, or why there is none."""
    try:
        found, what = look()
    except Missing as missing:
        return f"not measured: {missing}"
    for key, value in found.items():
        into = ratios if key.endswith("_ratio") else metrics
        into[f"{name}.{key.removesuffix('_ratio')}"] = value
    if name == "erlang":
        for key in found:
            ratios[f"erlang.{key}"] = found[key] / metrics[f"asyncio.{key}"]
    return what


def targets(metrics: dict[str, float], ratios: dict[str, float]) -> list[Target]:
    """What the figures are held against."""

    def least(key: str, must: float | None, aim: float | None) -> Target:
        return Target(key=key, value=ratios.get(key), must=must, aim=aim, better="higher")

    def most(key: str, unit: float, suffix: str, must: float, aim: float) -> Target:
        value = metrics.get(key)
        value = None if value is None else value / unit
        return Target(key=f"{key}_{suffix}", value=value, must=must, aim=aim, better="lower")

    found: list[Target] = []
    for loop in LOOPS:
        found += [least(f"{loop}.{key}", 0.65 if key == "call" else 0.6, 0.85) for key in MESSAGES]
    for loop, leaf, restart in (("asyncio", 35, 100), ("trio", 80, 200)):
        found += [
            most(f"{loop}.leaves", MICRO, "us", leaf, 20),
            most(f"{loop}.trees", MICRO, "us", 300, 150),
            most(f"{loop}.restarts", MICRO, "us", restart, 60),
            most(f"{loop}.snapshot", MILLI, "ms", 25, 10),
        ]
    idle = [key for key in metrics if key.startswith("memory.idle_")]
    found += [most(key, 1000, "kB", 5, 3) for key in idle]
    found += [
        least("everything-is-an-actor.tell", 3, None),
        least("everything-is-an-actor.call", 1.5, None),
        least("pykka.tell", 5, None),
        least("xoscar.tell", 50, None),
        least("erlang.restarts", None, 1),
    ]
    return found


def show(report: Report) -> None:
    """Tables for people."""
    metrics, ratios = report.metrics, report.ratios
    print(f"{report.machine['cpu']}, {report.machine['cores']} cores, Python {report.machine['python']}; CPU time")
    table(
        "message",
        tuple(text for loop in LOOPS for text in (loop, "x raw")),
        [
            Row(
                title=title,
                cells=tuple(
                    text
                    for loop in LOOPS
                    for text in (seconds(metrics[f"{loop}.{key}"]), number(ratios[f"{loop}.{key}"]))
                ),
            )
            for key, title in MESSAGES.items()
        ],
    )
    table(
        "supervision",
        LOOPS,
        [
            Row(title=title, cells=tuple(seconds(metrics[f"{loop}.{key}"]) for loop in LOOPS))
            for key, title in LIVES.items()
        ],
    )
    table(
        "memory, resident",
        ("bytes each",),
        [
            Row(title=f"{int(key.rpartition('_')[2]):,} idle actors", cells=(number(value),))
            for key, value in metrics.items()
            if key.startswith("memory.")
        ],
    )
    show_peers(report)
    print_targets(report.targets)
    missed = [target.key for target in report.targets if not target.met]
    print(
        f"\n{len(report.targets) - len(missed)} of {len(report.targets)} met"
        + (f"; not {', '.join(missed)}" if missed else "")
    )


def show_peers(report: Report) -> None:
    """How many times the kernel's time a peer takes."""
    peers: dict[str, str] = report.machine["peers"]
    keys = ("tell", "call", "leaves", "restarts")

    def cell(name: str, key: str) -> str:
        value = report.metrics.get(f"{name}.{key}")
        return "" if value is None else f"{seconds(value)} ({number(report.ratios[f'{name}.{key}'])} x ours)"

    rows = [Row(title=f"{name} ({what})", cells=tuple(cell(name, key) for key in keys)) for name, what in peers.items()]
    if rows:
        table("peer", keys, rows)


if __name__ == "__main__":
    main()
