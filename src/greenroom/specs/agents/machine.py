"""This machine as package registries call it: prefixes are installed here, for here."""

from __future__ import annotations

import platform
from typing import Final

CPUS: Final = {"x86_64": "x64", "aarch64": "arm64"}
"""Machines that agents are packaged for, and how npm calls them."""
CPU: Final = CPUS.get(platform.machine(), platform.machine())
"""This one, as npm says it."""
NODE: Final = "24.19.0"
"""The node that agents written in JavaScript get: one version, so that one download serves all."""
