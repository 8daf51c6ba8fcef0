"""The bounds of the interception server, all in one place."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds that keep one agent from starving the rest. Durations are seconds, sizes bytes."""

    body: int = 32 * 1024 * 1024
    """Largest request body, after decompression; more is answered 413."""
    body_seconds: float = 60.0
    """Time for a request body to arrive."""
    write_seconds: float = 300.0
    """Time for a reader to take one piece of a response; a slower one is cut off."""
    idle_seconds: float = 75.0
    """Time a connection may be open without a complete request head."""
    headers: int = 128
    """Most header fields of a request; more are answered 431."""
    header_bytes: int = 64 * 1024
    """All of them together, names included."""
    tools: int = 1024
    """Most tools a request may offer. How deep it may nest is in `greenroom.interception.dialects.value`."""
    connections: int = 8192
    """Open connections per listening socket; more are closed at once."""
    sandbox_connections: int = 512
    """The same for a socket that is inside a sandbox, and so one agent's alone."""
    per_second: float = 500.0
    """Requests a second per route in the long run; faster ones are held, never refused: there are agents that give up
    at the first 429. A body counts as one more request for each 64 KiB."""
    burst: float = 5000.0
    """How many come through at once after a rest."""
    strangers_per_second: float = 100.0
    """The same for everybody without a good key, together."""
    strangers_burst: float = 1000.0
    requests: int = 64
    """Open requests per route. Those beyond ``in_flight`` are held; beyond this one they are answered 429."""
    in_flight: int = 16
    """Calls per route that are with the model at once."""
    remembered: int = 8
    """Finished calls per route whose answer is kept for an agent that asks again."""
    memory: int = 16 * 1024 * 1024
    """Characters of text per route that are kept for an agent that refers to earlier responses instead of repeating
    them. The oldest responses are forgotten first."""
    answer_seconds: float = 7200.0
    """Time for one answer, waiting for its turn included. A route is usually closed long before."""
    grace: float = 5.0
    """How long an answer nobody waits for any more is still awaited, for the agent's retry to find it."""
    keepalive: float = 10.0
    """Longest silence on a stream while the answer is awaited."""
