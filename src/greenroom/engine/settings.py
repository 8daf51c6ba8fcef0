"""What `Engine` takes, checked before anything starts. Each error names the field, the value and what is allowed."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

from msgspec import Struct

from greenroom.specs import AgentSpec, BlackBox, HostTool, Model, ModelSpec, SandboxSpec, Simulated
from greenroom.specs.agent_rules import check_agent
from greenroom.specs.limit_rules import bounds
from greenroom.specs.limits import Bounds, Limits
from greenroom.specs.registry import agent_spec
from greenroom.specs.tool_rules import check_tools

DEADLINE = 1800.0
"""Seconds one rollout may take, unless something else is said."""

MODEL_WAIT = 600.0
"""Seconds of a rollout for which the model's side may hold calls before that counts as the agent's time."""


class Settings(Struct, frozen=True, kw_only=True, eq=False):
    """An engine, declared."""

    agent: AgentSpec
    sandbox: SandboxSpec
    model: Model
    concurrency: int
    bounds: Bounds
    """Of admission, ``concurrency`` included."""
    attempts: int
    deadline: float
    model_wait: float
    store: str | None
    shutdown: float
    tools: tuple[HostTool, ...]

    @property
    def model_name(self) -> str:
        """What agents are told the model is called."""
        name = getattr(self.model, "model", "")
        return name if isinstance(name, str) and name else "greenroom"


def settings(
    agent: str | AgentSpec,
    *,
    sandbox: SandboxSpec,
    model: Model,
    concurrency: int,
    attempts: int,
    deadline: float,
    model_wait: float = MODEL_WAIT,
    store: str | Path | None,
    shutdown: float,
    tools: Sequence[HostTool] = (),
    limits: Limits | None = None,
) -> Settings:
    """Check all of it.

    Raises:
        ValueError: A value is not allowed.
        TypeError: A value is of the wrong type.
    """
    spec = _agent(agent)
    _check_sandbox(sandbox, spec)
    _check_model(model)
    _check_count("concurrency", concurrency)
    _check_count("attempts", attempts)
    _check_seconds("deadline", deadline)
    _check_seconds("shutdown", shutdown)
    _check_wait("model_wait", model_wait)
    return Settings(
        agent=spec,
        sandbox=sandbox,
        model=model,
        concurrency=concurrency,
        bounds=bounds(limits or Limits(), concurrency),
        attempts=attempts,
        deadline=float(deadline),
        model_wait=float(model_wait),
        store=_store(store),
        shutdown=float(shutdown),
        tools=_tools(tools, model),
    )


def _agent(agent: object) -> AgentSpec:
    match agent:
        case AgentSpec():
            check_agent(agent)
            return agent
        case str():
            return agent_spec(agent)
        case _:
            raise TypeError(f"agent: expected the name of an agent or an AgentSpec, got {agent!r}")


def _check_sandbox(sandbox: object, agent: AgentSpec) -> None:
    if not isinstance(sandbox, SandboxSpec):
        raise TypeError(f"sandbox: expected a sandbox spec such as Local() or Simulated(), got {sandbox!r}")
    if agent.name == "simulated" and not isinstance(sandbox, Simulated):
        raise ValueError(f"agent: 'simulated' runs in Simulated() sandboxes only, not in {type(sandbox).__name__}()")


def _check_model(model: object) -> None:
    if isinstance(model, type):
        raise TypeError(f"model: {model.__name__} is a class; write {model.__name__}(...)")
    if isinstance(model, ModelSpec) or _is_async(model):
        return
    raise TypeError(f"model: expected Upstream, Gate, Scripted, BlackBox or an async callable, got {model!r}")


def _tools(tools: Sequence[object], model: object) -> tuple[HostTool, ...]:
    checked = check_tools(tools)
    if checked and isinstance(model, BlackBox):
        raise ValueError("tools: a BlackBox passes requests on as they are, so there is no host tool in them")
    return checked


def _is_async(value: object) -> bool:
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, "__call__", None))  # noqa: B004 - its type is asked for


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected a whole number, 1 or more, got {value!r}")
    if value < 1:
        raise ValueError(f"{name}: expected 1 or more, got {value}")


def _check_seconds(name: str, value: object) -> None:
    if not _is_number(value):
        raise TypeError(f"{name}: expected seconds, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name}: expected seconds above 0, got {value!r}")


def _check_wait(name: str, value: object) -> None:
    if not _is_number(value):
        raise TypeError(f"{name}: expected seconds, got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected seconds, 0 or more, got {value!r}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _store(store: object) -> str | None:
    if store is None or isinstance(store, str):
        return store or None
    if isinstance(store, Path):
        return str(store)
    raise TypeError(f"store: expected a directory or None, got {store!r}")
