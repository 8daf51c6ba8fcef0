"""Running programs in local sandboxes, moving files, and losing sandboxes."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from greenroom.sandboxes import Exec, SandboxError, SandboxRequest
from greenroom.sandboxes.local import LocalBackend, open_local
from greenroom.sandboxes.local.init import outwait
from greenroom.sandboxes.local.sandbox import LocalSandbox
from greenroom.specs import Local

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

Alive = Callable[[str], list[int]]

ESCAPE = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, ["python3", "-c", "import time; time.sleep(1000)", sys.argv[1]], {})
    os._exit(0)
os.wait()
"""
FOREVER = "import time; time.sleep(1000)"


def shell(script: str, *arguments: str) -> Exec:
    """A shell script; its arguments are $1, $2 ..."""
    return Exec(argv=("sh", "-c", script, "sh", *arguments))


def escape(token: str, then: str = "") -> Exec:
    """Start a process that leaves session, parent and environment behind and keeps the output; then do more."""
    return Exec(argv=("python3", "-c", ESCAPE + then, token))


def descriptors() -> int:
    """How many the engine holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def started(sandbox: LocalSandbox, token: str, alive: Alive) -> None:
    """Return when a program that escapes, and keeps running itself, has done so."""
    process = await sandbox.start(escape(token, f"print('out', flush=True)\n{FOREVER}"))
    with anyio.fail_after(10):
        async for _ in process.output():
            break
    assert len(alive(token)) >= 1


async def test_exit_code_and_output(sandbox: LocalSandbox) -> None:
    """A program's exit code, both its outputs and its standard input are its own."""
    program = Exec(argv=("sh", "-c", "cat; echo err >&2; exit 3"), stdin=b"in\n")
    result = await sandbox.exec(program, timeout=10)
    assert (result.exit_code, result.output) == (3, b"in\nerr\n")
    assert not result.timed_out
    assert not result.truncated


async def test_large_input(sandbox: LocalSandbox) -> None:
    """Standard input larger than any pipe reaches a program that writes while it reads."""
    result = await sandbox.exec(Exec(argv=("cat",), stdin=b"x" * 3_000_000), timeout=20, limit=4_000_000)
    assert len(result.output) == 3_000_000


async def test_signal(sandbox: LocalSandbox) -> None:
    """A program ended by signal N has exit code -N."""
    assert (await sandbox.exec(shell("kill -TERM $$"), timeout=10)).exit_code == -signal.SIGTERM


async def test_environment_and_directory(sandbox: LocalSandbox) -> None:
    """A program sees its own environment and the sandbox's, none of the engine's, and starts in the work directory."""
    result = await sandbox.exec(
        Exec(argv=("sh", "-c", "echo $HOME $A $PYTEST_CURRENT_TEST; pwd"), env={"A": "b"}), timeout=10
    )
    assert result.output.decode() == f"{sandbox.home} b\n{sandbox.workdir}\n"


async def test_cannot_run(sandbox: LocalSandbox) -> None:
    """A program that does not exist or may not be executed ends with 127 or 126 and says why, as in a shell."""
    await sandbox.write({"text": b"not a program"})
    missing = await sandbox.exec(Exec(argv=("no-such-program",)), timeout=10)
    refused = await sandbox.exec(Exec(argv=("./text",)), timeout=10)
    assert (missing.exit_code, refused.exit_code) == (127, 126)
    assert b"no-such-program" in missing.output


async def test_tail(sandbox: LocalSandbox) -> None:
    """Of a long output the tail is kept, and it is said that the beginning is missing."""
    result = await sandbox.exec(shell("seq 1 100000"), timeout=20, limit=13)
    assert result.output == b"99999\n100000\n"
    assert result.truncated


async def test_background_process_keeps_output(sandbox: LocalSandbox, token: str, alive: Alive) -> None:
    """A descendant that holds the output open does not hold up the result, and lives on."""
    result = await sandbox.exec(escape(token, "print('done')"), timeout=20)
    assert (result.exit_code, result.output, result.timed_out) == (0, b"done\n", False)
    assert alive(token)


async def test_timeout(sandbox: LocalSandbox, token: str, alive: Alive) -> None:
    """When the time is over everything the program started is dead, whatever it did; its output is kept."""
    program = escape(token, f"print('out', flush=True)\n{FOREVER}")
    result = await sandbox.exec(program, timeout=1.5)
    assert (result.exit_code, result.output, result.timed_out) == (-signal.SIGKILL, b"out\n", True)
    assert alive(token) == []


async def test_kill_spares_other_jobs(sandbox: LocalSandbox, token: str, alive: Alive) -> None:
    """Killing a program leaves alone what another one has started, be it still running or not."""
    await sandbox.exec(escape(token + "-service"), timeout=10)
    neighbour = await sandbox.start(shell("exec sleep 1000", token))
    await sandbox.exec(escape(token + "-job", FOREVER), timeout=0.7)
    assert alive(token + "-job") == []
    assert len(alive(token + "-service")) == 1
    await neighbour.kill()
    assert await neighbour.wait() == -signal.SIGKILL


async def test_process(sandbox: LocalSandbox) -> None:
    """A started program's output streams, it can be killed twice, and whoever waits gets the same exit code."""
    process = await sandbox.start(shell("echo one; exec sleep 1000"))
    output = process.output()
    assert await anext(output) == b"one\n"
    await process.kill()
    await process.kill()
    assert [chunk async for chunk in output] == []
    assert [await process.wait(), await process.wait()] == [-signal.SIGKILL] * 2


async def test_two_wait(sandbox: LocalSandbox) -> None:
    """Two tasks may wait for one program."""
    process = await sandbox.start(shell("read line || exit 7"))
    codes: list[int] = []

    async def wait() -> None:
        codes.append(await process.wait())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        tasks.start_soon(wait)
    assert codes == [7, 7]


async def test_quiesce(sandbox: LocalSandbox, token: str, alive: Alive) -> None:
    """After quiesce nothing runs inside, whatever it did to get away, and the sandbox works as before."""
    await started(sandbox, token, alive)
    await sandbox.quiesce()
    assert alive(token) == []
    assert (await sandbox.exec(shell("echo again"), timeout=10)).output == b"again\n"


async def test_quiesce_fork_bomb(sandbox: LocalSandbox, token: str, alive: Alive) -> None:
    """Processes that multiply while they are killed are dead after quiesce."""
    bomb = """
import os, sys
for _ in range(3): os.fork()
print(flush=True)
while True:
    if os.fork(): os._exit(0)
    os.setsid()
"""
    process = await sandbox.start(Exec(argv=("python3", "-c", bomb, token)))
    with anyio.fail_after(10):
        assert await anext(process.output())
    await sandbox.quiesce()
    assert alive(token) == []


async def test_close_kills(sandbox: LocalSandbox, token: str, alive: Alive) -> None:
    """After close nothing runs, and closing again does nothing."""
    await started(sandbox, token, alive)
    await sandbox.close()
    assert alive(token) == []
    await sandbox.close()


async def test_orphans_are_reaped(sandbox: LocalSandbox) -> None:
    """A process whose parent is gone does not stay as a zombie."""
    # A zombie can still be sent a signal, so this ends only when the orphan was reaped.
    program = """
import os
read, write = os.pipe()
if os.fork() == 0:
    if (pid := os.fork()): os.write(write, str(pid).encode())
    os._exit(0)
os.wait()
orphan = int(os.read(read, 20))
try:
    while True: os.kill(orphan, 0)
except ProcessLookupError: print("reaped")
"""
    assert (await sandbox.exec(Exec(argv=("python3", "-c", program)), timeout=20)).output == b"reaped\n"


async def test_files(sandbox: LocalSandbox) -> None:
    """Files arrive with their parents made, programs see them, and reading is bounded."""
    await sandbox.write({"a/b c": b"\x00\xff" * 200_000, f"{sandbox.home}/x": b"", "a/empty": b""})
    assert await sandbox.read("a/b c") == b"\x00\xff" * 200_000
    assert await sandbox.read("a/b c", limit=3) == b"\x00\xff\x00"
    assert await sandbox.read(f"{sandbox.home}/x") == b""
    assert (await sandbox.exec(shell("wc -c < 'a/b c'"), timeout=10)).output.strip() == b"400000"


async def test_not_a_regular_file(sandbox: LocalSandbox) -> None:
    """A path with no regular file, be it a pipe, a directory, a link or nothing, is not found, and nobody hangs."""
    await sandbox.write({"file": b"content"})
    await sandbox.exec(shell("mkfifo pipe; mkdir directory; ln -s file link"), timeout=10)
    for path in ("nothing", "nothing/at/all", "pipe", "directory", "link", "/dev/null"):
        with pytest.raises(FileNotFoundError):
            await sandbox.read(path)


async def test_write_replaces_links(sandbox: LocalSandbox, tmp_path: Path) -> None:
    """A link planted where a file is written is replaced; what it points to is not touched."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    await sandbox.exec(shell('ln -s "$1" link; mkfifo pipe; echo old > file; ln file hard', str(victim)), timeout=10)
    await sandbox.write({"link": b"new", "pipe": b"new", "file": b"new"})
    assert victim.read_text() == "untouched"
    result = await sandbox.exec(shell("cat link pipe file hard; ls -A | wc -l"), timeout=10)
    assert result.output == b"newnewnewold\n4\n"


async def test_write_fails(sandbox: LocalSandbox) -> None:
    """A file that cannot be written is an error that names it; the sandbox works on."""
    await sandbox.exec(shell("mkdir directory"), timeout=10)
    with pytest.raises(SandboxError, match="directory"):
        await sandbox.write({"directory": b""})
    with pytest.raises(SandboxError):
        await sandbox.write({"a\0b": b""})
    assert (await sandbox.exec(shell("ls -A"), timeout=10)).output == b"directory\n"


async def test_hostile_tree(sandbox: LocalSandbox, tmp_path: Path, mode: str) -> None:
    """Closing removes any tree: thousands of levels, no permissions, odd names; and nothing beyond a link."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    program = """
import os, sys
os.symlink(sys.argv[1], "link"); os.symlink("/", "root")
os.mkdir("closed"); open("closed/file", "w").close(); os.mkdir("closed/below"); os.chmod("closed", 0)
open(b"\\xff\\n", "w").close(); os.mkfifo("fifo")
for _ in range(3000):
    os.mkdir("x" * 200); os.chdir("x" * 200)
"""
    result = await sandbox.exec(Exec(argv=("python3", "-c", program, str(tmp_path / "kept"))), timeout=30)
    assert result.exit_code == 0, result.output
    await sandbox.exec(shell("chmod 0 ."), timeout=10)
    await sandbox.close()
    assert list((tmp_path / "root").glob("*/sandboxes/*")) == []
    assert (tmp_path / "kept" / "file").exists()


async def test_killed_from_outside(sandbox: LocalSandbox, token: str, alive: Alive) -> None:
    """When the first process is killed, `lost` tells, everybody who waits gets a typed error, and close cleans up."""
    await started(sandbox, token, alive)
    running = await sandbox.start(shell("exec sleep 1000"))
    errors: list[str] = []

    async def wait() -> None:
        with pytest.raises(SandboxError) as caught:
            await running.wait()
        errors.append(caught.value.kind)

    async def lost() -> None:
        errors.append((await sandbox.lost()).kind)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(lost)
            tasks.start_soon(lost)
            await anyio.lowlevel.checkpoint()
            kill_keeper(sandbox)
    assert errors == ["sandbox_lost"] * 3
    for attempt in (sandbox.exec(shell("true"), timeout=5), sandbox.quiesce(), sandbox.read("x"), running.kill()):
        with pytest.raises(SandboxError):
            await attempt
    await sandbox.close()
    assert alive(token) == []


async def test_lost_before_it_was_closed(sandbox: LocalSandbox) -> None:
    """A sandbox that had died when it was closed was lost, whoever asks, and however late."""
    with anyio.fail_after(10):
        kill_keeper(sandbox)
        await outwait(sandbox._body.init._outer)
        await sandbox.close()
        assert (await sandbox.lost()).kind == "sandbox_lost"


async def test_lost_during_exec(sandbox: LocalSandbox) -> None:
    """A sandbox that dies under a program is an error of the sandbox, not a result of the program."""
    kinds: list[str] = []

    async def run() -> None:
        with pytest.raises(SandboxError) as caught:
            await sandbox.exec(shell("exec sleep 1000"), timeout=60)
        kinds.append(caught.value.kind)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.lowlevel.checkpoint()
            later = await sandbox.start(shell("echo up; exec sleep 1000"))
            assert await anext(later.output())
            kill_keeper(sandbox)
    assert kinds == ["sandbox_lost"]


async def test_closed(sandbox: LocalSandbox) -> None:
    """Once closed, a sandbox refuses everything, and those who were waiting are told so."""
    running = await sandbox.start(shell("exec sleep 1000"))
    kinds: list[str] = []

    async def wait() -> None:
        with pytest.raises(SandboxError) as caught:
            await running.wait()
        kinds.append(caught.value.kind)

    async def lost() -> None:
        kinds.append((await sandbox.lost()).kind)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(lost)
            await anyio.lowlevel.checkpoint()
            await sandbox.close()
    with pytest.raises(SandboxError) as caught:
        await sandbox.exec(shell("true"), timeout=5)
    assert {*kinds, caught.value.kind, (await sandbox.lost()).kind} == {"sandbox_closed"}


async def test_deadline(backend: LocalBackend, token: str, alive: Alive) -> None:
    """A sandbox nobody closes ends itself, with all in it, when its time is over."""
    sandbox = await backend.create(SandboxRequest(id="short", rollout_id="r", seconds=1))
    running = await sandbox.start(escape(token, FOREVER))
    with anyio.fail_after(10):
        assert (await sandbox.lost()).kind == "sandbox_expired"
    assert alive(token) == []
    with pytest.raises(SandboxError):
        await running.wait()


async def test_alarm_from_inside(sandbox: LocalSandbox) -> None:
    """A program cannot end its sandbox by signals to the first process."""
    script = "for s in HUP INT QUIT USR1 USR2 ALRM TERM CHLD; do kill -$s $PPID; done; echo sent"
    assert (await sandbox.exec(shell(script), timeout=10)).output == b"sent\n"
    assert (await sandbox.exec(shell("echo alive"), timeout=10)).output == b"alive\n"


@pytest.mark.parametrize("delay", [0.0, 0.0005, 0.002, 0.01, 0.05, 0.2])
async def test_cancelled_exec(sandbox: LocalSandbox, token: str, alive: Alive, delay: float) -> None:
    """A cancelled exec leaves no process, and no descriptor, whenever the cancellation comes."""
    before = descriptors()
    with anyio.move_on_after(delay):
        await sandbox.exec(escape(token, FOREVER), timeout=60)
    assert alive(token) == []
    assert descriptors() == before
    assert (await sandbox.exec(shell("echo fine"), timeout=10)).output == b"fine\n"


def kill_keeper(sandbox: LocalSandbox) -> None:
    """Kill the sandbox's first process, as the kernel would when memory is short."""
    init = sandbox._body.init
    signal.pidfd_send_signal(init._keeper if init._keeper >= 0 else init._outer, signal.SIGKILL)


@pytest.mark.needs("bwrap")
async def test_a_program_that_fails_for_want_of_its_directories_is_not_to_blame(tmp_path: Path) -> None:
    """Once somebody has removed a sandbox's work directory, what fails there is the sandbox's failure, not a result."""
    async with await open_local(Local(root=str(tmp_path / "root"))) as backend:
        sandbox = await backend.create(SandboxRequest(id="sandbox", rollout_id="rollout", seconds=60))
        assert (await sandbox.exec(shell("exit 3"), timeout=20)).exit_code == 3
        shutil.rmtree(backend._root.place("sandbox").workdir)
        assert (await sandbox.exec(Exec(argv=("true",), cwd="/"), timeout=20)).exit_code == 0
        deeds = (
            lambda: sandbox.exec(shell("test -f done"), timeout=20),
            lambda: sandbox.write({"a": b"b"}),
            lambda: sandbox.read("a"),
            sandbox.quiesce,
        )
        for deed in deeds:
            with pytest.raises(SandboxError, match="was removed from outside") as caught:
                await deed()
            assert caught.value.kind == "host_exhausted"
