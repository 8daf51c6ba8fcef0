"""Conversations that are too long for their model: in how many ways servers say so. Pure.

Codes that a program wrote for programs come first. Words count only with the statuses of a refused request, and never
where a rate limit or a quota is spoken of. An answer that was to be longer than the whole context is a wrong setting:
no shorter conversation would help.

Every pattern takes linear time, and of a text the beginning alone is looked at: what servers send back may hold what
agents wrote.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from msgspec import Struct

from greenroom.interception.envelope import Complaint

STATUSES = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
"""With which words count. Codes count with any status but that of a rate limit."""


class OverflowRow(Struct, frozen=True, kw_only=True):
    """One way to say it."""

    server: str
    code: str = ""
    """A code or type, compared without regard to case and underscores."""
    words: str = ""
    """A regular expression, for text in lower case in which white space is one blank."""
    statuses: tuple[int, ...] = STATUSES
    source: str


_PI = "earendil-works/pi, packages/ai: overflow patterns"
_LITELLM = "BerriAI/litellm, exception_mapping_utils"
_NOUN = r"(?:prompt|inputs?|input prompt|conversation|context|chat history|history|messages)"
_WINDOW = r"context[ _-]?(?:length|window|size|limit)"
_SETTINGS = r"(?:n_ctx|max_position_embeddings|max_(?:model|seq)_len)"
"""What servers call the length of the context, or of a request, in their own settings."""
_BEYOND = (
    r"(?:exceed|surpass|overflow|is (?:over|above|more|larger|longer|greater)|longer than|greater than|larger than)"
)

OVERFLOWS: tuple[OverflowRow, ...] = (
    OverflowRow(server="OpenAI, Groq, Cerebras, xAI", code="context_length_exceeded", source="xtekky/gpt4free#137"),
    OverflowRow(server="llama.cpp", code="exceed_context_size_error", source="NousResearch/hermes-agent#89502"),
    OverflowRow(server="LiteLLM", code="ContextWindowExceededError", source=_LITELLM),
    OverflowRow(server="GitHub Copilot", code="model_max_prompt_tokens_exceeded", source="microsoft/vscode#289514"),
    OverflowRow(server="Anthropic", code="request_too_large", source=_PI),
    OverflowRow(server="GitHub Models", code="tokens_limit_reached", source="the GitHub Models documentation, limits"),
    OverflowRow(server="z.ai", code="model_context_window_exceeded", source="genkit-ai/genkit#6259"),
    OverflowRow(server="proxies", code="context_window_exceeded", source=_LITELLM),
    OverflowRow(server="proxies", code="context_limit_exceeded", source=_LITELLM),
    OverflowRow(server="proxies", code="prompt_too_long", source="RooCodeInc/Roo-Code#5816"),
    OverflowRow(
        server="OpenAI, Azure, DeepSeek, vLLM, SGLang, OpenRouter, Mistral, Fireworks, Together",
        words=rf"max(?:imum)? (?:model )?{_WINDOW}|{_WINDOW} (?:is|of)(?: only)? \(?\d",
        source="vllm-project/vllm#20409, evalstate/fast-agent#621, earendil-works/pi#6378, ogx-ai/ogx#697",
    ),
    OverflowRow(
        server="OpenAI Responses, llama.cpp, llama-cpp-python, Ollama, LM Studio, Anthropic",
        words=rf"exceed(?:s|ed|ing)?\b[^.]{{0,60}}\b(?:{_WINDOW}|{_SETTINGS}|max(?:imum)? (?:context|model len))",
        source="anthropics/claude-code#228, lmstudio-ai/examples#29, NousResearch/hermes-agent#89502",
    ),
    OverflowRow(
        server="MiniMax, LM Studio, llama.cpp",
        words=rf"{_WINDOW}[^.]{{0,40}}(?:exceed|overflow|too long|used up|is full|was reached|has been reached)",
        source="kortix-ai/suna#172, lmstudio-ai/lmstudio-bug-tracker#2339",
    ),
    OverflowRow(
        server="LM Studio",
        words=rf"reached {_WINDOW}|context overflow|out of room in the model's context"
        r"|tokens to keep from the initial prompt|keep the first \d+ tokens when",
        source="lmstudio-ai/lmstudio-bug-tracker#1024, #237, Gitlawb/openclaude#353",
    ),
    OverflowRow(
        server="vLLM, SGLang, Together, xorbits, TabbyAPI",
        words=r"(?:longer|greater|larger|more) than[^.]{0,60}"
        rf"(?:{_WINDOW}|(?:model|sequence|prompt|input) len(?:gth)?\b|{_SETTINGS})",
        source="QwenLM/Qwen3#1321, xorbitsai/inference#3785, SillyTavern/SillyTavern#3543",
    ),
    OverflowRow(
        server="Anthropic, Bedrock, vLLM, Fireworks, Ollama, Qianfan",
        words=rf"\b{_NOUN}(?: token)?(?: length| tokens?)?(?: \([^)]{{0,60}}\))?(?: is| are| was)? too long"
        r"|\bprompt (?:is )?too large|\brequest (?:is |was )?too long|message you submitted was too long",
        source="RooCodeInc/Roo-Code#5816, vllm-project/vllm#12165",
    ),
    OverflowRow(
        server="Google, GitHub Copilot, SGLang, TensorRT-LLM, watsonx, OpenRouter",
        words=rf"\b(?:input|prompt)[ _-](?:tokens?|length)(?: count| length)?\b[^.]{{0,60}}"
        rf"(?:{_BEYOND}|but [^.]{{0,20}}only)",
        source="google-gemini/gemini-cli#6678, microsoft/vscode#289514, sgl-project/sglang#4048, "
        "triton-inference-server/tensorrtllm_backend#141",
    ),
    OverflowRow(
        server="Kimi, Zhipu, Volcengine, Google",
        words=rf"\b(?:request|tokens of image and text|{_NOUN})\b[^.]{{0,60}}exceed(?:s|ed)?\b[^.]{{0,30}}"
        r"(?:max(?:imum)? (?:message |input |prompt |sequence |number of (?:input )?|allowed )?(?:length|tokens)"
        r"|(?:model )?token limit|length limit|model (?:context )?limit)",
        source=f"tashfeenahmed/freellmapi#873; {_PI}",
    ),
    OverflowRow(
        server="xAI, vLLM, OpenRouter",
        words=r"max(?:imum)? (?:allowed )?(?:prompt|input|sequence) len(?:gth)?(?: is| of|:)?(?: only)? \(?\d",
        source="cline/cline#3120, earendil-works/pi#5930",
    ),
    OverflowRow(
        server="vLLM, Google",
        words=r"(?:prompt|input|request|messages) (?:contains?|has|have|resulted in)\b[^.]{0,40}tokens?\b[^.]{0,40}"
        r"(?:exceed|longer|greater|larger|more than|but|too many)",
        source="earendil-works/pi#5930",
    ),
    OverflowRow(
        server="Google",
        words=r"exceeds? the max(?:imum)? (?:number of )?(?:input )?tokens?(?: allowed)?",
        source="google-gemini/gemini-cli#4692",
    ),
    OverflowRow(
        server="z.ai, Kimi, SGLang",
        words=r"tokens in (?:the )?request (?:is too long|more than)|requested token count \(?\d+\)? exceed"
        r"|conversation length exceeded|reached its conversation limit",
        source="anomalyco/opencode#27629, the tests of letta-ai/letta",
    ),
    OverflowRow(
        server="OpenAI, Groq, Cerebras",
        words=r"(?:reduce|shorten|decrease) (?:the )?(?:length of )?(?:the |your )?"
        r"(?:messages\b|prompt\b|input\b(?! size)|conversation\b|input prompt\b|input length\b)",
        source="cline/cline#5140, kaixindelele/ChatPaper#64",
    ),
    OverflowRow(
        server="TGI",
        words=r"inputs\W{0,2}tokens \+ \W?max_new_tokens\W? must be|inputs\W? must have less than \d+ tokens",
        source="huggingface/text-generation-inference, router: ValidationError",
    ),
    OverflowRow(server="DashScope", words=r"range of input length should be", source="QwenLM/qwen-code#98"),
    OverflowRow(
        server="SiliconFlow, vLLM",
        words=r"(?:less|smaller) than \W?max_(?:seq|model)_len|max_model_len\W? is no smaller",
        source="langgenius/dify#19394, vllm-project/vllm#12165",
    ),
    OverflowRow(server="Cerebras", words=r"current length is \d+ while limit is \d+", source="cline/cline#5140"),
    OverflowRow(
        server="Cohere, Bedrock",
        words=r"too many (?:input |prompt )?tokens|number of tokens in the prompt cannot exceed",
        source="cohere-ai/sandbox-topically#4",
    ),
    OverflowRow(
        server="MiniMax, proxies",
        words=r"^(?:error: )?(?:model |context )?token limit(?: exceeded| reached)?\W*$|^token limit exceeded",
        source="MiniMax-AI/MiniMax-01#15",
    ),
    OverflowRow(
        server="GitHub Models",
        words=r"too large for [^.]{0,80}model\W+max size: \d+ tokens",
        source="the GitHub Models documentation, limits",
    ),
    OverflowRow(
        server="Zhipu, Qianfan, Hunyuan",
        words=r"(?:prompt|token|输入|上下文|对话)[^。]{0,16}(?:超长|过长|超过|超出|超限)|(?:超过|超出)[^。]{0,6}(?:上下文|最大长度)",
        source="tashfeenahmed/freellmapi#873",
    ),
)

_LONGEST = 8192
"""Characters that are looked at."""
_CODES = frozenset(row.code.replace("_", "").casefold() for row in OVERFLOWS if row.code)
_WORDS = tuple((re.compile(row.words), row.statuses) for row in OVERFLOWS if row.words)
_IN_TEXT = re.compile("|".join(re.escape(row.code.lower()) for row in OVERFLOWS if row.code))
_RATE = re.compile(
    r"rate[ _-]?limit|\bper[ -](?:min(?:ute)?|day|hour|second|month)\b|\b[tr]p[mdh]\b|quota|too many requests|throttl"
    r"|please wait|insufficient[ _](?:balance|credit|fund)|\bbilling\b|\bcredits?\b|try again in|resource[ _]exhausted"
    r"|\bdaily\b|\bmonthly\b|\boverloaded\b|per-model|this minute|速率|频率|每分钟|额度|余额|限流|并发"
)
_SIZE = re.compile(
    r"\bbytes?\b|\b\d+ ?[kmg]i?b\b|\bimages?\b|\bpixels?\b|\baudio\b|\bvideo\b|\bpdf\b|\bpages\b|\bfiles?\b"
)
_OF_CONTEXT = re.compile(r"context|token")
_SETTING = re.compile(
    r"max_(?:\w{1,12}_)?tokens\W{0,4}(?:\(?\d+\)?\W{0,3})?(?:or \W?max_\w{1,24}\W{0,3})?"
    r"(?:is|are|must|should|cannot|exceed|value)"
)
_OF_INPUT = re.compile(r"\binputs?\b|\bprompt\b|\bmessages\b|\bmemory\b")
_LIMIT = re.compile(
    r"context (?:length|window|size|limit)(?: is| of|:)?(?: only)? \(?(\d[\d,]{0,15})"
    r"|tokens\W? must be <= (\d{1,16})|> (\d{1,16})"
)
_ANSWER = re.compile(
    r"(\d[\d,]{0,15}) (?:tokens )?(?:in|for) (?:the|your) (?:completion|output)|requested (\d[\d,]{0,15}) output tokens"
    r"|too large: (\d[\d,]{0,15})|inputs\W? tokens and (\d{1,16})|\d \+ (\d{1,16}) >"
)


def overflows(status: int, said: Complaint) -> bool:
    """Whether a response with this status says that the conversation is too long for the model."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return False
    if any(code.replace("_", "").casefold() in _CODES for code in said.codes):
        return True
    text = " ".join(said.text[:_LONGEST].lower().split())
    if _RATE.search(text) or (_SIZE.search(text) and not _OF_CONTEXT.search(text)) or _is_setting(text):
        return False
    texts = [" ".join(one[:_LONGEST].lower().split()) for one in said.texts]
    return any(_says(status, one) for one in (text, *texts))


def _says(status: int, text: str) -> bool:
    if status in STATUSES and _IN_TEXT.search(text):
        return True
    return any(status in statuses and pattern.search(text) for pattern, statuses in _WORDS)


def _is_setting(text: str) -> bool:
    """Whether the length that was asked for, and not the conversation, is what is too much."""
    if _SETTING.search(text) and not _OF_INPUT.search(text):
        return True
    limit, answer = _first(_LIMIT, text), _first(_ANSWER, text)
    return limit is not None and answer is not None and answer > limit


def _first(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    number = "" if match is None else next(group for group in match.groups() if group)
    return int(number.replace(",", "")) if number else None
