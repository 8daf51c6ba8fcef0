"""`greenroom agents`: who can be run."""

from __future__ import annotations

from typing import Literal

import click
import msgspec
from msgspec import Struct

from greenroom.introspection.render import table
from greenroom.sandboxes.prefix import prefix_status
from greenroom.specs import AgentSpec
from greenroom.specs.registry import agent_names, agent_spec


class AgentRow(Struct, frozen=True, kw_only=True):
    """One registered agent."""

    name: str
    status: Literal["ready", "installable", "unavailable"]
    """``installable``: it is installed when it is first used."""
    detail: str
    dialect: str = ""
    summary: str = ""


def report(*, as_json: bool) -> None:
    """Print all of them."""
    found = rows()
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        cells = [(row.name, row.status, row.dialect, row.summary, row.detail) for row in found]
        click.echo(table(("AGENT", "STATUS", "DIALECT", "SUMMARY", ""), cells))


def rows() -> list[AgentRow]:
    """Every registered agent, by name."""
    return [_row(name) for name in agent_names()]


def _row(name: str) -> AgentRow:
    try:
        spec = agent_spec(name)
    except ValueError as error:  # its package is broken; the others are not
        return AgentRow(name=name, status="unavailable", detail=str(error))
    status, detail = _status(spec)
    return AgentRow(name=name, status=status, detail=detail, dialect=spec.dialect, summary=spec.summary)


def _status(spec: AgentSpec) -> tuple[Literal["ready", "installable", "unavailable"], str]:
    if spec.recipe is None:
        return "ready", ""
    prefix = prefix_status(spec.recipe)
    if prefix.installed:
        return "ready", f"installed in {prefix.path}"
    if prefix.missing:
        return "unavailable", f"needs {' and '.join(prefix.missing)}"
    return "installable", "installed when it is first used"
