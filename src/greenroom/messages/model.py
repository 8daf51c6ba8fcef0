"""Model calls in neutral words: what every dialect decodes into and encodes from.

They are data without cycles, so the garbage collector need not know of them (``gc=False``): there are many.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from greenroom.specs import Dialect

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]
"""Why an answer ended. ``unknown``: its model's owner said a word that greenroom does not know, so it may be half of an
answer, and the attempt is not trainable."""


class Text(Struct, frozen=True, gc=False, tag="text"):
    """Plain text."""

    text: str


class Image(Struct, frozen=True, gc=False, tag="image"):
    """An image, by URL (``data:`` URLs included)."""

    url: str
    detail: str | None = None


class Thinking(Struct, frozen=True, gc=False, tag="thinking"):
    """Reasoning text that is not part of the answer."""

    text: str
    signature: str | None = None
    redacted: bool = False
    """Whether there is no text because the model's owner keeps it encrypted; ``signature`` is what it is then."""


class ToolUse(Struct, frozen=True, gc=False, tag="tool_use"):
    """The model asks for a tool. ``arguments`` is the JSON text exactly as the model produced it."""

    id: str
    name: str
    arguments: str


class ToolResult(Struct, frozen=True, gc=False, tag="tool_result"):
    """What a tool gave back."""

    id: str
    parts: tuple[Text | Image, ...]
    is_error: bool = False


Part = Text | Image | Thinking | ToolUse | ToolResult


class ChatMessage(Struct, frozen=True, gc=False):
    """One message of a conversation."""

    role: Role
    parts: tuple[Part, ...]


class Tool(Struct, frozen=True, gc=False):
    """A tool the agent offers to the model; ``parameters`` is its JSON schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])


class Sampling(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Sampling parameters as the agent asked for them; ``None`` where it did not say."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


class ModelCall(Struct, frozen=True, gc=False, kw_only=True):
    """One request of an agent to its model, as every policy gets it: what a gate hands out is one as well."""

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

    @property
    def request(self) -> ModelCall:
        """The call as plain data: this one, or what a gate's call was made of."""
        return self


class Usage(Struct, frozen=True, gc=False):
    """Token counts as the model's owner reports them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """How many of ``prompt_tokens`` were read from a cache."""


class Completion(Struct, frozen=True, gc=False, kw_only=True):
    """One answer of a model."""

    parts: tuple[Text | Thinking | ToolUse, ...] = ()
    finish_reason: FinishReason = "stop"
    native_finish_reason: str | None = None
    """The word that the model's owner said, where ``finish_reason`` does not say all of it. Hostile input."""
    stop_sequence: str | None = None
    """Which of the request's stop texts the model came to, where that is why it stopped and is known."""
    usage: Usage = Usage()
    prompt_token_ids: tuple[int, ...] | None = None
    completion_token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    """One per completion token, natural logarithm."""
    weight_version: str | None = None
    """Which weights sampled this, as their owner names them."""
    routing: Any = None
    """Which experts each token went through, as the model's owner gives it (``routing_matrices``, ``routed_experts``),
    to be replayed in training; ``None`` where there is none."""
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    """Fields of a chat completion's message that have no neutral word, under ``message``, and those of its tool calls
    by their ids, under ``tool_calls``: for agents that speak chat completions."""

    @property
    def text(self) -> str:
        """All text parts joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


class Turn(Struct, frozen=True, gc=False, kw_only=True):
    """One request and its reply, recorded once, on the way back to the agent.

    Requests repeat what went before, so of each only what is new is kept: `greenroom.messages.prompt` puts it together.
    """

    index: int
    base: int | None = None
    """The earlier turn whose request this one goes on from, mostly the one before it. Agents that talk to their model
    in several conversations, for titles or sub-agents, go on from each of them."""
    shared: int = 0
    """How many leading messages are those of turn ``base``; they are not stored again."""
    messages: tuple[ChatMessage, ...]
    """The request's messages from position ``shared`` on."""
    shared_tokens: int = 0
    """How many leading tokens of the prompt are those of turn ``base``, its prompt and its completion one after the
    other; they are not stored again."""
    prompt_token_ids: tuple[int, ...] | None = None
    """The prompt's token ids from position ``shared_tokens`` on; ``None`` where the model's owner gave none."""
    completion: Completion
    """The answer, without the prompt's token ids."""
    started: float
    """Seconds since the attempt began."""
    seconds: float
    """From the request's arrival to its answer."""
