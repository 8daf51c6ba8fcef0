"""Why an answer ended: every word that servers and providers say, and what it means. Pure.

Words are compared without regard to case, hyphens and underscores, since servers of one protocol differ in these:
``MAX_TOKENS``, ``max-tokens`` and ``maxTokens`` are one word. What is not in the table is unknown, and stays so: an
answer that ended for an unknown reason may be half of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from msgspec import Struct
from msgspec.structs import replace

from greenroom.messages import Completion, FinishReason, ToolUse

Meaning = Literal["failed", "context", "content filter", "length", "tool calls", "unknown", "finished"]
"""What becomes of an answer that ended so; of two, the first in this order counts.

``failed`` was not ended by the model and is asked for again. ``context`` ends the agent politely, as a conversation
that is too long does. ``unknown`` is recorded as such, and the attempt is not ``trainable``. Whether tools are called
is told by the answer itself, not by the word for it.
"""


class FinishRow(Struct, frozen=True):
    """One word."""

    word: str
    """As it is written by those who say it."""
    said_by: str
    meaning: Meaning
    source: str
    """Where that is documented or was reported."""


_OPENAI = "the OpenAI API reference, chat completions"
_RESPONSES = "the OpenAI API reference, Responses"
_ANTHROPIC = "the Anthropic API reference, stop reasons"
_GOOGLE = "googleapis/python-genai, types.FinishReason"
_BEDROCK = "the Amazon Bedrock API reference, Converse"
_COHERE = "the Cohere API reference, chat"
_WATSONX = "the watsonx.ai API reference, text generation"
_LMSTUDIO = "lmstudio-ai/lmstudio.js, LLMPredictionStopReason"

FINISH_REASONS: tuple[FinishRow, ...] = (
    FinishRow("stop", "OpenAI, and most servers", "finished", _OPENAI),
    FinishRow("end_turn", "Anthropic, Bedrock", "finished", _ANTHROPIC),
    FinishRow("stop_sequence", "Anthropic, Bedrock, TGI, watsonx, Cohere", "finished", _ANTHROPIC),
    FinishRow("pause_turn", "Anthropic: the turn goes on with the next request", "finished", _ANTHROPIC),
    FinishRow("compaction", "Anthropic: the same, with a shorter history", "finished", _ANTHROPIC),
    FinishRow("completed", "Responses", "finished", _RESPONSES),
    FinishRow("STOP", "Google", "finished", _GOOGLE),
    FinishRow("COMPLETE", "Cohere", "finished", _COHERE),
    FinishRow("eos", "Together, SiliconFlow, llama.cpp", "finished", "ggml-org/llama.cpp, tools/server: stop_type"),
    FinishRow("word", "llama.cpp: a stop text", "finished", "ggml-org/llama.cpp, tools/server: stop_type"),
    FinishRow("eos_token", "TGI, watsonx", "finished", "huggingface/text-generation-inference, router: FinishReason"),
    FinishRow("endoftext", "AI21", "finished", "the AI21 API reference, Jurassic-2 complete"),
    FinishRow("FINISH", "Amazon Titan", "finished", "the Amazon Bedrock user guide, Titan Text"),
    FinishRow("FINISHED", "Amazon Titan", "finished", "the Amazon Bedrock user guide, Titan Text"),
    FinishRow("normal", "Qianfan", "finished", "the Qianfan API reference, chat"),
    FinishRow("eosFound", "LM Studio", "finished", _LMSTUDIO),
    FinishRow("stopStringFound", "LM Studio", "finished", _LMSTUDIO),
    FinishRow("done", "proxies of Ollama, whose answers end with `done`", "finished", "ollama/ollama, docs/api.md"),
    FinishRow("length", "OpenAI, and most servers", "length", _OPENAI),
    FinishRow("max_tokens", "Anthropic, Bedrock, Cohere, watsonx", "length", _ANTHROPIC),
    FinishRow("max_output_tokens", "Responses", "length", _RESPONSES),
    FinishRow("max_messages", "Responses", "length", _RESPONSES),
    FinishRow("incomplete", "Responses, where no details are given", "length", _RESPONSES),
    FinishRow("MAX_TOKENS", "Google, Cohere", "length", _GOOGLE),
    FinishRow("model_length", "Mistral", "length", "mistralai/client-python, models: finish_reason"),
    FinishRow("limit", "llama.cpp", "length", "ggml-org/llama.cpp, tools/server: stop_type"),
    FinishRow("token_limit", "watsonx", "length", _WATSONX),
    FinishRow("maxPredictedTokensReached", "LM Studio", "length", _LMSTUDIO),
    FinishRow("model_context_window_exceeded", "Anthropic, Bedrock, z.ai", "context", "genkit-ai/genkit#6259"),
    FinishRow("context_length_exceeded", "proxies that say the error's code here", "context", _OPENAI),
    FinishRow("contextLengthReached", "LM Studio", "context", _LMSTUDIO),
    FinishRow("ERROR_LIMIT", "Cohere", "context", _COHERE),
    FinishRow("content_filter", "OpenAI, Azure, Responses", "content filter", _OPENAI),
    FinishRow("content_filtered", "Bedrock, Amazon Titan", "content filter", _BEDROCK),
    FinishRow("guardrail_intervened", "Bedrock", "content filter", _BEDROCK),
    FinishRow("refusal", "Anthropic", "content filter", _ANTHROPIC),
    FinishRow("sensitive", "z.ai, Zhipu, Hunyuan", "content filter", "the z.ai API reference, chat completions"),
    FinishRow("ERROR_TOXIC", "Cohere", "content filter", _COHERE),
    FinishRow("SAFETY", "Google", "content filter", _GOOGLE),
    FinishRow("RECITATION", "Google", "content filter", _GOOGLE),
    FinishRow("LANGUAGE", "Google", "content filter", _GOOGLE),
    FinishRow("BLOCKLIST", "Google", "content filter", _GOOGLE),
    FinishRow("PROHIBITED_CONTENT", "Google", "content filter", _GOOGLE),
    FinishRow("SPII", "Google", "content filter", _GOOGLE),
    FinishRow("MODEL_ARMOR", "Google", "content filter", _GOOGLE),
    FinishRow("JAILBREAK", "Google: blockReason of the prompt", "content filter", _GOOGLE),
    FinishRow("IMAGE_SAFETY", "Google", "content filter", _GOOGLE),
    FinishRow("IMAGE_PROHIBITED_CONTENT", "Google", "content filter", _GOOGLE),
    FinishRow("IMAGE_RECITATION", "Google", "content filter", _GOOGLE),
    FinishRow("tool_calls", "OpenAI, and most servers", "tool calls", _OPENAI),
    FinishRow("function_call", "OpenAI, before there were tools", "tool calls", _OPENAI),
    FinishRow("tool_use", "Anthropic, Bedrock", "tool calls", _ANTHROPIC),
    FinishRow("TOOL_CALL", "Cohere", "tool calls", _COHERE),
    FinishRow("toolCalls", "LM Studio", "tool calls", _LMSTUDIO),
    FinishRow(
        "abort", "vLLM, SGLang: a weight update, a restart", "failed", "radixark/miles#2589, sgl-project/sglang#11673"
    ),
    FinishRow("aborted", "proxies", "failed", "rllm-org/rllm#542"),
    FinishRow("error", "OpenRouter, Mistral, vLLM, LMDeploy", "failed", "MacPaw/OpenAI#312"),
    FinishRow("network_error", "z.ai, Zhipu", "failed", "genkit-ai/genkit#6259"),
    FinishRow("insufficient_system_resource", "DeepSeek", "failed", "genkit-ai/genkit#6259"),
    FinishRow("failed", "Responses, LM Studio", "failed", _RESPONSES),
    FinishRow("cancelled", "Responses, watsonx, TensorRT-LLM", "failed", _RESPONSES),
    FinishRow("canceled", "proxies", "failed", _RESPONSES),
    FinishRow("in_progress", "Responses, broken off", "failed", _RESPONSES),
    FinishRow("queued", "Responses, not begun", "failed", _RESPONSES),
    FinishRow("timeout", "TensorRT-LLM, Cohere", "failed", "NVIDIA/TensorRT-LLM, executor: FinishReason"),
    FinishRow("time_limit", "watsonx", "failed", _WATSONX),
    FinishRow("not_finished", "watsonx, TensorRT-LLM", "failed", _WATSONX),
    FinishRow("load", "Ollama: the model was loaded, and asked nothing", "failed", "ollama/ollama, docs/api.md"),
    FinishRow("unload", "Ollama: the model was unloaded", "failed", "ollama/ollama, docs/api.md"),
    FinishRow("modelUnloaded", "LM Studio", "failed", _LMSTUDIO),
    FinishRow("userStopped", "LM Studio", "failed", _LMSTUDIO),
    FinishRow("USER_CANCEL", "Cohere", "failed", _COHERE),
    FinishRow("malformed_model_output", "Bedrock", "failed", _BEDROCK),
    FinishRow("malformed_tool_use", "Bedrock", "failed", _BEDROCK),
    FinishRow("MALFORMED_FUNCTION_CALL", "Google", "failed", "pydantic/pydantic-ai#631, googleapis/python-genai#1836"),
    FinishRow("MALFORMED_RESPONSE", "Google", "failed", _GOOGLE),
    FinishRow("UNEXPECTED_TOOL_CALL", "Google", "failed", _GOOGLE),
    FinishRow("TOO_MANY_TOOL_CALLS", "Google", "failed", _GOOGLE),
    FinishRow("MISSING_THOUGHT_SIGNATURE", "Google", "failed", _GOOGLE),
    FinishRow("NO_IMAGE", "Google", "failed", _GOOGLE),
    FinishRow("FINISH_REASON_UNSPECIFIED", "Google", "unknown", _GOOGLE),
    FinishRow("OTHER", "Google, the AI SDK", "unknown", _GOOGLE),
    FinishRow("IMAGE_OTHER", "Google", "unknown", _GOOGLE),
    FinishRow("ESCALATION", "Google", "unknown", _GOOGLE),
    FinishRow("PUP_LIMITED_DISABLED", "Google", "unknown", _GOOGLE),
    FinishRow("CONTINUATION", "Google", "unknown", _GOOGLE),
    FinishRow("steered", "Responses", "unknown", _RESPONSES),
    FinishRow("unknown", "the AI SDK", "unknown", "vercel/ai, LanguageModelV1FinishReason"),
)

_LONGEST = 100
"""Characters of a word that are looked at, and kept."""
_SEVERITY: tuple[Meaning, ...] = ("failed", "context", "content filter", "length", "tool calls", "unknown", "finished")
_NATIVE = ("native_finish_reason", "done_reason")
_PREFIXES = ("finishreason", "stopreason")


class Ending(Struct, frozen=True):
    """Why an answer ended."""

    meaning: Meaning
    word: str
    """The one that says so; empty if none was said."""


def ending(said: object, native: object = None) -> Ending | None:
    """What a server's word means; ``None`` if it said none.

    A proxy that says ``stop`` may pass on what the provider behind it said. Of the two, the worse one counts: who
    normalises words has none for most failures.

    Args:
        said: The finish reason; SGLang's is an object with a ``type``.
        native: The provider's own, as OpenRouter has it in ``native_finish_reason``.
    """
    endings = [Ending(_meaning(word), word) for reason in (said, native) if (word := _word(reason))]
    if len(endings) > 1 and endings[0].meaning == "unknown":
        return endings[1]
    return min(endings, key=lambda one: _SEVERITY.index(one.meaning), default=None)


_NEUTRAL: Mapping[Meaning, FinishReason] = {
    "content filter": "content_filter",
    "length": "length",
    "context": "length",
    "unknown": "unknown",
    "failed": "unknown",
}


def native(choice: Mapping[str, Any], answer: Mapping[str, Any]) -> object:
    """The word of whoever really answered, where a proxy passes it on, or the server's other interface has another.

    OpenRouter has it in the choice, LiteLLM among the fields of the provider there, LM Studio in its statistics.
    """
    inner, stats = _inner(choice, "provider_specific_fields"), _inner(answer, "stats")
    found = (where.get(name) for where in (choice, inner, answer) for name in _NATIVE)
    return next((word for word in found if word), stats.get("stop_reason"))


def ended(completion: Completion, found: Ending | None) -> Completion:
    """The same, with why it ended, and with the word itself where the neutral one does not say all of it.

    An answer that came to its end has ended, whether or not a word was said for it. One that has ``failed`` is no
    answer, and whoever reads it asks that before.
    """
    if found is None or found.meaning not in _NEUTRAL:
        return replace(completion, finish_reason="tool_calls" if uses_tools(completion.parts) else "stop")
    native = found.word if found.meaning in ("unknown", "context", "failed") else None
    return replace(completion, finish_reason=_NEUTRAL[found.meaning], native_finish_reason=native)


def meant(completion: Completion) -> FinishReason:
    """What the content says where the reason is one that content tells: whether tools are called."""
    if completion.finish_reason not in ("stop", "tool_calls"):
        return completion.finish_reason
    return "tool_calls" if uses_tools(completion.parts) else "stop"


def told(completion: Completion) -> FinishReason:
    """The finish reason that agents are told. They run tools, or go on, by it alone.

    So it says ``tool_calls`` if there are any, and not if all there is is something else. What agents have no word for
    is an end to them.
    """
    if completion.finish_reason == "unknown":
        return "tool_calls" if uses_tools(completion.parts) else "stop"
    return meant(completion) if completion.parts else completion.finish_reason


def uses_tools(parts: Sequence[object]) -> bool:
    """Whether an answer calls tools."""
    return any(isinstance(part, ToolUse) for part in parts)


def _inner(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = fields.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _word(reason: object) -> str:
    if isinstance(reason, dict):
        fields = cast("dict[str, Any]", reason)
        reason = fields.get("type") or fields.get("reason")
    if isinstance(reason, int) and not isinstance(reason, bool):
        reason = str(reason)
    return reason.strip()[:_LONGEST] if isinstance(reason, str) else ""


def _meaning(word: str) -> Meaning:
    whole = _bare(word)
    # Google's own endpoint for chat completions: "function_call_filter: MALFORMED_FUNCTION_CALL".
    first, _, last = word.partition(":")
    spellings = (whole, *(whole.removeprefix(prefix) for prefix in _PREFIXES), _bare(last), _bare(first))
    for one in spellings:
        if _MEANINGS.get(one, "unknown") != "unknown":
            return _MEANINGS[one]
    return "unknown"


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word)).casefold()


_MEANINGS: Mapping[str, Meaning] = {_bare(row.word): row.meaning for row in FINISH_REASONS}
