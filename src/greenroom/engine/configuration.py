"""What is kept of an engine's settings, so that a later start can be compared with it, or made from it. No secrets."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from greenroom.engine.settings import MODEL_WAIT, Settings
from greenroom.engine.store_errors import StoreIncompatible
from greenroom.specs import (
    AgentSpec,
    BlackBox,
    Docker,
    Local,
    Model,
    ModelSpec,
    SandboxSpec,
    Scripted,
    Simulated,
    Upstream,
)

_AGENT = (
    *("dialect", "version", "command", "recipe", "requires", "delivery", "model_format", "approve"),
    *("exit_code_lies", "may_be_silent", "events"),
)
"""Fields of an agent that rollouts depend on."""
_AGENT_VALUES = ("env", "quiet", "files", "mcp_servers")
"""Those that hold what users have written."""
_SANDBOX = Local | Docker | Simulated
_MODEL = Upstream | BlackBox


def config_of(settings: Settings) -> str:
    """As JSON."""
    config = {
        "agent": settings.agent.name,
        "agent_spec": _agent(settings.agent),
        "sandbox": _plain(settings.sandbox),
        "model": _plain_model(settings.model),
        "tools": [_plain(tool) for tool in settings.tools],
        "concurrency": settings.concurrency,
        "attempts": settings.attempts,
        "deadline": settings.deadline,
        "model_wait": settings.model_wait,
    }
    return msgspec.json.encode(config).decode()


class Configuration(Struct, frozen=True, kw_only=True):
    """What can be made again of what was kept."""

    agent: str
    sandbox: SandboxSpec
    model: ModelSpec | str
    """A string names a function or a gate, which only its own program has."""
    tools: tuple[object, ...] = ()
    concurrency: int
    attempts: int
    deadline: float
    model_wait: float = MODEL_WAIT


def read_config(text: str) -> Configuration:
    """Raises `StoreIncompatible`: it is of another greenroom, or of a program with specs of its own."""
    try:
        fields: dict[str, Any] = msgspec.json.decode(text)
        fields["sandbox"] = msgspec.convert(fields["sandbox"], _SANDBOX)
        fields["model"] = _model(fields["model"])
        names = Configuration.__struct_fields__
        return Configuration(**{name: fields[name] for name in names if name in fields})
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise StoreIncompatible(f"its configuration cannot be read: {error}") from error


def _model(kept: str | dict[str, Any]) -> ModelSpec | str:
    match kept:
        case str():
            return kept
        case {"type": "gate"}:
            return "Gate()"
        case {"type": "scripted", "script": str(script)}:
            return script if script.startswith("<") else Scripted(script)
        case _:
            spec: ModelSpec = msgspec.convert(kept, _MODEL)
            return spec


def _agent(agent: AgentSpec) -> dict[str, Any]:
    fields: dict[str, Any] = {name: _plain(getattr(agent, name)) for name in _AGENT}
    return fields | {name: _sealed(getattr(agent, name)) for name in _AGENT_VALUES}


def _plain_model(model: Model) -> object:
    plain: Any = _plain(model)
    if not isinstance(model, Upstream | BlackBox):
        return plain
    url = urlsplit(model.base_url)
    return plain | {"base_url": _sealed(model.base_url)} if url.username or url.query else plain


def _plain(value: object) -> object:
    """Functions are known by their names."""
    return msgspec.to_builtins(value, enc_hook=_name) if not callable(value) else _name(value)


def _sealed(value: object) -> str:
    """Something that tells whether it has changed, and nothing else: people put keys there."""
    body = msgspec.json.encode(value, enc_hook=_name, order="deterministic")
    return f"sha256:{hashlib.sha256(body).hexdigest()[:16]}"


def _name(value: object) -> str:
    return f"<{getattr(value, '__qualname__', '') or type(value).__qualname__}>"
