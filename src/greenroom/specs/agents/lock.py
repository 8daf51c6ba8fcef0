"""Locks of the agents that ship: files beside their specs, which nobody reads before something is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

LOCKS: Final = Path(__file__).parent / "locks"
NODE_LOCK: Final = str(LOCKS / "node.txt")
"""The Python wheel that holds node and npm, for machines without npm."""


def npm_lock(agent: str) -> str:
    """Where the lock of an agent made of npm packages lies."""
    return str(LOCKS / f"{agent}.json")


def python_lock(agent: str) -> str:
    """Where the lock of an agent made of Python packages lies."""
    return str(LOCKS / f"{agent}.txt")
