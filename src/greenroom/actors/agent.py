"""The agent of one attempt: set up, started, watched, and dead with all its descendants before anybody judges it."""

from __future__ import annotations

import time
from collections import deque

import anyio
from msgspec import Struct
from msgspec.structs import replace

from greenroom.actors._boundary import Failure, failure, failure_of
from greenroom.actors._tail import Tail
from greenroom.actors.account import account
from greenroom.actors.commands import Shell
from greenroom.actors.decision import NO_TIME, Conduct, doubt_of, judge_agent
from greenroom.actors.events import AgentEnd, AgentEnded, AgentSaid, CommandRan, PhaseEntered
from greenroom.actors.keepsakes import keepsakes
from greenroom.actors.mailbox import CloseBooks, GetKey, Ledger
from greenroom.actors.plan import AttemptPlan
from greenroom.actors.preparation import Preparation
from greenroom.actors.requirements import missing
from greenroom.actors.sandbox import Boot, Lent
from greenroom.actors.stage import Stage
from greenroom.actors.transcript import Transcript
from greenroom.actors.variables import variables
from greenroom.kernel import Actor, Call, Reply, on
from greenroom.messages import CommandResult, FaultError, Phase
from greenroom.sandboxes.base import Exec, Process, Sandbox, SandboxError
from greenroom.specs import AgentEvent, Invocation, Launch, Solution
from greenroom.specs.invocation import invocation

_LOG = 64 * 1024
_QUIET_SECONDS = 10.0
_STEPS = 20
_ROUNDING = 1e-3


class AwaitEnd(Call[AgentEnd], frozen=True):
    """How the agent ended, once it is dead."""


class AgentView(Struct, frozen=True):
    """What an observer sees."""

    phase: Phase
    running: bool
    log: str
    """The last lines it printed. Hostile input."""
    steps: tuple[AgentEvent, ...]
    """The last steps it reported. Hostile input."""


class Agent(Actor):
    """Runs the agent process of an attempt."""

    def __init__(self, stage: Stage, plan: AttemptPlan) -> None:
        self.stage = stage
        self.plan = plan
        self.phase: Phase = "boot"
        self.entered: dict[Phase, float] = {"boot": plan.began}
        """When each phase began, on the event loop's clock."""
        self.end: AgentEnd | None = None
        self.waiting: list[Reply[AgentEnd]] = []
        self.tail = Tail(_LOG)
        self.transcript = Transcript(stage.agent.events)
        self.steps: deque[AgentEvent] = deque(maxlen=_STEPS)
        self._drained = anyio.Event()

    async def started(self) -> None:
        self.run(self._play(), then=lambda end: end, name="play")

    def observe(self) -> AgentView:
        running = self.end is None and self.phase == "agent"
        return AgentView(self.phase, running, self.tail.text[-1000:], tuple(self.steps))

    @on(AwaitEnd)
    def await_end(self, _: AwaitEnd) -> Reply[AgentEnd] | AgentEnd:
        if self.end is not None:
            return self.end
        reply: Reply[AgentEnd] = self.defer()
        self.waiting.append(reply)
        return reply

    @on(AgentEnd)
    def ended(self, end: AgentEnd) -> None:
        self.end = end
        self.plan.rollout.cast(AgentEnded(self.plan.number, end))
        for reply in self.waiting:
            reply.send(end)

    async def _play(self) -> AgentEnd:
        try:
            return await self._perform()
        except (SandboxError, FaultError) as error:
            found = failure_of(error, self.phase)
            return AgentEnd(cause=found.cause, fault=found.fault, log=self.tail.text)

    async def _perform(self) -> AgentEnd:
        """The whole part, from an empty sandbox to a dead agent."""
        budget = self.plan.budget
        lent = await self.sibling("sandbox").call(Boot(), timeout=budget.seconds(anyio.current_time()))
        failed = await self._set_up(lent.sandbox)
        if failed is not None:
            return AgentEnd(cause=failed.cause, fault=failed.fault)
        seconds = budget.agent_seconds(anyio.current_time())
        built = await self._build(lent, seconds)
        if isinstance(built, Failure):
            return AgentEnd(cause=built.cause, fault=built.fault)
        failed = await self._require(lent.sandbox, built)
        if failed is not None:
            return AgentEnd(cause=failed.cause, fault=failed.fault)
        self._enter("agent")
        outages = self._outages()
        seconds = min(seconds, budget.agent_seconds(anyio.current_time()))
        if seconds < self.plan.fair:
            return self._unfair(seconds)
        exit_code = await self._watch(lent.sandbox, built, seconds)
        files = await keepsakes(lent.sandbox, self.stage.agent.artifacts)
        away = outages is None or outages != self._outages()
        return replace(await self._judge(exit_code, seconds, away=away), files=files)

    def _outages(self) -> int | None:
        """How often its model had become unreachable until now; ``None`` while it is."""
        doors = self.stage.doors
        return doors.outages if doors.serving else None

    async def _set_up(self, sandbox: Sandbox) -> Failure | None:
        self._enter("setup")
        task = self.plan.task
        now = anyio.current_time()
        seconds = self.plan.budget.setup_seconds(now)
        preparation = Preparation(
            shell=Shell(sandbox, "setup", now + seconds),
            record=self._record,
            environment=task.environment,
            cause="setup_failed",
            within=self.plan.budget.within(seconds, "setup_timeout", task.setup_timeout),
        )
        failed = await preparation.prepare(task)
        if failed is None and self.stage.agent.solves:
            failed = await preparation.bring(task.solution)
        return failed

    def _solution(self) -> Solution | None:
        task = self.plan.task
        if task.solution is None or not self.stage.agent.solves:
            return None
        return replace(task.solution, env=variables(task, task.solution.env, "setup"))

    def _record(self, result: CommandResult) -> None:
        self.plan.rollout.cast(CommandRan(self.plan.number, result))

    async def _build(self, lent: Lent, seconds: float) -> Invocation | Failure:
        key = await self.sibling("mailbox").call(GetKey())
        launch = Launch(
            instruction=self.plan.task.instruction,
            base_url=f"{lent.base_url}/v1",
            api_key=key.text,
            model=self.stage.model_name,
            home=lent.sandbox.home,
            workdir=lent.sandbox.workdir,
            prefix=self.stage.prefix,
            max_turns=self.plan.task.max_turns,
            seconds=seconds,
            model_wait=self.plan.model_wait,
            solution=self._solution(),
        )
        try:
            return invocation(self.stage.agent, launch)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a boundary: the spec's author's code, which has seen the key
            text = f"the command of agent {self.stage.agent.name!r} raised {type(error).__name__}"
            return failure("agent_not_started", text, "setup", kind="command_raised")

    async def _require(self, sandbox: Sandbox, built: Invocation) -> Failure | None:
        spec = self.stage.agent
        absent = await missing(sandbox, spec.requires, built.env, self.plan.task.agent_user)
        if not absent:
            return None
        lacking = ", ".join(absent)
        text = f"agent {spec.name!r} was not started: it requires what is not on its PATH in the sandbox: {lacking}"
        return failure("agent_not_started", text, "setup")

    async def _watch(self, sandbox: Sandbox, built: Invocation, seconds: float) -> int | None:
        """Run it; returns its exit code, ``None`` if its time was up. Nothing runs in the sandbox afterwards."""
        if built.files:
            await sandbox.write({f"{_under(sandbox.home, path)}": text.encode() for path, text in built.files.items()})
        process = await sandbox.start(_program(built, sandbox, seconds, self.plan.task.agent_user))
        drain = self.run(self._drain(process), name="drain")
        exit_code: int | None = None
        with self.plan.clock.start(seconds, self.plan.budget.agent_ends):
            exit_code = await process.wait()
        self.plan.clock.stop()
        if exit_code is None:
            await process.kill()
        await _quiesce(sandbox)
        with anyio.move_on_after(_QUIET_SECONDS):
            await self._drained.wait()
        drain.cancel()
        return exit_code

    async def _drain(self, process: Process) -> None:
        try:
            async for chunk in process.output():
                self.tail.add(chunk)
                self._say(self.transcript.add(chunk, self._age()))
        except SandboxError:
            return  # who waits for the process hears of it too
        finally:
            self._say(self.transcript.end(self._age()))
            self._drained.set()

    def _say(self, events: list[AgentEvent]) -> None:
        self.steps.extend(events)
        for event in events:
            self.plan.rollout.cast(AgentSaid(self.plan.number, event))

    def _age(self) -> float:
        return anyio.current_time() - self.plan.began

    async def _judge(self, exit_code: int | None, seconds: float, *, away: bool) -> AgentEnd:
        ledger: Ledger = await self.sibling("mailbox").call(CloseBooks())
        conduct = Conduct(
            exit_code=exit_code,
            seconds=seconds,
            within=self._within(seconds),
            exit_code_lies=self.stage.agent.exit_code_lies,
            turns=ledger.turns,
            used_up=ledger.used_up,
            failure=ledger.failure,
            called=ledger.called,
            requests=ledger.requests,
            away=away,
            may_be_silent=self.stage.agent.may_be_silent,
            times=self.plan.clock.times,
            first=self.plan.first,
        )
        cause, fault = judge_agent(conduct)
        return AgentEnd(cause=cause, fault=fault, exit_code=exit_code, log=self.tail.text, doubt=doubt_of(conduct))

    def _unfair(self, seconds: float) -> AgentEnd:
        had = f"the first attempt's had {self.plan.first:.1f} s"
        text = f"{NO_TIME}: the agent would have had {self._within(seconds)}; {had}"
        return AgentEnd(cause="agent_cut_short", fault=failure("agent_cut_short", text, "agent").fault)

    def _within(self, seconds: float) -> str:
        budget, times = self.plan.budget, self.plan.clock.times
        cut = self.plan.clock.limit is not None and times.counted < seconds - _ROUNDING
        had = times.counted if cut else seconds
        own = budget.within(had, "agent_timeout", self.plan.task.agent_timeout)
        starts = self.entered
        spent = {
            "boot": starts["setup"] - starts["boot"],
            "setup": starts["agent"] - starts["setup"],
        }
        earlier = self.plan.began - budget.began
        return f"{own} ({account(budget, earlier, spent, ('verify', 'cleanup'), times.excused)})"

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.entered[phase] = anyio.current_time()
        self.plan.rollout.cast(PhaseEntered(self.plan.number, phase, self.entered[phase]))


def _program(built: Invocation, sandbox: Sandbox, seconds: float, user: str | None) -> Exec:
    # For agents that pace themselves: how long they have, and until when by the wall clock.
    told = {"GREENROOM_SECONDS": f"{seconds:.0f}", "GREENROOM_DEADLINE": f"{time.time() + seconds:.0f}"}
    env = {**told, **built.env}
    return Exec(argv=built.argv, env=env, cwd=sandbox.workdir, stdin=built.stdin.encode(), user=user)


def _under(home: str, path: str) -> str:
    return path if path.startswith("/") else f"{home.rstrip('/')}/{path}"


async def _quiesce(sandbox: Sandbox) -> None:
    with anyio.move_on_after(_QUIET_SECONDS):
        await sandbox.quiesce()
        return
    raise SandboxError("not_quiet", f"processes in the sandbox outlived their kill by {_QUIET_SECONDS:.0f} s")
