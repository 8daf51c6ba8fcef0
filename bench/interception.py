"""What does a model call cost that passes through us, beside a bare server, and beside our peers?

    .venv/bin/python bench/interception.py [--json] [--quick] [--alone]

CPU time of the server's process for each completion, the median of laps in which all servers take turns: from the first
byte of the request to the turn that is recorded, through the mailbox its rollout has in an engine. The number in a name
is that of the calls held at once: none is answered before all of them are there. Agents and a model server that thinks
of nothing are processes of their own, on loopback; connections are made, and warmed, before.

``gate`` is answered by a thread with a loop of its own; ``gate.floor`` is a bare aiohttp server that reads the same
bytes and answers the same bytes. ``upstream`` asks for the exact tokens, 4,500 and more for each prompt;
``upstream.floor`` is a bare aiohttp server that forwards with a bare aiohttp client, the same bytes on all sides.
``plain`` asks for no tokens, as verifiers does. ``restless`` is the gate with Python's garbage collector as Python has
it; an engine tells it to come less often. ``.latency`` is the least of a lap, for information: it is no CPU time.
``registered`` are idle rollouts as an engine has them, ``waiting`` those with a task at the desk of each; ``among`` is
a call of one beside ten thousand of them. ``turns`` is a session's export, by its length: it should not matter.

``--alone`` leaves the peers out. It takes about five minutes, and some more to install the peers once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

from _child import HERE, ChildError
from _interception_idle import Sizes as IdleSizes
from _interception_idle import idle
from _interception_lane import KINDS, Lane, Upstream, raise_file_limit
from _laps import Samples, progress
from _peers import OPENENV, VERIFIERS, Missing, environment
from _report import Mark, Report, machine, main

PEERS = (OPENENV, VERIFIERS)
EQUALS = {"openenv": "upstream", "verifiers": "plain"}
"""What does the same as each peer."""
MAIN = ("gate", "upstream")
DIALECTS = ("responses", "anthropic", "google")
CROWD = 64
"""From here on there is only what has a floor."""
_EXPORT_SECONDS = 1800
FLOORS = {"gate": (14.5, 2.0), "upstream": (8.5, 1.5)}
"""How many times the floor's CPU time each must stay within, and what is worth reaching."""
SOLITARY = {"gate": (18.0, 2.0), "upstream": (8.5, 1.5)}
"""The same for one call at a time, which other work on the machine finds with cold caches."""


class Sizes:
    """Laps and calls over each connection in a lap, by the number of calls held at once."""

    def __init__(self, *, quick: bool) -> None:
        self.laps = {1: 3, 64: 3} if quick else {1: 7, 64: 7, 512: 5, 2000: 3}
        self.calls = {1: 128, 64: 4, 512: 1, 2000: 1}


class Bench:
    """The lanes, and what was found out about them."""

    def __init__(self, stack: ExitStack, sizes: Sizes) -> None:
        self.samples: Samples = {}
        self.peers: dict[str, str] = {}
        self._stack, self._sizes = stack, sizes
        self.upstream = Upstream(stack)
        self._lanes: dict[str, Lane] = {}
        for name in MAIN:  # whoever is compared comes one after the other
            self._lanes[f"{name}.floor"] = Lane.floor(stack, self.upstream.url)
            self._lanes[name] = Lane.ours(stack, self.upstream.url, name)
        self._lanes |= {name: Lane.ours(stack, self.upstream.url, name) for name in ("desk", "plain")}

    def invite(self) -> None:
        """The peers that can be had."""
        for peer in PEERS:
            try:
                python = environment(peer)
                lane = Lane(self._stack, self.upstream.url, python, HERE / "peers" / peer.script, self.upstream.url)
                lane.open(count=1)
                self._lanes[peer.name], self.peers[peer.name] = lane, peer.pin
            except (Missing, ChildError) as error:
                self.peers[peer.name] = f"not measured: {error}"

    def calls(self) -> None:
        """Both kinds of reply, by the number of calls that are held."""
        for held in self._sizes.laps:
            names = [name for name in self._lanes if name.removesuffix(".floor") in MAIN or held <= CROWD]
            names = [name for name in names if name != "desk" or held == 1]
            for kind in KINDS:
                self._side_by_side(names, held, kind)

    def dialects(self) -> None:
        """The gate in each."""
        for dialect in DIALECTS:
            for kind in KINDS:
                self._side_by_side(["gate.floor", "gate"], CROWD, kind, dialect)

    def restless(self) -> None:
        """As many calls at once as there are, with Python's collector as it is."""
        held = max(self._sizes.laps)
        self._lanes["restless"] = Lane.ours(self._stack, self.upstream.url, "gate", "restless")
        self._side_by_side(["restless"], held, "whole")

    def _side_by_side(self, names: list[str], held: int, kind: str, dialect: str = "chat") -> None:
        progress(f"{held} at once, {kind}, {dialect}: {', '.join(names)}")
        self._learn(kind, dialect)
        self.upstream.wave(held)
        rest = ".".join((*([dialect] if dialect != "chat" else []), kind, str(held)))
        present = [name for name in names if self._tried(name, rest, lambda lane: lane.enter(held, kind, dialect))]
        for _ in range(self._sizes.laps[held]):
            present = [name for name in present if self._tried(name, rest, partial(self._lap, f"{name}.{rest}", held))]
        for name in present:
            self._tried(name, rest, Lane.leave)

    def _lap(self, key: str, held: int, lane: Lane) -> None:
        cpu, latency = lane.lap(self._sizes.calls[held])
        self.samples.setdefault(key, []).append(cpu)
        if held == 1:
            self.samples.setdefault(f"{key}.latency", []).append(latency)

    def _tried(self, name: str, rest: str, work: Callable[[Lane], None]) -> bool:
        """Whether it went well. A peer that fails is out from there on; whatever else fails is an error."""
        try:
            work(self._lanes[name])
        except ChildError as error:
            if name not in self.peers:
                raise
            self.peers[name] += f"; not {rest}, and nothing after it: {error}"
            for key in (f"{name}.{rest}", f"{name}.{rest}.latency"):
                self.samples.pop(key, None)
            del self._lanes[name]
            return False
        return True

    def _learn(self, kind: str, dialect: str) -> None:
        """Have the floors do what ours do."""
        self.upstream.wave(1)
        for name in MAIN:
            answers = self._lanes[name].learn(kind, dialect)
            self._lanes[f"{name}.floor"].teach(answers, self.upstream.asked() if name == "upstream" else [])


def run(*, quick: bool, alone: bool) -> Report:
    """Everything, one after another."""
    raise_file_limit()
    with ExitStack() as stack:
        bench = Bench(stack, Sizes(quick=quick))
        if not alone:
            bench.invite()
        bench.calls()
        bench.dialects()
        if not quick:
            bench.restless()
        samples = bench.samples
        for name, model in (("registered", "gate"), ("waiting", "desk")):
            progress(f"idle rollouts, {name}")
            samples |= idle(bench.upstream.url, name, IdleSizes(quick=quick), model)
    progress("sessions of many turns")
    samples |= export(quick=quick)
    return Report(
        name="interception",
        machine=machine(peers=bench.peers, clock="CPU time of the server's process", quick=quick),
        samples=samples,
        marks=[*marks(samples), *([] if alone else peer_marks(samples))],
    )


def export(*, quick: bool) -> Samples:
    """Figures of long sessions, from a process of its own."""
    argv = [sys.executable, str(HERE / "_interception_export.py"), *(["--quick"] if quick else [])]
    env = {"PYTHONPATH": str(HERE.parent / "src")}
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=_EXPORT_SECONDS, check=True, env=env)
    found: Samples = json.loads(done.stdout)
    return {f"turns.{key}": values for key, values in found.items()}


def marks(samples: Mapping[str, object]) -> list[Mark]:
    """What ours is held against beside its floor, and what idle rollouts and long sessions are."""
    found: list[Mark] = [*OTHERS]
    for key in samples:
        name, _, rest = key.partition(".")
        floor = f"{name}.floor.{rest}"
        if floor in samples and not rest.endswith(".latency"):
            must, aim = (SOLITARY if rest.endswith(".1") else FLOORS)[name]
            found.append(Mark(of=key, over=floor, must=must, aim=aim))
    return found


def peer_marks(samples: Mapping[str, object]) -> list[Mark]:
    """Each peer beside what does the same: OpenEnv asks for tokens, verifiers does not."""
    return [
        Mark(of=f"{peer}.{rest}", over=f"{ours}.{rest}", must=2.5, aim=4.0, better="higher")
        for peer, ours in EQUALS.items()
        for rest in (f"{kind}.{held}" for kind in KINDS for held in (1, CROWD))
        if f"{ours}.{rest}" in samples
    ]


OTHERS = (
    Mark(of="registered.bytes", must=10_500, aim=5_000),
    Mark(of="registered.each_second.wakeups", must=50, aim=1),
    Mark(of="registered.among", over="registered.alone", must=1.4, aim=1.1),
    Mark(of="waiting.bytes", must=15_000, aim=10_000),
    Mark(of="waiting.each_second.wakeups", must=50, aim=1),
    Mark(of="waiting.among", over="waiting.alone", must=1.4, aim=1.1),
    Mark(of="turns.400.export", over="turns.50.export", must=1.75, aim=1.2),
    Mark(of="turns.400.exported.bytes", over="turns.50.exported.bytes", must=1.2, aim=1.0),
    Mark(of="turns.400.held.bytes", over="turns.50.held.bytes", must=1.2, aim=1.0),
)


if __name__ == "__main__":
    main(__doc__, run)
