"""`greenroom run`: an engine, from the options to the exit status."""

from __future__ import annotations

import signal
import sys
from contextlib import AsyncExitStack

import anyio
import anyio.to_thread

from greenroom.cli.errors import BadInput, Failed
from greenroom.cli.interruption import Interruption
from greenroom.cli.logs import log_to
from greenroom.cli.options import RunOptions
from greenroom.cli.output import Output, OutputClosed
from greenroom.cli.plan import SHUTDOWN_SECONDS, Part, RunPlan, make_plan
from greenroom.cli.report import JsonReport, PlainReport, Report
from greenroom.cli.sandbox_check import require
from greenroom.engine import EngineError
from greenroom.engine.store_errors import StoreError
from greenroom.engine.tasks import TaskError
from greenroom.kernel import StartFailed
from greenroom.messages import Outcome
from greenroom.sandboxes import SandboxError
from greenroom.sandboxes.install_process import InstallError


def run_tasks(options: RunOptions) -> int:
    """Run them. The exit status is 0 when every rollout gave an outcome, whatever its reward.

    Raises:
        BadInput: What was asked for makes no sense; nothing has started.
        Failed: The engine could not start, or did not last.
    """
    plan = make_plan(options)
    return execute(plan, report_of(as_json=options.as_json, quiet=options.quiet)(plan, Output()))


def execute(plan: RunPlan, report: Report) -> int:
    """Run a plan to its end; the exit status. Raises as `run_tasks` does."""
    execution = _Execution(plan, report)
    require(plan.sandbox)
    plan.make_directories()
    log_to(plan.out / "greenroom.log", terminal=not report.draws)
    return anyio.run(execution.main)


def report_of(*, as_json: bool, quiet: bool) -> type[Report]:
    """How it is told, by what was asked for and where it goes."""
    if as_json:
        return JsonReport
    if quiet:
        return Report
    if sys.stdout.isatty():
        try:
            from greenroom.cli.live import LiveReport
        except ModuleNotFoundError as error:
            if error.name != "rich":
                raise
        else:
            return LiveReport
    return PlainReport


class _Execution:
    """One run, and what interrupts it."""

    def __init__(self, plan: RunPlan, report: Report) -> None:
        self._plan = plan
        self._report = report
        self._engine = plan.engine(report.say)
        self._interruption = Interruption(self._stop, report.tidy)
        self._open = False
        """There is something to stop in order."""

    async def main(self) -> int:
        failure: Failed | None = None
        self._scope = anyio.CancelScope()
        async with anyio.create_task_group() as self._tasks:
            await self._tasks.start(self._interruption.watch)
            try:
                await self._run()
            except Failed as error:  # not through the task group, which would wrap it
                failure = error
            self._tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return self._interruption.exit_status or (0 if self._report.complete else 1)

    async def _run(self) -> None:
        began = anyio.current_time()
        try:
            with self._scope:
                await self._report.begin()
                await self._rollouts()
            await self._report.end(anyio.current_time() - began, self._interruption.signal)
        except OutputClosed as error:
            raise Failed(f"{error}; what had ended is in {self._plan.out}") from error

    async def _rollouts(self) -> None:
        async with AsyncExitStack() as stack:
            await self._enter(stack)
            await stack.enter_async_context(self._report.showing(self._engine))
            try:
                for part in self._plan.runs:
                    await self._run_part(part)
            except TaskError as error:
                raise BadInput(str(error)) from error
            except StoreError as error:
                raise BadInput(f"{self._plan.place}: {error}") from error
            except EngineError as error:
                if self._interruption.signal is None:  # else it came before the first rollout
                    raise Failed(f"the engine failed: {error}") from error

    async def _run_part(self, part: Part) -> None:
        outcomes = self._engine.run(part.tasks, part.samples, name=part.name)
        async for outcome in outcomes:
            await self._write(outcome)
            if outcomes.recalling:
                self._report.recall(outcome)
            else:
                await self._report.outcome(outcome)

    async def _write(self, outcome: Outcome) -> None:
        if self._plan.trials is None:
            return
        try:
            await anyio.to_thread.run_sync(self._plan.trials.write, outcome)
        except OSError as error:
            raise Failed(f"--trials {self._plan.trials.root}: {error}; the outcomes are in {self._plan.out}") from error

    async def _enter(self, stack: AsyncExitStack) -> None:
        try:
            await stack.enter_async_context(self._engine)
        except StoreError as error:
            raise BadInput(f"{self._plan.place}: {error}") from error
        except ValueError as error:
            raise BadInput(str(error)) from error
        except SandboxError as error:
            raise Failed(f"sandboxes cannot be used: {error}; see `greenroom doctor`") from error
        except InstallError as error:
            raise Failed(f"{self._plan.agent.name} cannot be installed: {error}") from error
        except (EngineError, StartFailed) as error:
            raise Failed(f"the engine did not start: {error}") from error
        self._open = True
        stack.callback(self._closing)

    def _closing(self) -> None:
        self._open = False

    def _stop(self, number: signal.Signals) -> None:
        self._report.stopping(number)
        if self._open:
            self._scope.deadline = anyio.current_time() + SHUTDOWN_SECONDS
            self._tasks.start_soon(self._engine.stop, f"greenroom run got {number.name}")
        else:
            self._scope.cancel()
