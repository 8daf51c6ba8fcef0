"""OpenCode, a coding agent for any model."""

from __future__ import annotations

from greenroom.specs.agent import Invocation, Launch
from greenroom.specs.agents.machine import CPU
from greenroom.specs.agents.opencode_family import family_invocation, family_spec

_VERSION = "1.18.33"
_PACKAGE = f"opencode-linux-{CPU}"
_PROGRAM = f"node_modules/{_PACKAGE}/bin/opencode"
# A policy may hold a call for as long as the agent's budget lasts.
_PATIENCE = {"timeout": False, "headerTimeout": False, "chunkTimeout": False}


def opencode_command(launch: Launch) -> Invocation:
    """``opencode run``, with every time-out lifted."""
    return family_invocation(launch, _PROGRAM, variable="OPENCODE_CONFIG_CONTENT", patience=_PATIENCE)


OPENCODE = family_spec(
    "opencode",
    _PACKAGE,
    _VERSION,
    program=_PROGRAM,
    summary=f"OpenCode {_VERSION}: a coding agent for any model",
    command=opencode_command,
    quiet={
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    },
    proof="proved",
)
