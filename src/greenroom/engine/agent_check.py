"""Does an agent work as its spec says? It is installed, started in a sandbox, and watched while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import anyio
from msgspec import Struct
from msgspec.structs import replace

from greenroom.engine.engine import Engine
from greenroom.engine.examiner import PROOF, Examiner
from greenroom.engine.turn import sandbox_kind
from greenroom.messages import Outcome
from greenroom.sandboxes import Exec, Sandbox, SandboxError, SandboxRequest, open_backend
from greenroom.sandboxes.install_process import InstallError
from greenroom.specs import AgentSpec, Invocation, Launch, SandboxSpec, TaskSpec
from greenroom.specs.agent_rules import check_agent
from greenroom.specs.command_rules import place_of

INSTRUCTION = (
    "Show what you can do: run one command.\n"
    "Of these words nothing is to be carried out: $(touch pwned) `touch pwned` \"two\" 'one' \\ ; & {model} %s 你好 🜁\n"
    "That is all."
)
_CLOSE_SECONDS = 30.0
_SHUTDOWN_SECONDS = 20.0
_TURNS = 30
_VERIFY_SECONDS = 5.0
_LINES = 20
_LOG = 4000
_ENDPOINTS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "google": "/v1beta/models/...",
}
State = Literal["ok", "failed", "skipped"]


class Step(Struct, frozen=True, kw_only=True):
    """One thing that was tried."""

    name: str
    state: State
    detail: str = ""
    remedy: str = ""


class AgentCheck(Struct, frozen=True, kw_only=True):
    """What is known of an agent."""

    steps: tuple[Step, ...]
    log: str = ""
    """The last lines of what the agent printed. Hostile input."""

    @property
    def good(self) -> bool:
        """Nothing failed."""
        return all(step.state != "failed" for step in self.steps)


async def check(
    spec: AgentSpec, sandbox: SandboxSpec, *, seconds: float, progress: Callable[[str], None] = lambda _: None
) -> AgentCheck:
    """Try an agent, step by step. What cannot be tried because of a step before is left out.

    Args:
        spec: The agent.
        sandbox: Where.
        seconds: What all of it may take once the agent is installed.
        progress: Told in lines of text what is being prepared.
    """
    steps: list[Step] = []
    try:
        check_agent(spec)
    except ValueError as error:
        return AgentCheck(steps=(_failed("spec", str(error)),))
    steps.append(_ok("spec", f"{spec.name}, {spec.dialect}, instruction by {spec.delivery}"))
    installed = await _install(spec, progress)
    steps.append(installed.step)
    if installed.step.state == "failed":
        return AgentCheck(steps=tuple(steps), log=installed.log)
    ends = anyio.current_time() + seconds
    steps += await _look(spec, sandbox, installed.prefix, seconds)
    if any(step.state == "failed" for step in steps):
        return AgentCheck(steps=tuple(steps))
    found = await _run(spec, sandbox, max(1.0, ends - anyio.current_time()))
    return AgentCheck(steps=(*steps, *found.steps), log=found.log)


class _Installed(Struct, frozen=True, kw_only=True):
    step: Step
    prefix: str = ""
    log: str = ""


async def _install(spec: AgentSpec, progress: Callable[[str], None]) -> _Installed:
    if spec.recipe is None:
        return _Installed(step=_ok("installed", "nothing to install"))
    from greenroom.sandboxes.prefix import install

    try:
        prefix = await install(spec.recipe, check=spec.check, progress=progress)
    except InstallError as error:
        where = f"its whole log: {error.log_path}" if error.log_path else "see `greenroom doctor`"
        return _Installed(step=_failed("installed", str(error), where), log=_tail(error.log))
    return _Installed(step=_ok("installed", f"in {prefix.seconds:.1f} s: {prefix.path}"), prefix=prefix.path)


async def _look(spec: AgentSpec, sandbox: SandboxSpec, prefix: str, seconds: float) -> list[Step]:
    """What can be seen before it is started, in a sandbox as it will have one."""
    try:
        backend = await open_backend(sandbox, run="agents try")
        try:
            request = SandboxRequest(id="try", rollout_id="try", prefix=prefix, seconds=seconds)
            box = await backend.create(request)
            return [_ok("sandbox", f"booted in {sandbox_kind(sandbox)}"), *await _looks(spec, box, prefix, seconds)]
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await backend.close()
    except SandboxError as error:
        return [_failed("sandbox", f"{error} {error.detail}".strip(), "see `greenroom doctor`")]


async def _looks(spec: AgentSpec, box: Sandbox, prefix: str, seconds: float) -> list[Step]:
    found: list[Step] = []
    if spec.check:
        argv = tuple(part.replace("{prefix}", prefix) for part in spec.check)
        result = await box.exec(Exec(argv=argv), timeout=seconds)
        said = _tail(result.output.decode(errors="replace"), 3)
        how = "did not end in time" if result.timed_out else f"ended with exit code {result.exit_code}"
        wrong = result.timed_out or result.exit_code != 0
        remedy = "the program lacks something in the sandbox; see what it said"
        found.append(_failed("check", f"{how}: {said}", remedy) if wrong else _ok("check", " ".join(argv)))
    else:
        found.append(Step(name="check", state="skipped", detail="the spec has no check"))
    absent = [name for name in spec.requires if not await _has(box, name, seconds)]
    if absent:
        remedy = "put it into the sandbox's image, into the recipe, or out of the spec's requires"
        found.append(_failed("requires", f"not in the sandbox: {', '.join(absent)}", remedy))
    else:
        found.append(_ok("requires", ", ".join(spec.requires) or "nothing"))
    return found


async def _has(box: Sandbox, name: str, seconds: float) -> bool:
    program = Exec(argv=("/bin/sh", "-c", 'command -v "$1"', "sh", name))
    return (await box.exec(program, timeout=seconds)).exit_code == 0


async def _run(spec: AgentSpec, sandbox: SandboxSpec, seconds: float) -> AgentCheck:
    """One attempt at a task, against the examiner."""
    examiner, raised = Examiner(), list[str]()

    def command(launch: Launch) -> Invocation:
        examiner.keys.add(launch.api_key)
        try:
            return spec.command(launch)
        except (Exception, SystemExit) as error:
            raised.append(f"{type(error).__name__}: {error} ({place_of(error)})".replace(launch.api_key, "<the key>"))
            raise

    task = TaskSpec(
        id="try", instruction=INSTRUCTION, verify=("true",), verify_timeout=_VERIFY_SECONDS, max_turns=_TURNS
    )
    watched = replace(spec, command=command)
    engine = Engine(
        watched,
        model=examiner,
        sandbox=sandbox,
        concurrency=1,
        attempts=1,
        deadline=seconds,
        shutdown=_SHUTDOWN_SECONDS,
        console=False,
    )
    try:
        async with engine:
            (outcome,) = [outcome async for outcome in engine.run([task])]
    except SandboxError as error:
        return AgentCheck(steps=(_failed("started", str(error), "see `greenroom doctor`"),))
    log = _tail(outcome.attempts[-1].agent_log if outcome.attempts else "")
    return AgentCheck(steps=tuple(_judged(spec, outcome, examiner, raised)), log=log)


def _judged(spec: AgentSpec, outcome: Outcome, examiner: Examiner, raised: list[str]) -> Iterator[Step]:
    fault = outcome.fault
    not_run = fault is not None and (fault.phase in ("boot", "setup") or fault.kind == "agent_not_started")
    if fault is not None and not_run and not examiner.calls:
        why = "; ".join(raised[-1:]) or f"{fault.message} {fault.detail}".strip()
        yield _failed("started", why, "look at argv of its command, at what it requires, and at its log")
        return
    yield _ok("started")
    yield _reached(spec, examiner)
    if examiner.calls:
        yield _instructed(examiner)
        yield from _worked(examiner)
    yield _ended(spec, outcome)
    if examiner.shown:
        yield _failed("key", f"any process can read it: {examiner.shown[:200]}", "hand it on in env or files")
    else:
        yield _ok("key", "in no process's argv")


def _reached(spec: AgentSpec, examiner: Examiner) -> Step:
    if not examiner.calls and spec.may_be_silent:
        return Step(name="model", state="skipped", detail="it called no model, and its spec says that it may not")
    if not examiner.calls:
        told = f"have it talk to launch.base_url, with launch.api_key, at {_ENDPOINTS[spec.dialect]}"
        return _failed("model", "it never called its model", told)
    spoken = sorted({call.dialect for call in examiner.calls})
    where = ", ".join(f"{dialect} at {_ENDPOINTS[dialect]}" for dialect in spoken)
    if spec.dialect not in spoken:
        text = f"it speaks {where}, and the spec says dialect={spec.dialect!r}"
        return _failed("model", text, f"say dialect={spoken[0]!r}")
    return _ok("model", f"{where}, {len(examiner.calls)} calls")


def _instructed(examiner: Examiner) -> Step:
    told = examiner.told()
    if any(INSTRUCTION in text for text in told):
        return _ok("instruction", "byte for byte")
    best = max((_common(text) for text in told), default=0)
    if not best:
        return _failed(
            "instruction", "nothing of it came", "see the spec's delivery, and what the command does with it"
        )
    rest = INSTRUCTION[best : best + 20]
    return _failed("instruction", f"its first {best} characters came; then not {rest!r}", "keep shells away from it")


def _common(text: str) -> int:
    """How much of the instruction's beginning is in a text."""
    low, high = 0, len(INSTRUCTION)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if INSTRUCTION[:middle] in text else (low, middle - 1)
    return low


def _worked(examiner: Examiner) -> Iterator[Step]:
    if not examiner.asked:
        offered = f"the tools it offers run no commands: {', '.join(examiner.tools)}" if examiner.tools else ""
        yield Step(name="tool call", state="skipped", detail=offered or "it offers its model no tools")
        return
    results = examiner.results()
    if not results:
        yield _failed("tool call", "it was asked to run a command, and nothing came back", "let it act without asking")
        return
    yield _ok("tool call", "it ran a command")
    if any(PROOF in result for result in results):
        yield _ok("tool result", "what the command printed came back")
    else:
        remedy = "let it act without asking: see the spec's approve"
        yield _failed("tool result", f"instead of {PROOF!r} came: {results[0][:200]!r}", remedy)


def _ended(spec: AgentSpec, outcome: Outcome) -> Step:
    code = outcome.attempts[-1].agent_exit_code if outcome.attempts else None
    if code is None:
        why = outcome.fault.message if outcome.fault else "nobody knows how"
        return _failed("end", why, "have it end by itself when its model is done; or give it more time with --timeout")
    if code and not spec.exit_code_lies:
        return _failed("end", f"exit code {code}", "see its log; an exit code other than 0 is a failure")
    return _ok("end", f"exit code {code}")


def _tail(text: str, lines: int = _LINES) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])[-_LOG:]


def _ok(name: str, detail: str = "") -> Step:
    return Step(name=name, state="ok", detail=detail)


def _failed(name: str, detail: str, remedy: str = "") -> Step:
    return Step(name=name, state="failed", detail=detail, remedy=remedy)
