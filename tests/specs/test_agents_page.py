"""The page about agents says what the specs say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from greenroom.specs import AgentSpec
from greenroom.specs.agents import BUILT_IN

PAGE = Path(__file__).resolve().parents[2] / "docs/agents.md"
ROW = re.compile(r"^\| `([\w-]+)` \|" + r"([^|]*)\|" * 9 + "$", re.MULTILINE)
ROWS = {cells[0]: cells[1:] for cells in ROW.findall(PAGE.read_text())}


@pytest.mark.parametrize("spec", [spec for spec in BUILT_IN if spec.name != "simulated"], ids=lambda spec: spec.name)
def test_the_table_agrees_with_the_spec(spec: AgentSpec) -> None:
    """Version, dialect, streaming, MCP, steps and proof of every agent that ships are those of its spec."""
    version, dialect, _, _, _, streams, mcp, steps, proof = (cell.strip() for cell in ROWS[spec.name])
    facts = (spec.version, spec.dialect, spec.streams, spec.mcp, spec.events is not None)
    assert (version, dialect, streams == "yes", mcp == "yes", steps == "yes") == facts
    assert (proof in {"every run", "`make agents`"}) == (spec.proof == "proved")
