from __future__ import annotations

import threading

import pytest

from greenroom.engine import EngineError, open_engine
from greenroom.messages import Completion, Text
from greenroom.specs import Gate, Simulated
from tests.engine.playing import quick, tasks

pytestmark = pytest.mark.real_time
FAST = Simulated(boot=0.001, turn=0.001)


def test_a_script_reads_outcomes_in_a_plain_loop() -> None:
    """Code that is not async opens an engine, iterates over outcomes, and leaves nothing behind."""
    with open_engine("simulated", model=quick, sandbox=FAST) as engine:
        outcomes = list(engine.run(tasks(10), samples=2))
        assert engine.snapshot().done == 20
    assert {outcome.status for outcome in outcomes} == {"completed"}


def test_leaving_a_plain_loop_cancels_what_runs() -> None:
    """A loop that is left early cancels its rollouts, and the block ends promptly."""
    with open_engine("simulated", model=quick, sandbox=Simulated(boot=0.001, turn=60), concurrency=4) as engine:
        outcomes = engine.run(tasks(10))
        threading.Timer(0.2, engine.stop, ["enough"]).start()
        assert {outcome.status for outcome in outcomes} == {"cancelled"}


def test_calls_are_answered_from_another_thread() -> None:
    """A trainer's thread takes calls in batches and answers them, while another one reads outcomes."""

    def train() -> None:
        for batch in engine.calls(max_batch=8):
            for call in batch:
                call.reply(Completion(parts=(Text("ok"),)))

    with open_engine("simulated", model=Gate(), sandbox=FAST) as engine:
        trainer = threading.Thread(target=train)
        trainer.start()
        outcomes = list(engine.run(tasks(5)))
    trainer.join(10)
    assert not trainer.is_alive()
    assert [len(outcome.turns) for outcome in outcomes] == [4] * 5


def test_calls_need_a_gate() -> None:
    """Asking for calls of an engine whose model answers them itself is an error that says so."""
    with open_engine("simulated", model=quick, sandbox=FAST) as engine, pytest.raises(EngineError, match="Gate"):
        next(engine.calls())


def test_wrong_settings_are_refused_before_a_thread_is_started() -> None:
    """What `Engine` refuses is refused here too, at once."""
    with pytest.raises(ValueError, match="unknown agent"), open_engine("nobody", model=quick):
        pass
