"""The agents that ship, one file each: a frozen spec and its command builder."""

from greenroom.specs.agents.aider import AIDER
from greenroom.specs.agents.bash import BASH
from greenroom.specs.agents.claude_code import CLAUDE_CODE
from greenroom.specs.agents.cline import CLINE
from greenroom.specs.agents.codex import CODEX
from greenroom.specs.agents.gemini_cli import GEMINI_CLI
from greenroom.specs.agents.kilo import KILO
from greenroom.specs.agents.mini_swe_agent import MINI_SWE_AGENT
from greenroom.specs.agents.opencode import OPENCODE
from greenroom.specs.agents.openhands import OPENHANDS
from greenroom.specs.agents.pi import PI
from greenroom.specs.agents.qwen_code import QWEN_CODE
from greenroom.specs.agents.simulated import SIMULATED
from greenroom.specs.agents.vibe import VIBE

BUILT_IN = (
    *(AIDER, BASH, CLAUDE_CODE, CLINE, CODEX, GEMINI_CLI, KILO, MINI_SWE_AGENT),
    *(OPENCODE, OPENHANDS, PI, QWEN_CODE, SIMULATED, VIBE),
)

__all__ = ["BASH", "BUILT_IN", "CLAUDE_CODE", "CODEX", "OPENCODE", "PI", "SIMULATED"]
