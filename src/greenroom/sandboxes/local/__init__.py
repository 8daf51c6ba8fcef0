"""Sandboxes on this machine: processes sealed by bubblewrap, or plain ones where that is accepted.

Each sandbox has a first process of ours, the *keeper*, which the engine talks to over a socket. Everything that
happens inside is done by the keeper, inside, so nothing planted there can reach the host. Deaths are learnt through
pidfds. When the engine dies, by whatever signal, the keeper and all with it go too.
"""

from __future__ import annotations

from greenroom.sandboxes.local.backend import LocalBackend, open_local

__all__ = ["LocalBackend", "open_local"]
