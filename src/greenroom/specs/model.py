"""Who answers the agents' model calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct


class ModelSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all model specs. Besides these, any async callable ``ModelCall -> Completion`` is a model."""


class _Endpoint(ModelSpec, frozen=True, forbid_unknown_fields=True):
    base_url: str
    """Up to and including ``/v1``."""


class Upstream(_Endpoint, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="upstream"):
    """An OpenAI-compatible server. Its key is read from an environment variable, never kept in the spec."""

    model: str
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; ``None``: no key is sent."""
    timeout: float = 600.0
    """Seconds one completion may take, retries included."""
    attempts: int = 4
    """Tries on 408, 409, 429, 5xx and broken connections."""
    token_ids: bool = True
    """Ask for exact token ids and log-probabilities (``return_token_ids``, ``logprobs``), as vLLM gives them."""


class Gate(ModelSpec, frozen=True, forbid_unknown_fields=True, tag="gate"):
    """The trainer owns the forward pass: calls are held until `Engine.calls` hands them out and they are answered."""


class Scripted(ModelSpec, frozen=True, forbid_unknown_fields=True, tag="scripted"):
    """Completions from a script file, for tests and demos. `greenroom.interception.scripted` has the format."""

    path: str


Model = ModelSpec | Callable[..., Awaitable[object]]
"""What `Engine(model=...)` takes."""
