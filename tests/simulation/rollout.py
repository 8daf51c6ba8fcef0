"""A tree shaped as a rollout's: its actors call one another, answer later, work in the background, and end together."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio
from msgspec import Struct

from greenroom.kernel import Actor, Backoff, Call, CallError, ChildSpec, Exit, Reply, StartFailed, Supervisor, on

if TYPE_CHECKING:
    from tests.simulation.stage import Stage

R = TypeVar("R")

ENGINE = "/engine"
ROLLOUT = "/engine/rollouts/r-1"

_TURNS = 3


class Complete(Call[str], frozen=True):
    """The agent asks the model."""


class Execute(Call[int], frozen=True):
    """Run a command in the sandbox."""


class Record(Call[None], frozen=True):
    """Make an outcome durable."""


class Outcome(Call[float], frozen=True):
    """Wait for the outcome."""


class Begin(Struct, frozen=True):
    """The agent may begin."""


class Ended(Struct, frozen=True):
    """The agent has come to its end."""


class Answered(Struct, frozen=True):
    """The policy has answered a model call."""

    reply: Reply[str]
    text: str


class Abandoned(Struct, frozen=True):
    """A caller has gone away."""


class Member(Actor):
    """An actor of the tree, whose calls are accounted for."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def ask(self, path: str, question: Call[R]) -> R:
        """Call another actor, from a handler or a job."""
        return await ask(self.stage, path, question, 20.0)

    async def stopped(self, exit: Exit) -> None:
        await anyio.sleep(0.01)  # clean-up takes its time


async def ask(stage: Stage, path: str, question: Call[R], timeout: float) -> R:
    """Call, and account for it."""
    id, journal = next(stage.journal.ids), stage.journal
    journal.note(f"call {id} of {path}, {type(question).__name__}")
    journal.calls.asked(id, path, timeout, callee=None, caller=None)
    outcome: BaseException | None = None
    try:
        return await stage.lookup(path).call(question, timeout)
    except BaseException as error:
        outcome = error
        raise
    finally:
        journal.calls.closed(id, outcome)


class Mailbox(Member):
    """Holds the agent's model calls; a policy answers them in the background."""

    @on(Complete)
    def complete(self, _: Complete) -> Reply[str]:
        reply = self.defer(Abandoned())
        self.run(self.answer(), then=lambda text: Answered(reply, text))
        return reply

    async def answer(self) -> str:
        await anyio.sleep(0.3)
        return "ls"

    @on(Answered)
    def answered(self, message: Answered) -> None:
        message.reply.send(message.text)

    @on(Abandoned)
    def abandoned(self, _: Abandoned) -> None:
        return


class Sandbox(Member):
    """Boots, executes, and cleans up."""

    async def started(self) -> None:
        await anyio.sleep(0.5)

    @on(Execute)
    async def execute(self, _: Execute) -> int:
        await anyio.sleep(0.2)
        return 0


class Agent(Member):
    """Works in the background: asks the model, executes what it says, until it is done."""

    async def started(self) -> None:
        self.ref.cast(Begin())

    @on(Begin)
    def begin(self, _: Begin) -> None:
        self.run(self.work(), then=lambda _: Ended(), name="work")

    async def work(self) -> None:
        await anyio.sleep(0.1)
        await self.turn(_TURNS)

    async def turn(self, left: int) -> None:
        await self.ask(f"{self.parent.path}/mailbox", Complete())
        await self.ask(f"{self.parent.path}/sandbox", Execute())
        if left > 1:
            await self.turn(left - 1)

    @on(Ended)
    def ended(self, _: Ended) -> None:
        self.sibling("verifier").cast(Ended())
        self.stop()


class Verifier(Member):
    """Scores in the sandbox, has the outcome recorded, and with that ends the attempt."""

    @on(Ended)
    async def score(self, _: Ended) -> None:
        await self.ask(f"{self.parent.path}/sandbox", Execute())
        await self.ask(f"{ENGINE}/journal", Record())
        self.stop()


class Journal(Member):
    """Knows the outcome, and who waits for it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.waiting: list[Reply[float]] = []

    @on(Outcome)
    def outcome(self, _: Outcome) -> Reply[float]:
        self.waiting.append(self.defer())
        return self.waiting[-1]

    @on(Record)
    async def record(self, _: Record) -> None:
        await anyio.sleep(0.1)
        for reply in self.waiting:
            reply.send(1.0)
        self.waiting.clear()


def engine(stage: Stage) -> ChildSpec:
    """The whole tree: supervisors of supervisors, down to each attempt's four actors."""
    children = [
        ChildSpec("journal", lambda: Journal(stage)),
        ChildSpec("rollouts", lambda: Supervisor([_rollout(stage, id) for id in ("r-1", "r-2")], strategy="dynamic")),
    ]
    return ChildSpec("engine", lambda: Supervisor(children, strategy="rest_for_one", intensity=2), "transient")


def _rollout(stage: Stage, id: str) -> ChildSpec:
    attempt = ChildSpec("attempt", lambda: _attempt(stage), "transient")
    return ChildSpec(id, lambda: Supervisor([attempt], intensity=2, period=60, backoff=Backoff(1.0)), "transient")


def _attempt(stage: Stage) -> Supervisor:
    cast = [
        ChildSpec("mailbox", lambda: Mailbox(stage)),
        ChildSpec("sandbox", lambda: Sandbox(stage), shutdown=2.0),
        ChildSpec("agent", lambda: Agent(stage), "transient"),
        ChildSpec("verifier", lambda: Verifier(stage), "transient", significant=True),
    ]
    return Supervisor(cast, strategy="one_for_all", intensity=1, auto_shutdown="any_significant")


async def perform(stage: Stage) -> None:
    """Start the tree, and wait for an outcome as somebody outside does."""
    try:
        await stage.start(engine(stage))
        outcome = await ask(stage, f"{ENGINE}/journal", Outcome(), 60.0)
        stage.journal.note(f"outcome {outcome}")
    except (StartFailed, CallError) as error:
        stage.journal.note(f"no outcome: {error!r}")
