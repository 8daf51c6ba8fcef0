"""Which sandboxes this system can have. Nothing else of greenroom asks what it runs on."""

from __future__ import annotations

import os
import sys

from greenroom.specs import Docker, Local, SandboxSpec


def why_not_here(spec: SandboxSpec) -> str:
    """One sentence that says why these sandboxes cannot be had on this system; empty if they can."""
    if not isinstance(spec, Local | Docker) or (sys.platform == "linux" and hasattr(os, "pidfd_open")):
        return ""
    name = type(spec).__name__
    return (
        f"{name} sandboxes need Linux (pidfd_open, prctl, namespaces), and this is {sys.platform}; "
        "use Simulated sandboxes on this system, or run greenroom on Linux"
    )
