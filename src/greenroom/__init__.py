"""Runs coding agents in sandboxes, thousands at a time, and never loses track of one.

Names are looked up when they are first used, so that ``import greenroom`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom.engine import Engine, open_engine
    from greenroom.engine.tasks import load_tasks
    from greenroom.messages import Outcome
    from greenroom.specs import AgentSpec, Docker, Gate, Local, Scripted, Simulated, TaskSpec, Upstream
    from greenroom.specs.registry import register_agent

__version__ = "0.1.0"

_ROOMS = {
    "AgentSpec": "greenroom.specs",
    "Docker": "greenroom.specs",
    "Engine": "greenroom.engine",
    "Gate": "greenroom.specs",
    "Local": "greenroom.specs",
    "Outcome": "greenroom.messages",
    "Scripted": "greenroom.specs",
    "Simulated": "greenroom.specs",
    "TaskSpec": "greenroom.specs",
    "Upstream": "greenroom.specs",
    "load_tasks": "greenroom.engine.tasks",
    "open_engine": "greenroom.engine",
    "register_agent": "greenroom.specs.registry",
}

__all__ = [
    "AgentSpec",
    "Docker",
    "Engine",
    "Gate",
    "Local",
    "Outcome",
    "Scripted",
    "Simulated",
    "TaskSpec",
    "Upstream",
    "load_tasks",
    "open_engine",
    "register_agent",
]


def __getattr__(name: str) -> object:
    """Import the room a public name lives in (PEP 562)."""
    if name not in _ROOMS:
        message = f"module 'greenroom' has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(_ROOMS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, those not yet imported included."""
    return [*__all__, "__version__"]
