"""Kilo, a fork of OpenCode."""

from __future__ import annotations

from greenroom.specs.agent import Invocation, Launch
from greenroom.specs.agents.machine import CPU
from greenroom.specs.agents.opencode_family import family_invocation, family_spec

_VERSION = "7.7.7"
_PACKAGE = f"@kilocode/cli-linux-{CPU}"
_PROGRAM = f"node_modules/{_PACKAGE}/bin/kilo"


def kilo_command(launch: Launch) -> Invocation:
    """``kilo run``, with its time-out lifted."""
    return family_invocation(launch, _PROGRAM, variable="KILO_CONFIG_CONTENT", patience={"timeout": False})


KILO = family_spec(
    "kilo",
    _PACKAGE,
    _VERSION,
    program=_PROGRAM,
    summary=f"Kilo {_VERSION}: a fork of OpenCode",
    command=kilo_command,
    quiet={
        "KILO_DISABLE_MODELS_FETCH": "1",
        "KILO_DISABLE_AUTOUPDATE": "1",
        "KILO_DISABLE_LSP_DOWNLOAD": "1",
        "KILO_DISABLE_CODEBASE_INDEXING": "1",
        "KILO_DISABLE_PRESENCE": "1",
        "KILO_DISABLE_SESSION_INGEST": "1",
        "KILO_TELEMETRY_LEVEL": "off",
    },
    proof="proved",
)
