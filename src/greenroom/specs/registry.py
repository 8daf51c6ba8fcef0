"""Agents by name: those that ship, those that packages announce, and those a program registers itself.

A package announces an agent through the entry point group ``greenroom.agents``; the entry point's name is the
agent's name and its value an `AgentSpec`. It is loaded when somebody asks for that agent, not before.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from greenroom.specs.agent import AgentSpec
from greenroom.specs.agent_rules import check_agent
from greenroom.specs.agents import BUILT_IN
from greenroom.specs.checking import CHECKING

ENTRY_POINTS = "greenroom.agents"

_registered: dict[str, AgentSpec] = {}


def register_agent(spec: AgentSpec) -> None:
    """Make an agent known by its name. The same object again changes nothing.

    Raises:
        ValueError: The spec breaks a rule, or another agent has this name.
    """
    check_agent(spec)
    name = _canonical(spec.name)
    if name in agent_names() and agent_spec(name) is not spec:
        raise ValueError(f"agent {spec.name!r}: name: another agent is registered under it; choose another name")
    _registered[name] = spec


def unregister_agent(name: str) -> None:
    """Forget an agent that was registered by `register_agent`.

    Raises:
        ValueError: No such agent was registered; agents that ship or that packages announce cannot be forgotten.
    """
    if _registered.pop(_canonical(name), None) is None:
        raise ValueError(f"agent {name!r} was not registered; registered are: {_listing(sorted(_registered))}")


def agent_spec(name: str) -> AgentSpec:
    """The agent of this name; ``-`` and ``_`` are the same.

    Raises:
        ValueError: There is no such agent (the message lists those there are), or its package cannot provide it.
    """
    canonical = _canonical(name)
    spec = _registered.get(canonical) or _built_in().get(canonical)
    if spec is not None:
        return spec
    if announced := _announced().get(canonical):
        return _load(announced)
    raise ValueError(f"unknown agent {name!r}; known are: {_listing(agent_names())}")


def agent_names() -> list[str]:
    """Names of all known agents, sorted. Loads none of those that packages announce."""
    return sorted({*_built_in(), *_announced(), *_registered})


@cache
def _built_in() -> dict[str, AgentSpec]:
    return {_canonical(spec.name): spec for spec in (*BUILT_IN, *CHECKING)}


def _announced() -> dict[str, EntryPoint]:
    return {_canonical(point.name): point for point in entry_points(group=ENTRY_POINTS)}


@cache
def _load(point: EntryPoint) -> AgentSpec:
    origin = f"agent {point.name!r}, announced as {point.value!r}"
    try:
        spec = point.load()
    except Exception as error:  # a boundary: other people's code, imported
        raise ValueError(f"{origin}: cannot be imported: {error!r}") from error
    if not isinstance(spec, AgentSpec):
        raise ValueError(f"{origin}: is {type(spec).__name__}, not AgentSpec; point the entry point at the spec")  # noqa: TRY004
    check_agent(spec)
    if _canonical(spec.name) != _canonical(point.name):
        raise ValueError(f"{origin}: name: the spec says {spec.name!r}; give both the same name")
    return spec


def _canonical(name: str) -> str:
    return name.replace("_", "-")


def _listing(names: list[str]) -> str:
    return ", ".join(names) or "none"
