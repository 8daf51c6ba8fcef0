"""Who answers the agents' model calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct


class ModelSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all model specs. Besides these, any async callable ``ModelCall -> Completion`` is a model."""


class _Endpoint(ModelSpec, frozen=True, forbid_unknown_fields=True):
    base_url: str
    """Up to and including the version, such as ``/v1``."""


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


class BlackBox(_Endpoint, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="black_box"):
    """The agent talks to a provider of its own, in its own dialect, and greenroom only passes on what they say.

    For evaluating, not for training: turns are recorded as far as they can be read, without tokens, and outcomes say
    that they are not ``trainable``. The key is read from an environment variable and put into each request on its way
    out: the agent never has it.
    """

    model: str = ""
    """The model agents are told to ask for; empty: ``greenroom``, for providers that do not look at the name."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; ``None``: no key is sent."""
    timeout: float = 3600.0
    """Seconds one reply may take, from the request to its last byte."""


class Scripted(ModelSpec, frozen=True, forbid_unknown_fields=True, tag="scripted"):
    """Answers that are known before, for tests, demos and replays."""

    script: str | Callable[..., object]
    """A script file, TOML or JSON (`greenroom.interception.script` has the format); the directory of a run, its
    ``outcomes.jsonl``, or a ``.jsonl`` file of outcomes, one a line, whose recorded answers are given again; or a plain
    function from a ``ModelCall`` to a ``Completion`` or to the text of one."""


Model = ModelSpec | Callable[..., Awaitable[object]]
"""What `Engine(model=...)` takes."""
