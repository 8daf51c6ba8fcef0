"""The engine in other people's programs: in threads, inside a loop that runs already, under uvloop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from greenroom.engine import Engine, open_engine
from greenroom.messages import Outcome
from greenroom.specs import Local, Simulated, TaskSpec
from tests.engine.playing import a_task, quick, shell_agent, tasks

pytestmark = pytest.mark.real_time
FAST = Simulated(boot=0.001, turn=0.001)
SIGNALS = [number for number in signal.valid_signals() if number not in {signal.SIGKILL, signal.SIGSTOP}]
Loop = Callable[[Coroutine[Any, Any, list[Outcome]]], list[Outcome]]


def _asyncio(main: Coroutine[Any, Any, list[Outcome]]) -> list[Outcome]:
    return asyncio.run(main)


def _uvloop(main: Coroutine[Any, Any, list[Outcome]]) -> list[Outcome]:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Its libuv keeps a pipe for the life of the process, from its first loop that runs in the main thread."""
    _uvloop(_nothing())


async def _nothing() -> list[Outcome]:
    return []


LOOPS = pytest.mark.parametrize("loop", [_asyncio, _uvloop])


def played(work: list[TaskSpec]) -> list[str]:
    """The statuses of all outcomes, from an engine of code that is not async."""
    with open_engine("simulated", model=quick, sandbox=FAST, console=False) as engine:
        return [outcome.status for outcome in engine.run(work)]


@LOOPS
def test_inside_a_loop_that_runs(loop: Loop) -> None:
    """Where a loop runs already, as in a notebook, the blocking engine works, and that loop works after it."""

    async def notebook() -> list[Outcome]:
        assert played(tasks(5)) == ["completed"] * 5
        await asyncio.sleep(0)
        assert await asyncio.to_thread(played, tasks(3)) == ["completed"] * 3
        return []

    loop(notebook())


@LOOPS
def test_the_async_engine_in_somebody_elses_loop(loop: Loop) -> None:
    """Rollouts with real processes run beside whatever else the loop does."""

    async def program() -> list[Outcome]:
        agent = shell_agent("echo done > result.txt")
        sandbox = Local(unsafe=True)
        async with Engine(agent, model=quick, sandbox=sandbox, console=False) as engine:
            work = [a_task(f"t{number}", verify=("grep done result.txt",)) for number in range(3)]
            return [outcome async for outcome in engine.run(work)]

    outcomes = loop(program())
    assert [(outcome.status, outcome.reward) for outcome in outcomes] == [("completed", 1.0)] * 3


def test_engines_in_several_threads() -> None:
    """Each thread has an engine of its own, all at once."""
    found: dict[int, list[str]] = {}

    def work(number: int) -> None:
        found[number] = played(tasks(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {number: ["completed"] * number for number in range(1, 5)}


def test_one_engine_serves_many_threads() -> None:
    """Several threads have runs of their own in one engine, and each gets its own outcomes."""
    found: dict[int, set[str]] = {}

    with open_engine("simulated", model=quick, sandbox=FAST, console=False) as engine:

        def work(number: int) -> None:
            found[number] = {outcome.task_id for outcome in engine.run([a_task(f"{number}-{n}") for n in range(4)])}

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert found == {number: {f"{number}-{n}" for n in range(4)} for number in range(4)}


def test_groups_limits_and_cancellation_from_a_thread() -> None:
    """What an engine can be asked in its loop it can be asked from elsewhere."""
    slow = Simulated(boot=0.001, turn=60)
    with open_engine("simulated", model=quick, sandbox=slow, concurrency=1, console=False) as engine:
        assert engine.set(concurrency=4, per_image=2).concurrency == 4
        threading.Timer(0.3, engine.cancel, ["mine/t0"]).start()
        assert [len(group) for group in engine.groups(tasks(1), 3, name="mine")] == [3]
        assert engine.snapshot().finished == {"cancelled": 3}


def test_signals_stay_the_callers() -> None:
    """Before, while, and after an engine is open, every signal does what it did."""

    def handlers() -> list[object]:
        return [signal.getsignal(number) for number in SIGNALS]

    before = handlers()
    with open_engine("simulated", model=quick, sandbox=FAST, console=False) as engine:
        outcomes = engine.run(tasks(2))
        next(outcomes)
        assert handlers() == before
        assert len(list(outcomes)) == 1
    assert handlers() == before
    assert signal.set_wakeup_fd(-1) == -1


SCRIPT = """
import sys
from greenroom.engine import open_engine
from greenroom.specs import Simulated
from tests.engine.playing import quick, tasks

try:
    with open_engine("simulated", model=quick, sandbox=Simulated(boot=0.001, turn=60), console=False) as engine:
        print("open", flush=True)
        for outcome in engine.run(tasks(3)):
            print(outcome.status, flush=True)
except KeyboardInterrupt:
    print("interrupted", engine._engine.snapshot().running, flush=True)
"""


def test_ctrl_c_interrupts_a_script() -> None:
    """Ctrl-C raises in the loop over outcomes, as everywhere, and leaving the block ends all rollouts."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    script = subprocess.Popen([sys.executable, "-c", SCRIPT], env=env, stdout=subprocess.PIPE, text=True)
    with script:
        assert script.stdout is not None
        assert script.stdout.readline() == "open\n"
        began = time.monotonic()
        script.send_signal(signal.SIGINT)
        assert script.stdout.read() == "interrupted 0\n"
        assert script.wait(30) == 0
        assert time.monotonic() - began < 30
