"""Sandboxes in Docker containers: sealed off, told by events, never left behind.

Every container has a first program of ours, the *keeper*, that ends it in time. Programs are execs of the engine, and
how they end is learnt from its one stream of events. Three layers see to what a dying engine leaves: the keeper, a
*reaper* process beside the engine, and a *sweep* whenever a backend is opened.
"""

from __future__ import annotations

from greenroom.sandboxes.docker.backend import DockerBackend, open_docker

__all__ = ["DockerBackend", "open_docker"]
