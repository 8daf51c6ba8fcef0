"""Python functions that judge: what they are shown, and what becomes of those that fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from structlog.testing import capture_logs

from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Text, ToolResult, ToolUse, prompt
from greenroom.specs import Evidence, Reward, Simulated, TaskSpec
from greenroom.specs.checking import NOP
from tests.engine.playing import a_task, an_engine, play_one, shell_agent

pytestmark = pytest.mark.anyio


class Witness:
    """A scorer that notes what it is shown."""

    def __init__(self) -> None:
        self.seen: list[Evidence] = []

    async def __call__(self, evidence: Evidence) -> Reward:
        self.seen.append(evidence)
        return 0.5

    @property
    def evidence(self) -> Evidence:
        """What it was shown, once."""
        (evidence,) = self.seen
        return evidence


async def working(call: ModelCall) -> Completion:
    """A model that uses the shell once, and then says what it found."""
    if len(call.messages) > 3:
        return Completion(parts=(Text("The answer is 42."),))
    return Completion(parts=(ToolUse("1", "bash", '{"command": "echo 6 times 7"}'),), finish_reason="tool_calls")


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("verifier", ["shared", "isolated"])
async def test_what_was_said_can_be_graded(verifier: str) -> None:
    """A scorer is shown the turns with their tools' results, the last message and the log, wherever it judges."""
    witness = Witness()
    task = TaskSpec(id="t", instruction="What is 6 * 7?", deadline=60, score=witness, verifier=verifier)  # type: ignore[arg-type]
    async with Engine("bash", model=working) as engine:
        (outcome,) = [outcome async for outcome in engine.run([task])]
    seen = witness.evidence
    assert (outcome.status, outcome.reward) == ("completed", 0.5)
    assert (tuple(seen.turns), seen.agent_log) == (outcome.turns, outcome.attempts[0].agent_log)
    assert (seen.last_message, len(seen.turns)) == ("The answer is 42.", 2)
    (result,) = [part for part in prompt(outcome.turns, 1).messages[-1].parts if isinstance(part, ToolResult)]
    assert "6 times 7" in str(result.parts)
    assert "6 times 7" in seen.agent_log


async def test_only_the_attempt_that_counts_is_shown() -> None:
    """What was said in attempts that failed is no evidence for the one that is judged."""
    witness = Witness()
    engine = an_engine(sandbox=Simulated(seed=7, fault_rate=0.7), attempts=50, deadline=1e6)
    async with engine:
        found = [outcome async for outcome in engine.run([a_task(score=witness)], samples=8)]
    assert max(len(outcome.attempts) for outcome in found) > 1
    scored = {tuple(turn.completion.text for turn in outcome.turns) for outcome in found if outcome.reward_valid}
    assert {tuple(turn.completion.text for turn in seen.turns) for seen in witness.seen} == scored


@pytest.mark.parametrize(("texts", "last"), [((), ""), (("a", " \n"), "a"), (("", ""), ""), (("a", "b"), "b")])
async def test_the_last_message_is_the_last_that_says_something(texts: tuple[str, ...], last: str) -> None:
    """An answer without a text, such as one that only uses a tool, is not the last message."""

    async def saying(call: ModelCall) -> Completion:
        return Completion(parts=(Text(texts[call.index]),))

    witness = Witness()
    engine = an_engine(sandbox=Simulated(turns=len(texts)), model=saying)
    assert (await play_one(engine, a_task(score=witness))).reward == 0.5
    assert (witness.evidence.last_message, len(witness.evidence.turns)) == (last, len(texts))


async def test_an_agent_that_says_nothing_is_shown_as_such() -> None:
    """The agents that check tasks have no turns, and their scorers are told so."""
    witness = Witness()
    await play_one(an_engine(NOP), a_task(score=witness))
    assert (tuple(witness.evidence.turns), witness.evidence.last_message, witness.evidence.agent_log) == ((), "", "")


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_long_log_is_shown_by_its_end() -> None:
    """Of what an agent printed a scorer sees no more than the last 64 KiB."""
    witness = Witness()
    task = TaskSpec(id="t", instruction="x", deadline=60, score=witness)
    async with Engine(shell_agent("head -c 300000 /dev/zero | tr '\\0' x; echo end"), model=working) as engine:
        assert [outcome.reward async for outcome in engine.run([task])] == [0.5]
    assert (len(witness.evidence.agent_log), witness.evidence.agent_log[-4:]) == (64 * 1024, "end\n")


class Wordless(Exception):
    """An exception that cannot even be told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def look_up(table: dict[str, float]) -> float:
    """Where it goes wrong."""
    return table["no such key"]


async def deep(_: Evidence) -> float:
    """It fails in a function it calls."""
    try:
        return look_up({})
    except KeyError as error:
        raise ValueError("judged badly") from error


async def long_winded(_: Evidence) -> float:
    """Its complaint is long."""
    raise ValueError("x" * 50_000)


async def broken_text(_: Evidence) -> float:
    """Its complaint is no proper text."""
    raise ValueError("half a pair: \ud83d")


async def wordless(_: Evidence) -> float:
    """Its complaint cannot be had."""
    raise Wordless


async def leaving(_: Evidence) -> float:
    """It wants the program to end."""
    raise SystemExit(3)


async def endless(evidence: Evidence) -> float:
    """It calls itself for ever."""
    return await endless(evidence)


FAILING: list[tuple[Callable[[Evidence], Awaitable[float]], str, tuple[str, ...]]] = [
    (deep, "ValueError: judged badly", ("in look_up", 'return table["no such key"]', "KeyError", "in deep")),
    (long_winded, "ValueError: xxx", ("in long_winded", "xxx\n")),
    (broken_text, "ValueError: half a pair: \\ud83d", ("in broken_text", "\\ud83d")),
    (wordless, "Wordless", ("in wordless",)),
    (leaving, "SystemExit: 3", ("in leaving", "SystemExit: 3")),
    (endless, "RecursionError", ("in endless",)),
]


@pytest.mark.parametrize(("score", "message", "traceback"), FAILING, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_scorers_traceback_is_kept(
    score: Callable[[Evidence], Awaitable[float]], message: str, traceback: tuple[str, ...]
) -> None:
    """Whatever a scorer raises is in the fault, in short and as a traceback from the scorer on, and in the log."""
    with capture_logs() as logs:
        outcome = await play_one(an_engine(), a_task(score=score))
    fault = outcome.fault
    assert fault is not None
    assert (outcome.status, fault.kind, fault.blame, outcome.reward) == (
        "verifier_failed",
        "scorer_failed",
        "task",
        None,
    )
    assert fault.message.startswith(f"the scorer raised {message}")
    assert len(fault.message) < 600
    assert len(fault.detail) <= 4000
    assert all(line in fault.detail for line in traceback)
    assert "judgement.py" not in fault.detail
    (entry,) = [entry for entry in logs if entry["event"] == "scorer_failed"]
    assert (entry["rollout"], entry["task"], entry["traceback"]) == (outcome.rollout_id, "t", fault.detail)
    assert msgspec.json.encode(outcome)
