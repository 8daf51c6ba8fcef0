"""How a run tells what it does: plain lines, JSON lines, or next to nothing."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from greenroom.cli.interruption import LIMIT_SECONDS
from greenroom.cli.output import Output, columns
from greenroom.cli.plan import RunPlan
from greenroom.cli.tally import Tally, one_line
from greenroom.engine import Engine
from greenroom.engine.summary import summarise
from greenroom.introspection.render import escape
from greenroom.messages import Outcome


class Report:
    """The quiet one: only how it ended. The others say more."""

    draws = False
    """Whether the terminal is drawn upon, so that nothing else may write to it."""

    def __init__(self, plan: RunPlan, output: Output) -> None:
        self.plan = plan
        self.output = output
        self.tally = Tally()

    async def begin(self) -> None:
        """The run is about to start."""

    @property
    def complete(self) -> bool:
        """Whether every rollout gave its outcome."""
        return len(self.tally.lines) == self.plan.rollouts

    @asynccontextmanager
    async def showing(self, engine: Engine) -> AsyncGenerator[None]:
        """While rollouts run."""
        del engine
        yield

    def recall(self, outcome: Outcome) -> None:
        """A rollout had ended before the run was gone on with."""
        self.tally.add(outcome)

    async def outcome(self, outcome: Outcome) -> None:
        """A rollout has ended."""
        self.tally.add(outcome)

    async def end(self, seconds: float, interrupted: signal.Signals | None) -> None:
        """Nothing runs any more."""
        missing = self.plan.rollouts - len(self.tally.lines)
        not_begun = f"; {missing} of {self.plan.rollouts} not begun" if interrupted and missing else ""
        await self.output.line(f"{self.tally.totals()}{not_begun}; {seconds:.1f} s")
        await self.output.line(f"results: {escape(str(self.plan.out))}")

    def say(self, text: str) -> None:
        """Something a person should know now."""
        print(escape(text), file=sys.stderr, flush=True)

    def stopping(self, number: signal.Signals) -> None:
        """The first signal has come."""
        again = "Ctrl-C again" if number == signal.SIGINT else "once more"
        self.say(f"{number.name}: stopping in order, within {LIMIT_SECONDS:g} s; {again} to end at once")

    def tidy(self) -> None:
        """Leave the terminal usable: the process ends now."""


class PlainReport(Report):
    """One line per outcome, a table at the end."""

    async def begin(self) -> None:
        """Say what is to be done."""
        plan = self.plan
        what = f"{plan.rollouts} rollouts of {len(plan.tasks)} tasks with {plan.agent.name}"
        done = f", {plan.done} of them done" if plan.done else ""
        await self.output.line(escape(f"{what}{done}; results: {plan.out}"))
        for line in plan.sharing.lines():
            await self.output.line(line)

    async def outcome(self, outcome: Outcome) -> None:
        """Say what became of it."""
        line = self.tally.add(outcome)
        await self.output.line(one_line(line, len(self.tally.lines), self.plan.rollouts))

    async def end(self, seconds: float, interrupted: signal.Signals | None) -> None:
        """Print the table."""
        if self.tally.lines:
            await self.output.line(f"\n{self.tally.table(columns())}\n")
        await super().end(seconds, interrupted)


class JsonReport(Report):
    """One object a line: ``start``, one ``outcome`` each, ``end``."""

    async def begin(self) -> None:
        """Say what is to be done."""
        await self._record("start", self.plan.describe())

    async def outcome(self, outcome: Outcome) -> None:
        """Give its summary."""
        self.tally.add(outcome)
        await self._record("outcome", msgspec.to_builtins(summarise(outcome)))

    async def end(self, seconds: float, interrupted: signal.Signals | None) -> None:
        """Give the totals."""
        totals = {
            "outcomes": len(self.tally.lines),
            "statuses": self.tally.statuses,
            "mean_reward": self.tally.mean,
            "seconds": round(seconds, 3),
            "interrupted": interrupted.name if interrupted else None,
            "out": str(self.plan.out),
        }
        await self._record("end", totals)

    async def _record(self, kind: str, fields: dict[str, Any]) -> None:
        await self.output.line(msgspec.json.encode({"type": kind, **fields}).decode())
