"""This machine as package registries call it: prefixes are installed here, for here."""

from __future__ import annotations

import platform

CPU = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""As npm says it."""
NODE = "24.19.0"
"""The node that agents written in JavaScript get: one version, so that one download serves all."""
