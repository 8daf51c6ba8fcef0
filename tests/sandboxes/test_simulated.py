"""Simulated sandboxes: they keep the backend's rules, in virtual time, and the same seed gives the same fate."""

from __future__ import annotations

import math
from collections import Counter

import anyio
import msgspec
import pytest

from greenroom.sandboxes._simulated_fate import Misfortune, draw_fate
from greenroom.sandboxes._simulated_process import SimulatedProcess
from greenroom.sandboxes.base import Backend, Exec, Process, Sandbox, SandboxError, SandboxRequest
from greenroom.sandboxes.simulated import SimulatedBackend, SimulatedSandbox
from greenroom.specs import Launch, Simulated
from greenroom.specs.agents.simulated import SIMULATED

pytestmark = pytest.mark.anyio

REPLY = b'{"choices": [{"message": {"role": "assistant", "content": "on it"}}]}'
ENV = {"OPENAI_BASE_URL": "http://model/v1", "OPENAI_API_KEY": "key", "OPENAI_MODEL": "m"}
AGENT = Exec(argv=("simulated-agent",), env=ENV, stdin=b"Fix it.")


class Endpoint:
    """A model endpoint that remembers what it was asked."""

    def __init__(self, status: int = 200, reply: bytes = REPLY, seconds: float = 0.0) -> None:
        self.status = status
        self.reply = reply
        self.seconds = seconds
        self.calls: list[tuple[float, str, str, dict[str, object]]] = []
        self.cancelled = 0

    async def __call__(self, base_url: str, api_key: str, body: bytes) -> tuple[int, bytes]:
        self.calls.append((anyio.current_time(), base_url, api_key, msgspec.json.decode(body)))
        try:
            await anyio.sleep(self.seconds)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3.0)  # hanging up takes a while
            self.cancelled += 1
            raise
        return self.status, self.reply


def request(sandbox_id: str = "s-1", seconds: float = 10_000.0) -> SandboxRequest:
    """A request for a sandbox."""
    return SandboxRequest(id=sandbox_id, rollout_id="r-1", seconds=seconds)


def shell(command: str, **env: str) -> Exec:
    """A command as set-up and verifiers run it."""
    return Exec(argv=("/bin/sh", "-c", command), env=env)


def doomed(misfortune: Misfortune, spec: Simulated) -> str:
    """The id of a sandbox that will meet that misfortune."""
    return next(f"s-{n}" for n in range(1000) if draw_fate(spec, f"s-{n}").misfortune == misfortune)


async def boot(misfortune: Misfortune, endpoint: Endpoint | None = None) -> SimulatedSandbox:
    """A sandbox that boots and will meet that misfortune."""
    spec = Simulated(fault_rate=1.0)
    return await SimulatedBackend(spec, endpoint or Endpoint()).create(request(doomed(misfortune, spec)))


async def test_it_is_a_backend() -> None:
    """Backend, sandbox and process are what the engine's protocols ask for."""
    backend: Backend = SimulatedBackend(Simulated(), Endpoint())
    sandbox: Sandbox = await backend.create(request())
    process: Process = await sandbox.start(AGENT)
    assert await process.wait() == 0
    await backend.close()


async def test_agent_makes_its_turns_some_time_apart() -> None:
    """The agent makes `turns` calls, `turn` seconds apart, with its key, and its conversation grows by each reply."""
    endpoint = Endpoint()
    sandbox = await SimulatedBackend(Simulated(turns=3, turn=5.0), endpoint).create(request())
    began = anyio.current_time()
    process = await sandbox.start(AGENT)
    assert await process.wait() == 0
    times, urls, keys, bodies = zip(*endpoint.calls, strict=True)
    assert [round(time - began, 3) for time in times] == [5.0, 10.0, 15.0]
    assert set(urls) == {"http://model/v1"}
    assert set(keys) == {"key"}
    assert bodies[0]["model"] == "m"
    assert bodies[0]["messages"] == [{"role": "user", "content": "Fix it."}]
    assert [len(body["messages"]) for body in bodies] == [1, 3, 5]
    assert [chunk async for chunk in process.output()] == [b"turn 0: 200\n", b"turn 1: 200\n", b"turn 2: 200\n"]


async def test_agent_answers_tool_calls() -> None:
    """A reply with tool calls is followed by one result for each, as chat completions demand."""
    calls = [{"id": "c1", "type": "function", "function": {"name": "bash", "arguments": "{}"}}]
    endpoint = Endpoint(reply=msgspec.json.encode({"choices": [{"message": {"content": None, "tool_calls": calls}}]}))
    sandbox = await SimulatedBackend(Simulated(turns=2), endpoint).create(request())
    assert await (await sandbox.start(AGENT)).wait() == 0
    messages = endpoint.calls[-1][3]["messages"]
    assert isinstance(messages, list)
    assert messages[1:] == [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ]


@pytest.mark.parametrize("endpoint", [Endpoint(status=500), Endpoint(reply=b"<html>"), Endpoint(reply=b"{}"), None])
async def test_agent_fails_when_its_model_does(endpoint: Endpoint | None) -> None:
    """An error status, a reply that is none, and an endpoint that is not there end the agent with exit code 1."""
    sandbox = await SimulatedBackend(Simulated(), endpoint).create(request())
    assert (await sandbox.exec(AGENT, timeout=100)).exit_code == 1


async def test_agent_goes_on_when_another_waits_for_it() -> None:
    """Whoever waits drives the agent; cancelled, the next one continues where it was, losing no turn."""
    endpoint = Endpoint(seconds=1.0)
    sandbox = await SimulatedBackend(Simulated(turns=3, turn=2.0), endpoint).create(request())
    process = await sandbox.start(AGENT)
    with anyio.move_on_after(4.0):
        await process.wait()
    assert await process.wait() == 0
    assert len(b"".join([chunk async for chunk in process.output()]).splitlines()) == 3


async def test_output_and_exit_code_can_be_awaited_at_once() -> None:
    """One task reads the output while another waits for the exit code, and each turn happens once."""
    endpoint = Endpoint()
    sandbox = await SimulatedBackend(Simulated(turns=2), endpoint).create(request())
    process = await sandbox.start(AGENT)
    codes: list[int] = []
    output: list[bytes] = []

    async def wait() -> None:
        codes.append(await process.wait())

    async def read() -> None:
        output.extend([chunk async for chunk in process.output()])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        tasks.start_soon(read)
    assert (codes, len(output), len(endpoint.calls)) == ([0], 2, 2)


async def test_kill_returns_when_the_model_call_is_over() -> None:
    """Killing an agent cancels the call it makes, and everyone who waits learns of signal 9; again is no error."""
    endpoint = Endpoint(seconds=math.inf)
    sandbox = await SimulatedBackend(Simulated(turn=1.0), endpoint).create(request())
    process = await sandbox.start(AGENT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(process.wait)
        await anyio.sleep(50)
        assert (len(endpoint.calls), endpoint.cancelled) == (1, 0)
        await process.kill()
        assert endpoint.cancelled == 1
    await process.kill()
    assert await process.wait() == -9


async def test_quiesce_kills_all_and_leaves_the_sandbox_usable() -> None:
    """After quiesce nothing runs, files are still there and commands work: what grading needs."""
    sandbox = await SimulatedBackend(Simulated(), Endpoint()).create(request())
    await sandbox.write({"a": b"1"})
    processes = [await sandbox.start(AGENT) for _ in range(3)]
    await sandbox.quiesce()
    assert [await process.wait() for process in processes] == [-9, -9, -9]
    assert await sandbox.read("a") == b"1"
    assert (await sandbox.exec(shell("true"), timeout=5)).exit_code == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [("true", 0), ("false", 1), ("exit 7", 7), ("python3 -m unittest", 0), ("it's", 0), ("sleep x", 0)],
)
async def test_commands_obey_their_names(command: str, code: int) -> None:
    """`true`, `false` and `exit N` do what they say; everything else succeeds, and takes a moment."""
    sandbox = await SimulatedBackend(Simulated()).create(request())
    result = await sandbox.exec(shell(command), timeout=5)
    assert (result.exit_code, result.timed_out) == (code, False)
    assert 0 < result.seconds < 1


async def test_command_that_takes_too_long_is_killed() -> None:
    """At the end of its time a command is killed, and the result says so."""
    sandbox = await SimulatedBackend(Simulated()).create(request())
    result = await sandbox.exec(shell("sleep 100"), timeout=5)
    assert (result.exit_code, result.timed_out, round(result.seconds, 3)) == (-9, True, 5.0)


async def test_reward_file_can_be_written() -> None:
    """`echo TEXT > $VARIABLE` writes a file, so that reward files can be tried."""
    sandbox = await SimulatedBackend(Simulated()).create(request())
    await sandbox.exec(shell('echo 0.5 > "$GREENROOM_REWARD_FILE"', GREENROOM_REWARD_FILE="/r/reward"), timeout=5)
    assert await sandbox.read("/r/reward") == b"0.5\n"


async def test_output_is_cut_at_the_head() -> None:
    """Output longer than the limit keeps its tail and says that it was cut."""
    sandbox = await SimulatedBackend(Simulated()).create(request())
    result = await sandbox.exec(shell("echo abcdef"), timeout=5, limit=4)
    assert (result.output, result.truncated) == (b"def\n", True)


async def test_files_are_seen_from_the_work_directory() -> None:
    """Relative paths are relative to the work directory; a file that is not there is FileNotFoundError."""
    sandbox = await SimulatedBackend(Simulated()).create(request())
    await sandbox.write({"a/b": b"12345", "/etc/x": b"6"})
    assert await sandbox.read(f"{sandbox.workdir}/a/b", limit=3) == b"123"
    assert await sandbox.read("/etc/x") == b"6"
    with pytest.raises(FileNotFoundError):
        await sandbox.read("nothing")


async def test_death_is_felt_by_everything_at_once() -> None:
    """When it dies, who waits for its loss, its agent or a command learns of it, and every later use raises."""
    sandbox = await SimulatedBackend(Simulated(), Endpoint(seconds=1000)).create(request())
    kinds: list[str] = []

    async def waits(process: SimulatedProcess) -> None:
        with pytest.raises(SandboxError) as caught:
            await process.wait()
        kinds.append(caught.value.kind)

    async def watches() -> None:
        kinds.append((await sandbox.lost()).kind)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watches)
        tasks.start_soon(waits, await sandbox.start(AGENT))
        tasks.start_soon(waits, await sandbox.start(shell("sleep 500")))
        await anyio.sleep(10)
        sandbox.die()
    assert kinds == ["sandbox_lost"] * 3
    with pytest.raises(SandboxError):
        await sandbox.exec(shell("true"), timeout=5)
    with pytest.raises(SandboxError):
        await sandbox.write({})
    with pytest.raises(SandboxError):
        await sandbox.quiesce()
    assert (await sandbox.lost()).kind == "sandbox_lost"


async def test_sandbox_ends_itself_when_its_time_is_up() -> None:
    """A sandbox nobody closes is lost after the seconds it was asked for."""
    sandbox = await SimulatedBackend(Simulated(boot=1.0)).create(request(seconds=60))
    began = anyio.current_time()
    assert (await sandbox.lost()).kind == "sandbox_expired"
    assert round(anyio.current_time() - began, 3) == 59.0


async def test_closing_is_no_loss() -> None:
    """Closing ends the agent, and who waits for a loss keeps waiting; closing again is no error."""
    backend = SimulatedBackend(Simulated(), Endpoint())
    sandbox = await backend.create(request())
    process = await sandbox.start(AGENT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sandbox.lost)
        await anyio.sleep(1)
        await sandbox.close()
        await sandbox.close()
        assert await process.wait() == -9
        with pytest.raises(TimeoutError), anyio.fail_after(1000):
            await sandbox.lost()
        tasks.cancel_scope.cancel()
    assert (backend.created, backend.closed, backend.live, backend.sandboxes) == (1, 1, 0, {})


async def test_a_hang_lasts_as_long_as_it_is_told() -> None:
    """An agent that hangs ends by itself after ``hang`` seconds, whoever waits for it meanwhile, and never without."""
    for hang, ends in ((30.0, 124), (None, None)):
        spec = Simulated(fault_rate=1.0, turn=1.0, turns=4, hang=hang)
        sandbox = await SimulatedBackend(spec, Endpoint()).create(request(doomed("agent_hung", spec)))
        process = await sandbox.start(AGENT)
        began = anyio.current_time()
        for _ in range(3):
            with anyio.move_on_after(12.0):
                await process.wait()
        with anyio.move_on_after(5000.0) as given_up:
            assert await process.wait() == ends
        assert given_up.cancelled_caught == (hang is None)
        if hang is not None:
            assert anyio.current_time() - began == pytest.approx(sandbox.fate.last_turn * spec.turn + hang)
        await sandbox.close()


async def test_ledger_counts_boots_that_were_cancelled_or_failed() -> None:
    """A boot that is cancelled, fails or is overtaken by the backend's end leaves nothing behind."""
    spec = Simulated(boot=10.0, fault_rate=1.0)
    backend = SimulatedBackend(spec)
    with anyio.move_on_after(0.1):
        await backend.create(request(doomed("agent_hung", spec)))
    with pytest.raises(SandboxError) as caught:
        await backend.create(request(doomed("boot_failed", spec)))
    assert caught.value.kind == "boot_failed"
    assert (backend.created, backend.closed) == (2, 2)

    async def overtaken() -> None:
        with pytest.raises(SandboxError, match="closed"):
            await backend.create(request(doomed("agent_crashed", spec)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(overtaken)
        await anyio.sleep(0.5)
        await backend.close()
    assert (backend.created, backend.live) == (3, 0)
    with pytest.raises(SandboxError, match="closed"):
        await backend.create(request())


async def test_closing_the_backend_closes_its_sandboxes() -> None:
    """After close nothing lives."""
    backend = SimulatedBackend(Simulated())
    for number in range(5):
        await backend.create(request(f"s-{number}"))
    assert backend.live == 5
    await backend.close()
    assert (backend.created, backend.closed, backend.live) == (5, 5, 0)


async def test_agent_crash_looks_like_a_crash() -> None:
    """A crashing agent ends with exit code 139 and the sandbox lives on."""
    sandbox = await boot("agent_crashed")
    assert (await sandbox.exec(AGENT, timeout=1000)).exit_code == 139
    assert (await sandbox.exec(shell("true"), timeout=5)).exit_code == 0


async def test_hung_agent_never_ends_by_itself() -> None:
    """A hanging agent goes on until it is killed."""
    sandbox = await boot("agent_hung")
    result = await sandbox.exec(AGENT, timeout=1_000)
    assert (result.timed_out, result.exit_code) == (True, -9)


@pytest.mark.parametrize("misfortune", ["lost_in_setup", "lost_with_agent"])
async def test_lost_sandboxes_take_their_agent_along(misfortune: Misfortune) -> None:
    """A sandbox fated to die does so before its agent would have ended."""
    sandbox = await boot(misfortune)
    with pytest.raises(SandboxError) as caught:
        await sandbox.exec(AGENT, timeout=1000)
    assert caught.value.kind == "sandbox_lost"


async def test_sandbox_can_die_under_the_verifier() -> None:
    """A sandbox fated to die in grading survives its agent, and is lost right after it."""
    sandbox = await boot("lost_in_grading")
    assert (await sandbox.exec(AGENT, timeout=1000)).exit_code == 0
    began = anyio.current_time()
    assert (await sandbox.lost()).kind == "sandbox_lost"
    assert anyio.current_time() - began < 0.2


async def test_slow_boot_is_slow() -> None:
    """A slow boot takes ten times as long and then all is well."""
    began = anyio.current_time()
    sandbox = await boot("slow_boot")
    assert round(anyio.current_time() - began, 3) == 10.0
    assert (await sandbox.exec(AGENT, timeout=1000)).exit_code == 0


def test_fate_is_decided_by_seed_and_id() -> None:
    """The same seed and id give the same fate; the share of misfortunes is the rate, and all of them occur."""
    spec = Simulated(seed=3, fault_rate=0.3)
    fates = [draw_fate(spec, f"s-{number}") for number in range(5000)]
    assert fates == [draw_fate(spec, f"s-{number}") for number in range(5000)]
    assert fates != [draw_fate(Simulated(seed=4, fault_rate=0.3), f"s-{number}") for number in range(5000)]
    counts = Counter(fate.misfortune for fate in fates)
    assert 0.25 < 1 - counts[None] / 5000 < 0.35
    assert len(counts) == 8


def test_agent_spec_keeps_the_key_out_of_argv() -> None:
    """The simulated agent's command line carries its endpoint, key and model in the environment alone."""
    launch = Launch(
        instruction="Fix it.",
        base_url="http://m/v1",
        api_key="key",
        model="m",
        home="/h",
        workdir="/w",
        prefix="",
        seconds=9,
    )
    invocation = SIMULATED.command(launch)
    assert invocation.argv == ("simulated-agent",)
    assert invocation.env == {"OPENAI_BASE_URL": "http://m/v1", "OPENAI_API_KEY": "key", "OPENAI_MODEL": "m"}
    assert SIMULATED.delivery == "stdin"
