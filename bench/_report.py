"""What every bench prints: a table for people and, with ``--json``, one object as the last line of standard output.

    {"name": "kernel", "machine": {...}, "metrics": {key: number}, "ratios": {key: number},
     "targets": [{"key", "value", "must", "aim", "better", "met"}]}

``must`` is what a change may not fall below, ``aim`` where it should go; ``met`` says that ``must``, or else ``aim``,
is reached. Each may be null, and so may ``value``, if it could not be measured here: the reason is in ``machine``.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, to_builtins

Better = Literal["lower", "higher"]
Run = Callable[[int], Awaitable[object]]


class Target(Struct, frozen=True, kw_only=True):
    """A figure somebody counts on."""

    key: str
    value: float | None
    must: float | None
    aim: float | None
    better: Better

    @property
    def met(self) -> bool:
        """Whether it is as good as it must be; as it should be, if nothing must."""
        mark = self.aim if self.must is None else self.must
        return self.value is not None and (mark is None or self._reaches(self.value, mark))

    @property
    def aimed(self) -> bool:
        """Whether it is as good as it should be."""
        return self.value is not None and self.aim is not None and self._reaches(self.value, self.aim)

    def _reaches(self, value: float, mark: float) -> bool:
        return value <= mark if self.better == "lower" else value >= mark


class Row(Struct, frozen=True, kw_only=True):
    """One line of the table: what was measured, and its figures in the order of the table's columns."""

    title: str
    cells: tuple[str, ...]


class Report(Struct, frozen=True, kw_only=True):
    """All a bench found out."""

    name: str
    machine: dict[str, Any]
    metrics: dict[str, float]
    ratios: dict[str, float]
    targets: list[Target]

    def as_json(self) -> str:
        """The one object."""
        report = to_builtins(self)
        report["targets"] = [{**to_builtins(target), "met": target.met} for target in self.targets]
        return json.dumps(report)


def machine(**more: object) -> dict[str, Any]:
    """Where the figures are from."""
    models = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **more,
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


async def race(runs: Mapping[str, Run], n: int, rounds: int) -> dict[str, float]:
    """CPU seconds for each of ``n`` operations, the best of ``rounds``; the contestants take turns in every round.

    All of them begin with a clean heap and run with the collector on, as programs do.
    """
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            best[name] = min(best[name], await _timed(run, n))
    return {name: seconds / n for name, seconds in best.items()}


async def _timed(run: Run, n: int) -> float:
    gc.collect()
    gc.freeze()
    start = time.process_time()
    await run(n)
    seconds = time.process_time() - start
    gc.unfreeze()
    return seconds


def number(value: float | None) -> str:
    """Three figures, which is more than most are good for."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def seconds(value: float) -> str:
    """In the unit that reads best."""
    for unit, size in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        if value < 1000 * size:
            return f"{number(value / size)} {unit}"
    return f"{number(value)} s"


def table(title: str, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Print rows under a heading, right-aligned but for their titles."""
    lines = [(title, *columns), *((row.title, *row.cells) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    print()
    for at, line in enumerate(lines):
        first, *rest = (
            text.ljust(width) if not i else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join((first, *rest)).rstrip())
        if at == 0:
            print("  ".join("-" * width for width in widths))


def print_targets(targets: list[Target]) -> None:
    """The verdict, in a table."""
    rows = [
        Row(
            title=target.key,
            cells=(
                number(target.value),
                _mark(target, target.must),
                _mark(target, target.aim),
                _verdict(target),
            ),
        )
        for target in targets
    ]
    table("target", ("value", "must", "aim", ""), rows)


def _mark(target: Target, mark: float | None) -> str:
    return "-" if mark is None else f"{'<=' if target.better == 'lower' else '>='} {number(mark)}"


def _verdict(target: Target) -> str:
    if target.value is None:
        return "not measured"
    if target.aimed:
        return "as aimed"
    if target.must is None and target.aim is not None:
        return "below the aim"
    return "met" if target.met else "MISSED"
