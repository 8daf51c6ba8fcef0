"""One policy, written once, for every way of answering model calls."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import anyio
import pytest

import greenroom as gr
from greenroom.messages import Completion, ModelCall, Outcome, Text
from tests.engine.playing import a_task, an_engine

FAST = gr.Simulated(boot=0.001, turn=0.001)


def policy(call: ModelCall) -> Completion:
    """An answer that tells all that a policy may want to know."""
    known = [call.rollout_id, call.task_id, call.sample, call.attempt, call.index, call.dialect, call.model]
    asked = [len(call.messages), len(call.tools), call.tool_choice, call.sampling, call.stream, call.extra]
    return Completion(parts=(Text(repr([*known, *asked, call.request.id])),))


def said(outcomes: Sequence[Outcome]) -> list[str]:
    """What the policy said in one rollout, but for the numbers that differ from engine to engine."""
    (outcome,) = outcomes
    assert outcome.status == "completed", outcome.fault
    return [turn.completion.text.replace(outcome.rollout_id, "R") for turn in outcome.turns]


@pytest.mark.anyio
async def test_one_policy_serves_a_callable_a_gate_and_a_session() -> None:
    """What is written for a `ModelCall` answers a gate's calls, a session's and a function's, and learns the same."""

    async def callable_model(call: ModelCall) -> Completion:
        return policy(call)

    async def by_batches(engine: gr.Engine) -> None:
        async for batch in engine.calls():
            for call in batch:
                assert call.reply(policy(call))

    async with an_engine(model=callable_model) as engine:
        from_callable = [outcome async for outcome in engine.run([a_task()])]
    async with an_engine(model=gr.Scripted(policy)) as engine:
        from_function = [outcome async for outcome in engine.run([a_task()])]
    async with an_engine(model=gr.Gate()) as engine, anyio.create_task_group() as group:
        group.start_soon(by_batches, engine)
        from_gate = [outcome async for outcome in engine.run([a_task()])]
        async with engine.session(a_task()) as session:
            while (call := await session.next_call()) is not None:
                assert call.reply(policy(call))
            from_session = [await session.outcome()]
        group.cancel_scope.cancel()
    assert said(from_callable) == said(from_function) == said(from_gate) == said(from_session)
    assert "'t', 0, 1, 0, 'chat', 'greenroom'" in said(from_gate)[0]


@pytest.mark.real_time
def test_one_policy_serves_plain_scripts() -> None:
    """The same function answers the calls of an engine that blocks, in batches and one by one."""

    def by_batches() -> None:
        for batch in engine.calls():
            for call in batch:
                call.reply(policy(call))

    with gr.open_engine("simulated", model=gr.Gate(), sandbox=FAST) as engine:
        trainer = threading.Thread(target=by_batches)
        trainer.start()
        from_gate = list(engine.run([a_task()]))
        with engine.session(a_task()) as session:
            while (call := session.next_call()) is not None:
                call.reply(policy(call))
            from_session = [session.outcome()]
    trainer.join(10)
    assert said(from_gate) == said(from_session)
    assert len(said(from_gate)) == 4
