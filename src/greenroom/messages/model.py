"""Model calls in neutral words: what every dialect decodes into and encodes from."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from greenroom.specs import Dialect

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Text(Struct, frozen=True, tag="text"):
    """Plain text."""

    text: str


class Image(Struct, frozen=True, tag="image"):
    """An image, by URL (``data:`` URLs included)."""

    url: str
    detail: str | None = None


class Thinking(Struct, frozen=True, tag="thinking"):
    """Reasoning text that is not part of the answer."""

    text: str
    signature: str | None = None


class ToolUse(Struct, frozen=True, tag="tool_use"):
    """The model asks for a tool. ``arguments`` is the JSON text exactly as the model produced it."""

    id: str
    name: str
    arguments: str


class ToolResult(Struct, frozen=True, tag="tool_result"):
    """What a tool gave back."""

    id: str
    parts: tuple[Text | Image, ...]
    is_error: bool = False


Part = Text | Image | Thinking | ToolUse | ToolResult


class ChatMessage(Struct, frozen=True):
    """One message of a conversation."""

    role: Role
    parts: tuple[Part, ...]


class Tool(Struct, frozen=True):
    """A tool the agent offers to the model; ``parameters`` is its JSON schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])


class Sampling(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sampling parameters as the agent asked for them; ``None`` where it did not say."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


class ModelCall(Struct, frozen=True, kw_only=True):
    """One request of an agent to its model."""

    id: str
    """Unique; an agent's retry of the same request has the same id."""
    rollout_id: str = ""
    task_id: str = ""
    attempt: int = 1
    sample: int = 0
    index: int = 0
    """Which model call of the attempt this is, from 0."""
    dialect: Dialect
    model: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    sampling: Sampling = Sampling()
    stream: bool = False
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the body that have no neutral word, kept for an upstream of the same dialect."""


class Usage(Struct, frozen=True):
    """Token counts as the model's owner reports them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Completion(Struct, frozen=True, kw_only=True):
    """One answer of a model."""

    parts: tuple[Text | Thinking | ToolUse, ...] = ()
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()
    prompt_token_ids: tuple[int, ...] | None = None
    completion_token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    """One per completion token, natural logarithm."""
    weight_version: str | None = None
    """Which weights sampled this, as their owner names them."""

    @property
    def text(self) -> str:
        """All text parts joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


class Turn(Struct, frozen=True, kw_only=True):
    """One request and its reply, recorded once, on the way back to the agent."""

    index: int
    shared: int
    """How many leading messages are the same as in the previous turn's request; they are not stored again."""
    messages: tuple[ChatMessage, ...]
    """The request's messages from position ``shared`` on."""
    completion: Completion
    started: float
    """Seconds since the attempt began."""
    seconds: float
    """From the request's arrival to its answer."""
