from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from greenroom.engine import Engine
from greenroom.engine.settings import settings
from greenroom.messages import Completion, ModelCall
from greenroom.specs import AgentSpec, Gate, Invocation, Launch, Local, Model, Scripted, Simulated, Upstream
from tests.engine.playing import answer


def nothing(_: Launch) -> Invocation:
    """An agent that is hardly one."""
    return Invocation(argv=("true",))


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"agent": "nobody"}, ValueError, "unknown agent 'nobody'; known are: aider, bash, "),
    ({"agent": 3}, TypeError, "agent: expected the name of an agent or an AgentSpec, got 3"),
    ({"agent": "simulated"}, ValueError, r"'simulated' runs in Simulated\(\) sandboxes only, not in Local\(\)"),
    (
        {"agent": AgentSpec(name="BAD", dialect="chat", command=nothing)},
        ValueError,
        "name",
    ),
    ({"sandbox": "local"}, TypeError, "sandbox: expected a sandbox spec such as .*, got 'local'"),
    ({"model": None}, TypeError, "model: expected Upstream, Gate, Scripted, BlackBox or an async callable, got None"),
    ({"model": Gate}, TypeError, r"model: Gate is a class; write Gate\(...\)"),
    ({"model": print}, TypeError, "model: expected .* async callable"),
    ({"concurrency": 0}, ValueError, "concurrency: expected 1 or more, got 0"),
    ({"concurrency": 2.5}, TypeError, "concurrency: expected a whole number, 1 or more, got 2.5"),
    ({"attempts": True}, TypeError, "attempts: expected a whole number, 1 or more, got True"),
    ({"deadline": 0}, ValueError, "deadline: expected seconds above 0, got 0"),
    ({"deadline": float("inf")}, ValueError, "deadline: expected seconds above 0, got inf"),
    ({"deadline": float("nan")}, ValueError, "deadline: expected seconds above 0, got nan"),
    ({"deadline": "1h"}, TypeError, "deadline: expected seconds, got '1h'"),
    ({"model_wait": -1}, ValueError, "model_wait: expected seconds, 0 or more, got -1"),
    ({"model_wait": float("inf")}, ValueError, "model_wait: expected seconds, 0 or more, got inf"),
    ({"model_wait": True}, TypeError, "model_wait: expected seconds, got True"),
    ({"shutdown": -1}, ValueError, "shutdown: expected seconds above 0, got -1"),
    ({"store": 3}, TypeError, "store: expected a directory or None, got 3"),
]


@pytest.mark.parametrize(("change", "error", "says"), WRONG)
def test_wrong_settings_are_refused_at_once(change: dict[str, Any], error: type[Exception], says: str) -> None:
    """Each wrong value is refused when the engine is made, naming the field, the value and what is allowed."""
    good: dict[str, Any] = {"agent": "bash", "model": answer}
    with pytest.raises(error, match=says):
        Engine(**(good | change))


class Thoughtful:
    async def __call__(self, call: ModelCall) -> Completion:
        """Answer."""
        return await answer(call)


@pytest.mark.parametrize(
    "model", [Gate(), Scripted("x.toml"), Upstream("http://h/v1", model="m"), answer, Thoughtful()]
)
def test_all_kinds_of_models_are_taken(model: Model) -> None:
    """Specs, async functions and objects with an async call are models."""
    assert Engine("bash", model=model).settings.model is model


def test_the_defaults_are_safe() -> None:
    """Without being asked, an engine seals its sandboxes, bounds its rollouts and tries again."""
    made = Engine("bash", model=answer).settings
    assert (made.sandbox, made.attempts, made.deadline, made.store) == (Local(), 3, 1800.0, None)
    assert made.model_wait == 600.0


def test_agents_are_told_the_models_name() -> None:
    """An upstream's model name is what agents are told; otherwise it is greenroom's."""

    def name(model: Model) -> str:
        return Engine("bash", model=model).settings.model_name

    assert name(Upstream("http://h/v1", model="Qwen3-8B")) == "Qwen3-8B"
    assert name(Gate()) == "greenroom"


def test_a_store_may_be_a_path() -> None:
    """A directory is given as text or as a path."""
    for store in ("runs/today", Path("runs/today")):
        made = settings(
            "simulated", sandbox=Simulated(), model=answer, store=store,
            concurrency=1, attempts=1, deadline=1, shutdown=1,
        )  # fmt: skip
        assert made.store == "runs/today"
