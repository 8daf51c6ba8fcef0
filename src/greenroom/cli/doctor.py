"""`greenroom doctor`: what this machine can run, and what to install for the rest."""

from __future__ import annotations

import click
import msgspec

from greenroom.cli.checks import Finding, findings
from greenroom.introspection.render import escape, table

_MARKS = {"ok": "ok", "missing": "MISSING", "optional": "optional"}


def report(*, as_json: bool) -> int:
    """Print every finding; the exit status is 0 if the bash agent can run in a local sandbox."""
    found = findings()
    able = not any(finding.needed and finding.state != "ok" for finding in found)
    if as_json:
        click.echo(msgspec.json.encode({"able": able, "findings": found}))
    else:
        click.echo(_text(found, able=able))
    return 0 if able else 1


def _text(found: list[Finding], *, able: bool) -> str:
    rows = [(_MARKS[finding.state], finding.name, finding.detail) for finding in found]
    remedies = [f"  {finding.name}: {finding.remedy}" for finding in found if finding.remedy]
    verdict = (
        "This machine can run the bash agent in local sandboxes."
        if able
        else ("This machine CANNOT run the bash agent in local sandboxes yet: see what is MISSING.")
    )
    advice = ["", "What would help:", *map(escape, remedies)] if remedies else []
    return "\n".join([table(("STATE", "WHAT", "FOUND"), rows), *advice, "", verdict])
