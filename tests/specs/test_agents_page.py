"""The page about agents says what the specs say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from greenroom.specs import AgentSpec
from greenroom.specs.agents import BUILT_IN

BASH_RUNS_THEIR_TOOLS = {"claude-code", "cline", "gemini-cli", "openhands", "qwen-code"}
"""Whatever else the sandbox has. The others take the shell that is there."""

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


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_what_an_agent_requires_is_said(spec: AgentSpec) -> None:
    """The agents that need bash in the sandbox declare it, and the page names them and no others."""
    (sentence,) = re.findall(r"([^.]*)\s+need\s+`bash`\s+in\s+the\s+sandbox", PAGE.read_text())
    found = (f"`{spec.name}`" in sentence, "bash" in spec.requires)
    assert found == (spec.name in BASH_RUNS_THEIR_TOOLS,) * 2
