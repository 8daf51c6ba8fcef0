"""`greenroom agents`: who can be run, and what is known of each."""

from __future__ import annotations

import shutil
from typing import Literal

import click
import msgspec
from msgspec import Struct

from greenroom.cli.output import columns
from greenroom.introspection.render import table
from greenroom.sandboxes.prefix import prefix_status
from greenroom.specs import AgentSpec, Delivery, Proof, Timeout
from greenroom.specs.registry import agent_names, agent_spec

_HEAD = ("AGENT", "STATUS", "PROOF", "DIALECT", "SUMMARY")


class AgentRow(Struct, frozen=True, kw_only=True):
    """One registered agent."""

    name: str
    status: Literal["ready", "installable", "unavailable"]
    """``installable``: it is installed when it is first used."""
    detail: str
    proof: Proof = "untested"
    """``proved``: greenroom's tests run the real program. ``known``: it was seen to work. ``untested``: neither."""
    version: str = ""
    dialect: str = ""
    summary: str = ""
    mcp: bool = False
    streams: bool = False
    delivery: Delivery = "stdin"
    turn_limit: str = "none"
    approvals: tuple[str, ...] = ()
    """What it is permitted to do without asking."""
    timeouts: tuple[Timeout, ...] = ()
    events: bool = False
    """Whether its steps are seen while it runs."""
    artifacts: tuple[str, ...] = ()
    root: bool = True
    writes_home: bool = True


def report(*, as_json: bool) -> None:
    """Print all of them."""
    found = rows()
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        click.echo(_table(found, columns()))


def _table(found: list[AgentRow], width: int) -> str:
    """All that is known, if there is room; else the details of those alone that cannot be run."""
    known = [(row.name, row.status, row.proof, row.dialect, row.summary) for row in found]
    details = [(row.detail,) for row in found]
    whole = table((*_HEAD, ""), [(*cells, *detail) for cells, detail in zip(known, details, strict=True)])
    if max(map(len, whole.splitlines())) <= width:
        return whole
    needs = [f": {row.detail}" if row.status == "unavailable" else "" for row in found]
    return table(_HEAD, [(*cells[:-1], cells[-1] + need) for cells, need in zip(known, needs, strict=True)], (), width)


def rows() -> list[AgentRow]:
    """Every registered agent, by name."""
    return [_row(name) for name in agent_names()]


def _row(name: str) -> AgentRow:
    try:
        spec = agent_spec(name)
    except ValueError as error:  # its package is broken; the others are not
        return AgentRow(name=name, status="unavailable", detail=str(error))
    status, detail = _status(spec)
    return AgentRow(
        name=name,
        status=status,
        detail=detail,
        proof=spec.proof,
        version=spec.version,
        dialect=spec.dialect,
        summary=spec.summary,
        mcp=spec.mcp,
        streams=spec.streams,
        delivery=spec.delivery,
        turn_limit=spec.turn_limit,
        approvals=spec.approve,
        timeouts=spec.timeouts,
        events=spec.events is not None,
        artifacts=spec.artifacts,
        root=spec.root,
        writes_home=spec.writes_home,
    )


def _status(spec: AgentSpec) -> tuple[Literal["ready", "installable", "unavailable"], str]:
    absent = [program for program in spec.requires if not shutil.which(program)]
    if absent:
        return "unavailable", f"needs {' and '.join(absent)} in the sandbox, and this machine has none"
    if spec.recipe is None:
        return "ready", ""
    prefix = prefix_status(spec.recipe)
    if prefix.installed:
        return "ready", f"installed in {prefix.path}"
    if prefix.missing:
        return "unavailable", f"needs {' and '.join(prefix.missing)}"
    return "installable", "installed when it is first used"
