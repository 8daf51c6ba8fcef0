"""What every bench prints: a table for people and, with ``--json``, one object as the last line of standard output.

    {"name": "kernel", "machine": {...}, "metrics": {key: number},
     "targets": [{"key", "value", "must", "aim", "better", "met"}]}

A target says the same on every machine. It is a ratio of two metrics, ``"gate.64.cpu / floor.64.cpu"``, or else a
quantity in one of the units of `COUNTED`. A ratio is the median of those of the laps; in each lap both are measured one
after the other. ``must`` is what a change may not fall below, ``aim`` what is worth reaching. What could not be
measured here has no target: the reason is in ``machine``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Literal

from msgspec import Struct, to_builtins

from _laps import Samples

Better = Literal["lower", "higher"]
COUNTED = ("bytes", "requests", "threads", "sandboxes", "wakeups")
"""Units that no machine's speed changes: the last word of a key. What has none of them is in seconds."""
_OVER = " / "
_SECONDS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))


class Mark(Struct, frozen=True, kw_only=True):
    """What a figure is held against: another one, ``over``, or a number where no machine's speed changes it.

    Raises:
        ValueError: It is held against a number, but is a time.
    """

    of: str
    over: str = ""
    must: float
    aim: float
    better: Better = "lower"

    def __post_init__(self) -> None:
        if not self.over and unit_of(self.of) not in COUNTED:
            raise ValueError(f"{self.of} depends on the machine: it needs something to be held against")

    @property
    def key(self) -> str:
        """Of its target."""
        return f"{self.of}{_OVER}{self.over}" if self.over else self.of

    @property
    def needs(self) -> list[str]:
        """The figures it takes."""
        return [self.of, self.over] if self.over else [self.of]

    def reached(self, value: float, mark: float) -> bool:
        """Whether a value is as good as a mark."""
        return value <= mark if self.better == "lower" else value >= mark

    def values(self, samples: Samples) -> list[float]:
        """The target's value in each lap."""
        if not self.over:
            return samples[self.of]
        return [one / other for one, other in zip(samples[self.of], samples[self.over], strict=True)]


class Report(Struct, frozen=True, kw_only=True):
    """All a bench found out."""

    name: str
    machine: Mapping[str, Any]
    samples: Samples
    marks: Sequence[Mark]

    @property
    def measured(self) -> list[Mark]:
        """The marks that something was measured for."""
        return [mark for mark in self.marks if all(key in self.samples for key in mark.needs)]

    def metrics(self) -> dict[str, float]:
        """The median of each figure, and the extremes of each ratio."""
        found = {key: median(values) for key, values in self.samples.items()}
        for mark in self.measured:
            values = mark.values(self.samples)
            found |= {f"{mark.key} min": min(values), f"{mark.key} max": max(values)} if mark.over else {}
        return found

    def targets(self) -> list[dict[str, Any]]:
        """The verdict on each."""
        return [self._target(mark) for mark in self.measured]

    def _target(self, mark: Mark) -> dict[str, Any]:
        value = median(mark.values(self.samples))
        named = {key: field for key, field in to_builtins(mark).items() if key not in ("of", "over")}
        return {"key": mark.key, "value": value, **named, "met": mark.reached(value, mark.must)}

    def as_json(self) -> str:
        """The one object."""
        return json.dumps(
            {"name": self.name, "machine": self.machine, "metrics": self.metrics(), "targets": self.targets()}
        )

    def show(self) -> None:
        """The tables, and how many targets are met."""
        named = ("cpu", "cores", "system", "python", "load")
        print(" · ".join(f"{key} {self.machine[key]}" for key in named))
        print(f"again: {' '.join((os.path.relpath(sys.executable), os.path.relpath(sys.argv[0]), *sys.argv[1:]))}")
        for name, what in self.machine.get("peers", {}).items():
            print(f"{name}: {what}")
        marks = self.measured
        _table(("target", "ours", "beside", "ratio", "of all laps", "must", "aim", ""), map(self._row, marks))
        used = {key for mark in marks for key in mark.needs}
        others = [(key, figure(key, median(values))) for key, values in self.samples.items() if key not in used]
        _table(("for information", ""), others)
        self._sum_up()

    def _row(self, mark: Mark) -> tuple[str, ...]:
        values = mark.values(self.samples)
        value, figures = median(values), [figure(key, median(self.samples[key])) for key in mark.needs]
        sign = "<=" if mark.better == "lower" else ">="
        words = [f"{sign} {number(each) if mark.over else figure(mark.of, each)}" for each in (mark.must, mark.aim)]
        spread = (number(value), f"{number(min(values))}-{number(max(values))}") if mark.over else ("", "")
        verdict = "as aimed" if mark.reached(value, mark.aim) else "met" if mark.reached(value, mark.must) else "MISSED"
        return (mark.key, figures[0], figures[1] if mark.over else "", *spread, *words, verdict)

    def _sum_up(self) -> None:
        targets = self.targets()
        missed = [target["key"] for target in targets if not target["met"]]
        absent = len(self.marks) - len(targets)
        print(f"\n{self.name}: {len(targets) - len(missed)} of {len(targets)} met", end="")
        print(f"; missed: {', '.join(missed)}" if missed else "", end="")
        print(f"; {absent} could not be measured here" if absent else "")


def machine(**more: object) -> dict[str, Any]:
    """Where the figures are from."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        **more,
    }


def main(doc: str | None, run: Callable[..., Report]) -> None:
    """A bench's command line."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object with every figure, as the last line")
    parser.add_argument("--quick", action="store_true", help="few short laps, rough figures")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    options = parser.parse_args()
    report = run(quick=options.quick, alone=options.alone)
    report.show()
    if options.json:
        print(report.as_json())


def unit_of(key: str) -> str:
    """The last word of a key."""
    return key.rpartition(".")[2]


def figure(key: str, value: float) -> str:
    """A value with the unit that its key says."""
    unit = unit_of(key)
    if unit == "bytes":
        return _scaled(value, (("bytes", 1), ("kB", 1e3), ("MB", 1e6)))
    return f"{number(value)} {unit}" if unit in COUNTED else _scaled(value, _SECONDS)


def number(value: float) -> str:
    """Three figures, which is more than most are good for."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _scaled(value: float, units: Sequence[tuple[str, float]]) -> str:
    """In the unit that reads best, the largest that it has one of."""
    unit, size = max((each for each in units if each[1] <= value), key=lambda each: each[1], default=units[0])
    return f"{number(value / size)} {unit}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Right-aligned but for its titles."""
    lines = [heads, *rows]
    if len(lines) == 1:
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    print()
    for first, *rest in lines:
        cells = (text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))
        print("  ".join((first.ljust(widths[0]), *cells)).rstrip())
