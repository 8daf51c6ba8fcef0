"""What does a rollout cost the process that runs it, beside the same one through verifiers, and thousands at once?

    .venv/bin/python bench/engine.py [--json] [--quick] [--alone]

``rollouts``: an agent that makes four calls, in a sandbox of its own, judged by one command; 256 at once. greenroom
seals each with bubblewrap where that is installed; verifiers' subprocess runtime seals nothing. Both are asked for the
same by the same agent and the same model server, one after the other, in turns, each in a process of its own whose CPU
time, event-loop lag and peak memory these are; agents and the model server are other processes. ``scale``: ten thousand
simulated rollouts, two thousand at once, in one process and in virtual time; ``own`` is what is left of its CPU time
without that of the simulation itself. ``--alone`` leaves verifiers
out, ``--quick`` is for a look. It takes about four minutes, and some more to install verifiers once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from _interception_child import HERE, Child
from _peers import Missing, Peer, environment
from _report import Report, Row, Target, machine, number, print_targets, seconds, table

VERIFIERS = Peer("verifiers", "0.4.0", "verifiers_engine.py")
MILLI, MEGA, KIBI = 1e-3, 1e6, 1024
_SECONDS = 600
_IMPORTS = {
    "import.greenroom.MB": "import greenroom",
    "import.engine.MB": "import greenroom; greenroom.Engine",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object with every figure, as the last line")
    parser.add_argument("--quick", action="store_true", help="few rollouts, rough figures")
    parser.add_argument("--alone", action="store_true", help="without verifiers")
    options = parser.parse_args()
    report = run(quick=options.quick, alone=options.alone)
    show(report)
    if options.json:
        print(report.as_json())


def run(*, quick: bool, alone: bool) -> Report:
    """Everything, one after another."""
    peers: dict[str, str] = {}
    metrics = rollouts(32 if quick else 256, 1 if quick else 2, peers, alone=alone)
    scale = ("1000", "500") if quick else ("10000", "2000")
    metrics |= {f"scale.{key}": value for key, value in child(HERE / "_engine_scale.py", *scale).items()}
    metrics |= {key: imported(code) for key, code in _IMPORTS.items()}
    ratios = {
        key: metrics[f"verifiers.{key}"] / metrics[f"greenroom.{key}"]
        for key in ("cpu", "wall", "lag_p99", "peak_MB")
        if f"verifiers.{key}" in metrics
    }
    return Report(
        name="engine",
        machine=machine(peers=peers, clock="CPU time of the engine's process", quick=quick),
        metrics=metrics,
        ratios=ratios,
        targets=targets(metrics, ratios),
    )


def rollouts(count: int, rounds: int, peers: dict[str, str], *, alone: bool) -> dict[str, float]:
    """The same through both, in turns; of each figure the best."""
    metrics: dict[str, float] = {}
    with Child(sys.executable, HERE / "_interception_upstream.py") as upstream:
        args = (upstream.ask("where")["url"], str(count), str(count))
        for _ in range(rounds):
            keep(metrics, "greenroom", child(HERE / "_engine_ours.py", *args))
            if alone:
                continue
            try:
                python = environment(VERIFIERS)
                keep(metrics, "verifiers", child(HERE / "peers" / VERIFIERS.script, *args, python=str(python)))
                peers["verifiers"] = VERIFIERS.pin
            except Missing as missing:
                peers["verifiers"] = f"not measured: {missing}"
    return metrics


def keep(metrics: dict[str, float], name: str, found: dict[str, float]) -> None:
    """The lower one of each figure."""
    for key, value in found.items():
        metrics[f"{name}.{key}"] = min(value, metrics.get(f"{name}.{key}", value))
    metrics[f"{name}.per_cpu_second"] = 1.0 / metrics[f"{name}.cpu"]


def child(script: Path, *args: str, python: str = sys.executable) -> dict[str, float]:
    """What a process found out. Raises `Missing`."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent / "src")))}
    argv = [python, str(script), *args]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=True, env=env)
    except subprocess.CalledProcessError as error:
        raise Missing(f"{script.name}: {(error.stderr.strip().splitlines() or ['no output'])[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise Missing(f"{script.name} did not end within {_SECONDS} s") from error
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def imported(code: str) -> float:
    """Megabytes of a process that has done nothing but this."""
    size = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    env = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    argv = [sys.executable, "-c", f"{code}; {size}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, env=env)
    return int(done.stdout) * KIBI / MEGA


def targets(metrics: dict[str, float], ratios: dict[str, float]) -> list[Target]:
    """What the figures are held against."""

    def most(key: str, value: float, must: float, aim: float | None = None) -> Target:
        return Target(key=key, value=value, must=must, aim=aim, better="lower")

    return [
        most("rollouts.cpu_ms", metrics["greenroom.cpu"] / MILLI, 10.0, 6.0),
        most("rollouts.lag_p99_ms", metrics["greenroom.lag_p99"] / MILLI, 100.0),
        most("rollouts.peak_MB", metrics["greenroom.peak_MB"], 120.0),
        most("import.MB", metrics["import.greenroom.MB"], 60.0),
        most("scale.KiB_per_live", metrics["scale.bytes_per_live"] / KIBI, 64.0),
        most("scale.own_cpu_ms", metrics["scale.own_cpu"] / MILLI, 3.0),
        most("scale.bytes_per_outcome", metrics["scale.bytes_per_outcome"], 1000.0),
        Target(key="verifiers.cpu", value=ratios.get("cpu"), must=1.0, aim=4.0, better="higher"),
        Target(key="verifiers.lag_p99", value=ratios.get("lag_p99"), must=1.0, aim=10.0, better="higher"),
    ]


def show(report: Report) -> None:
    """Tables for people."""
    metrics = report.metrics
    print(f"{report.machine['cpu']}, {report.machine['cores']} cores, Python {report.machine['python']}")
    rows = [
        Row(
            title=name,
            cells=(
                seconds(metrics[f"{name}.cpu"]),
                number(metrics[f"{name}.per_cpu_second"]),
                seconds(metrics[f"{name}.lag_p99"]),
                seconds(metrics[f"{name}.lag_max"]),
                f"{number(metrics[f'{name}.peak_MB'])} MB",
            ),
        )
        for name in ("greenroom", "verifiers")
        if f"{name}.cpu" in metrics
    ]
    table("rollouts", ("CPU each", "per CPU second", "lag p99", "lag at most", "peak memory"), rows)
    rows = [
        Row(
            title=f"{number(metrics['scale.rollouts'])}, {number(metrics['scale.concurrency'])} at once",
            cells=(
                seconds(metrics["scale.own_cpu"]),
                seconds(metrics["scale.work_cpu"]),
                f"{number(metrics['scale.bytes_per_live'] / KIBI)} KiB",
                f"{number(metrics['scale.bytes_per_outcome'])} B",
            ),
        )
    ]
    table("simulated", ("own CPU each", "the work itself", "memory of a live one", "left by each"), rows)
    for key in _IMPORTS:
        print(f"{key.removesuffix('.MB')}: {number(metrics[key])} MB")
    for name, what in report.machine["peers"].items():
        print(f"\n{name}: {what}")
    print_targets(report.targets)


if __name__ == "__main__":
    main()
