"""What does a rollout cost the process that runs it, beside the least that does the same, and beside verifiers?

    .venv/bin/python bench/engine.py [--json] [--quick] [--alone]

``rollouts``: an agent that makes four calls, in a sandbox of its own, judged by one command, kept in a store; 128 at
once. ``rollouts.floor`` spawns the same bubblewrap command line and watches its pidfd, forwards the same calls with a
bare aiohttp server and client, and keeps as many bytes in a SQLite group commit. verifiers' subprocess runtime seals
nothing and keeps nothing. All are asked for the same by the same agent and the same model server, in turns, each in a
process of its own whose CPU time and event-loop lag these are; agents and the model server are other processes.

``store`` is one outcome of eight turns, beside a SQLite group commit of the same bytes. ``scale``: ten thousand
simulated rollouts, two thousand at once, in one process and in virtual time, beside bare tasks that wait as often and
pass the same bytes. Bytes are absolute: they are the same on a slower machine.

``--alone`` leaves verifiers out. It takes about four minutes, and some more to install verifiers once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from _child import HERE, Child, ChildError, Fields
from _engine_load import SYSTEM_PYTHON
from _laps import Samples, progress
from _peers import VERIFIERS, Missing, environment
from _report import Mark, Report, machine, main

_SECONDS = 1800
IMPORTS = {
    "import.greenroom.bytes": "import greenroom",
    "import.engine.bytes": "import greenroom; greenroom.Engine",
}
MARKS = (
    Mark(of="rollouts.cpu", over="rollouts.floor.cpu", must=6.2, aim=2.0),
    Mark(of="store", over="store.floor", must=8.8, aim=3.0),
    Mark(of="scale", over="scale.floor", must=94.0, aim=30.0),
    Mark(of="rollouts.peak.bytes", must=100e6, aim=60e6),
    Mark(of="import.greenroom.bytes", must=33e6, aim=20e6),
    Mark(of="import.engine.bytes", must=50e6, aim=30e6),
    Mark(of="scale.live.bytes", must=64e3, aim=32e3),
    Mark(of="scale.outcome.bytes", must=1000, aim=100),
)
PEER_MARKS = (
    Mark(of="verifiers.cpu", over="rollouts.cpu", must=1.5, aim=4.0, better="higher"),
    Mark(of="verifiers.lag_p99", over="rollouts.lag_p99", must=3.0, aim=10.0, better="higher"),
    Mark(of="verifiers.peak.bytes", over="rollouts.peak.bytes", must=2.5, aim=4.0, better="higher"),
)


def run(*, quick: bool, alone: bool) -> Report:
    """Everything, one after another."""
    peers: dict[str, str] = {}
    samples: Samples = {}
    try:
        samples |= rollouts(peers, quick=quick, alone=alone)
    except Missing as missing:
        peers["local rollouts"] = f"not measured: {missing}"
    for name, script in (("the store", "_engine_store.py"), ("simulated rollouts", "_engine_scale.py")):
        progress(name)
        samples |= figures(HERE / script, quick=quick)
    samples |= {key: [imported(code)] for key, code in IMPORTS.items()}
    return Report(
        name="engine",
        machine=machine(peers=peers, clock="CPU time of the engine's process", quick=quick),
        samples=samples,
        marks=MARKS if alone else (*MARKS, *PEER_MARKS),
    )


def rollouts(peers: dict[str, str], *, quick: bool, alone: bool) -> Samples:
    """The same through all of them, in turns. Raises `Missing`."""
    if shutil.which("bwrap") is None or not Path(SYSTEM_PYTHON).exists():
        raise Missing(f"they need bubblewrap and {SYSTEM_PYTHON}; on Debian: apt-get install bubblewrap python3")
    count, laps = (32, 3) if quick else (128, 5)
    samples: Samples = {}
    with ExitStack() as stack:
        url = child(stack, "_interception_upstream.py").ask("where")["url"]
        warm = {"url": url, "count": 8, "concurrency": 8}
        children = ours(stack, warm)
        if not alone:
            try:
                children["verifiers"] = invited(stack, warm)
                peers["verifiers"] = VERIFIERS.pin
            except (Missing, ChildError) as error:
                peers["verifiers"] = f"not measured: {error}"
        for number in range(laps):
            progress(f"local rollouts, lap {number + 1} of {laps}: {', '.join(children)}")
            for name, one in children.items():
                for key, value in one.ask("lap", _SECONDS, url=url, count=count, concurrency=count).items():
                    samples.setdefault(f"{name}.{key}", []).append(value)
    return samples


def ours(stack: ExitStack, warm: Fields) -> dict[str, Child]:
    """The floor and the engine, both warm; the floor seals and keeps what the engine does."""
    floor, engine = (child(stack, script) for script in ("_floor_engine.py", "_engine_ours.py"))
    size = int(engine.ask("lap", _SECONDS, **warm)["outcome.bytes"])
    floor.ask("teach", **engine.ask("seal"), bytes=size)
    floor.ask("lap", _SECONDS, **warm)
    return {"rollouts.floor": floor, "rollouts": engine}


def invited(stack: ExitStack, warm: Fields) -> Child:
    """verifiers, warm. Raises `Missing`, `ChildError`."""
    peer = child(stack, "peers/verifiers_engine.py", str(environment(VERIFIERS)))
    peer.ask("lap", _SECONDS, **warm)
    return peer


def child(stack: ExitStack, script: str, python: str = sys.executable) -> Child:
    return stack.enter_context(Child(python, HERE / script))


def figures(script: Path, *, quick: bool) -> Samples:
    """What a process found out."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent / "src")))}
    argv = [sys.executable, str(script), *(["--quick"] if quick else [])]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=_SECONDS, check=True, env=env)
    found: Samples = json.loads(done.stdout.splitlines()[-1])
    return found


def imported(code: str) -> float:
    """Bytes of a process that has done nothing but this."""
    size = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    env = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    argv = [sys.executable, "-c", f"{code}; {size}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=True, env=env)
    return int(done.stdout) * 1024


if __name__ == "__main__":
    main(__doc__, run)
