"""What does a model call cost that passes through us, beside one that does not, and beside our peers?

    .venv/bin/python bench/interception.py [--json] [--quick] [--alone]

CPU time of the server's process for each completion, the best of two rounds: from the first byte of the request to
the turn that is recorded, through the mailbox its rollout has in an engine. Agents and a model server that thinks of
nothing are processes of their own, on loopback. Calls come in waves: none is answered before all of them are held at
once. Connections are made, and warmed, before. ``upstream`` asks for the exact tokens, 4,500 and more for each prompt;
``plain`` asks for none, as verifiers does; ``gate`` is answered by a thread with a loop of its own, ``desk`` rollout by
rollout in the server's. Under ``restless`` Python's garbage collector is as
Python has it; an engine tells it to come less often. Latencies are medians.
``--quick`` is for a look. ``--alone`` leaves the peers out. It takes about four minutes, and some more to install the
peers once.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

from _interception_child import HERE, Child
from _interception_rig import KINDS, Rig, Sizes
from _peers import Missing, Peer
from _report import Report, Row, Target, machine, number, print_targets, seconds, table

PEERS = (
    Peer("openenv", "0.10.0", "openenv_capture.py"),
    Peer("verifiers", "0.4.0", "verifiers_interception.py"),
)
MAIN = ("upstream", "gate")
CROWD = 64
"""From here on there is only what has a target."""
IDLE = ("registered", "waiting")
DIALECTS = ("responses", "anthropic", "google")
MILLI, MEGA = 1e-3, 1e6
_EXPORT_SECONDS = 120


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object with every figure, as the last line")
    parser.add_argument("--quick", action="store_true", help="few calls, few at once, rough figures")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    options = parser.parse_args()
    report = run(quick=options.quick, alone=options.alone)
    show(report)
    if options.json:
        print(report.as_json())


def run(*, quick: bool, alone: bool) -> Report:
    """Everything, one after another."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sizes = Sizes(quick=quick)
    with ExitStack() as stack:
        rig = Rig(stack, sizes)
        peers, servers = found_peers(rig) if not alone else ({}, {})
        ours = rig.ours()
        for turn in range(sizes.rounds):
            for held in sizes.calls:
                for name, why in side_by_side(rig, held, ours, servers if turn == 0 else {}):
                    peers[name] += why
                    servers = servers if not why else {one: servers[one] for one in servers if one != name}
        for dialect in DIALECTS:
            for kind in KINDS:
                rig.measure(f"gate.{dialect}", ours, CROWD, kind, sizes.calls[CROWD], dialect)
        if not quick:
            restlessly(rig)
        rig.idle()
        metrics = rig.metrics | export(quick=quick)
    ratios = ratios_of(metrics)
    return Report(
        name="interception",
        machine=machine(peers=peers, clock="CPU time of the server's process", quick=quick),
        metrics=metrics,
        ratios=ratios,
        targets=targets(metrics, ratios),
    )


def found_peers(rig: Rig) -> tuple[dict[str, str], dict[str, Child]]:
    """What each peer is, or why there is none, and those there are."""
    what: dict[str, str] = {}
    servers: dict[str, Child] = {}
    for peer in PEERS:
        try:
            servers[peer.name] = rig.peer(peer)
            what[peer.name] = peer.pin
        except Missing as missing:
            what[peer.name] = f"not measured: {missing}"
    return what, servers


def side_by_side(rig: Rig, held: int, ours: Child, peers: dict[str, Child]) -> Iterator[tuple[str, str]]:
    """Everybody with so many calls at once, one after another; the peers that did not manage, and why."""
    for kind in KINDS:
        if held == 1:
            rig.direct(kind)
            rig.measure("desk", ours, held, kind, rig.sizes.calls[held])
        for name in (*MAIN, "plain") if held <= CROWD else MAIN:
            rig.measure(name, ours, held, kind, rig.sizes.calls[held])
        for name, server in peers.items() if held <= CROWD or kind == "whole" else ():
            yield name, rig.try_peer(name, server, held, kind, rig.sizes.peer_calls[held])


def restlessly(rig: Rig) -> None:
    """As many calls at once as there are, with Python's collector as it is."""
    restless, held = rig.ours("restless"), max(rig.sizes.calls)
    for name in MAIN:
        for kind in KINDS:
            rig.measure(f"{name}.restless", restless, held, kind, rig.sizes.calls[held])


def export(*, quick: bool) -> dict[str, float]:
    """Figures of long sessions, from a process of its own."""
    argv = [sys.executable, str(HERE / "_interception_export.py"), *(["--quick"] if quick else [])]
    env = {"PYTHONPATH": str(HERE.parent / "src")}
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=_EXPORT_SECONDS, check=True, env=env)
    found: dict[str, float] = json.loads(done.stdout)
    return {f"turns.{key}": value for key, value in found.items()}


def ratios_of(metrics: dict[str, float]) -> dict[str, float]:
    """One figure over another: flatness, growth, and what peers take of what we take."""
    found: dict[str, float] = {}
    most = max(int(key.split(".")[-2]) for key in metrics if key.startswith("gate.whole."))
    for name in (*MAIN, *(f"{name}.restless" for name in MAIN)):
        for kind in KINDS:
            many, one = metrics.get(f"{name}.{kind}.{most}.cpu"), metrics[f"{name.partition('.')[0]}.{kind}.1.cpu"]
            if many is not None:
                found[f"{name}.{kind}.{most}_over_1"] = many / one
    turns = numbers_of_turns(metrics)
    for what in ("export", "exported_bytes", "held_bytes"):
        last, first = metrics[f"turns.{turns[-1]}.{what}"], metrics[f"turns.{turns[0]}.{what}"]
        found[f"turns.{what}.{turns[-1]}_over_{turns[0]}"] = last / first
    for name in IDLE:
        found[f"{name}.among_over_alone"] = metrics[f"{name}.among"] / metrics[f"{name}.alone"]
    return found | dict(peers_over_ours(metrics))


def peers_over_ours(metrics: dict[str, float]) -> Iterator[tuple[str, float]]:
    """Each peer beside what does the same: OpenEnv's asks for tokens, that of verifiers does not."""
    for peer, equal in (("openenv", "upstream"), ("verifiers", "plain")):
        for key, value in metrics.items():
            name, _, rest = key.partition(".")
            ours = metrics.get(f"{equal}.{rest}", metrics.get(f"upstream.{rest}"))
            if name == peer and ours:
                yield key, value / ours


def numbers_of_turns(metrics: dict[str, float]) -> list[int]:
    return sorted({int(key.split(".")[1]) for key in metrics if key.startswith("turns.")})


def targets(metrics: dict[str, float], ratios: dict[str, float]) -> list[Target]:
    """What the figures are held against."""

    def most(key: str, value: float | None, must: float | None, aim: float | None = None) -> Target:
        return Target(key=key, value=value, must=must, aim=aim, better="lower")

    found: list[Target] = []
    for key, value in metrics.items():
        if key.endswith(".cpu") and key.split(".")[0] in MAIN and ".restless." not in key:
            found.append(most(f"{key}_ms", value / MILLI, 1.0, 0.5))
    found += [most(key, value, 1.5, 1.2) for key, value in ratios.items() if key.endswith(".2000_over_1")]
    for name in MAIN:
        for kind in KINDS:
            more = metrics[f"{name}.{kind}.1.latency"] - metrics[f"direct.{kind}.1.latency"]
            found.append(most(f"{name}.{kind}.1.added_ms", more / MILLI, 2.0, 1.0))
    for name, must in (("registered", 100.0), ("waiting", None)):
        found += [
            most(f"{name}.10000_MB", metrics[f"{name}.bytes"] * 10_000 / MEGA, must, 50.0 if must else 100.0),
            most(f"{name}.cpu", metrics[f"{name}.cpu"], 0.001),
            most(f"{name}.among_over_alone", ratios[f"{name}.among_over_alone"], 1.25, 1.1),
        ]
    found += [most(key, value, 1.5, 1.2) for key, value in ratios.items() if key.startswith("turns.")]
    for key, value in ratios.items():
        if key.endswith(".cpu"):
            found.append(Target(key=key, value=value, must=1.0, aim=4.0, better="higher"))
    return found


def show(report: Report) -> None:
    """Tables for people."""
    metrics = report.metrics
    print(f"{report.machine['cpu']}, {report.machine['cores']} cores, Python {report.machine['python']}")
    for name, what in report.machine["peers"].items():
        print(f"{name}: {what}")
    show_calls(metrics)
    table(
        "idle rollouts",
        ("bytes each", "CPU", "latency of one among them", "and alone"),
        [
            Row(
                title=name,
                cells=(
                    number(metrics[f"{name}.bytes"]),
                    f"{number(100 * metrics[f'{name}.cpu'])} %",
                    seconds(metrics[f"{name}.among"]),
                    seconds(metrics[f"{name}.alone"]),
                ),
            )
            for name in IDLE
        ],
    )
    show_turns(metrics)
    print_targets(report.targets)
    missed = [target.key for target in report.targets if not target.met]
    print(
        f"\n{len(report.targets) - len(missed)} of {len(report.targets)} met"
        + (f"; not {', '.join(missed)}" if missed else "")
    )


def show_calls(metrics: dict[str, float]) -> None:
    """CPU by the number of calls at once, and latency one by one."""
    keys = [key.rsplit(".", 3) for key in metrics if key.count(".") >= 3]
    held = sorted({int(key[2]) for key in keys})
    names = list(dict.fromkeys(key[0] for key in keys))
    cpu: list[Row] = []
    latency: list[Row] = []
    for name in names:
        for kind in KINDS:
            cells = tuple(cell(metrics, f"{name}.{kind}.{at}.cpu") for at in held)
            if any(cells):
                cpu.append(Row(title=f"{name}, {kind}", cells=cells))
        cells = tuple(cell(metrics, f"{name}.{kind}.1.latency") for kind in KINDS)
        if any(cells):
            latency.append(Row(title=name, cells=cells))
    table("CPU for each completion, by calls held", tuple(f"{at:,}" for at in held), cpu)
    table("one call at a time, latency", tuple(KINDS), latency)


def cell(metrics: dict[str, float], key: str) -> str:
    value = metrics.get(key)
    return "" if value is None else seconds(value)


def show_turns(metrics: dict[str, float]) -> None:
    """What one turn takes in sessions of various lengths."""
    rows = [
        Row(
            title=f"{at}",
            cells=(
                seconds(metrics[f"turns.{at}.export"]),
                number(metrics[f"turns.{at}.exported_bytes"]),
                number(metrics[f"turns.{at}.held_bytes"]),
            ),
        )
        for at in numbers_of_turns(metrics)
    ]
    table("turns of a session", ("to export one", "bytes of it", "bytes in memory"), rows)


if __name__ == "__main__":
    main()
