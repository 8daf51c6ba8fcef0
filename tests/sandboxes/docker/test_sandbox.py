"""What can be done with a container, on a real engine."""

from __future__ import annotations

import anyio
import pytest
from docker import DockerClient

from greenroom.sandboxes import Exec, SandboxError
from greenroom.sandboxes.docker import DockerBackend
from greenroom.sandboxes.docker.sandbox import DockerSandbox

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.containers,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


def sh(command: str, **fields: object) -> Exec:
    """A shell command."""
    return Exec(argv=("/bin/sh", "-c", command), **fields)  # type: ignore[arg-type]


async def test_a_program_gets_its_input_and_environment_and_gives_output_and_exit_code(sandbox: DockerSandbox) -> None:
    """Input, environment, directory, both outputs and the exit code arrive unchanged."""
    program = sh("pwd; echo $GREETING; cat; echo error >&2; exit 7", env={"GREETING": "hello"}, stdin=b"\x00in\xff")
    result = await sandbox.exec(program, timeout=20)
    assert (result.exit_code, result.timed_out, result.truncated) == (7, False, False)
    assert result.output.splitlines() == [b"/workspace", b"hello", b"\x00in\xfferror"]


async def test_large_input_and_output_flow(sandbox: DockerSandbox) -> None:
    """Megabytes go in and come out while neither side waits for the other; only the tail is kept."""
    data = bytes(range(256)) * 8192
    result = await sandbox.exec(Exec(argv=("cat",), stdin=data), timeout=30, limit=1000)
    assert (result.exit_code, result.truncated, result.output) == (0, True, data[-1000:])


async def test_input_nobody_reads_is_no_hang(sandbox: DockerSandbox) -> None:
    """A program that ignores its input ends as soon as it likes."""
    result = await sandbox.exec(sh("exit 0", stdin=b"x" * 1_000_000), timeout=20)
    assert (result.exit_code, result.timed_out) == (0, False)


async def test_a_program_that_is_not_there_fails_by_itself(sandbox: DockerSandbox) -> None:
    """What cannot be run ends with a shell's exit code and says why; the sandbox lives on."""
    result = await sandbox.exec(Exec(argv=("no-such-program",)), timeout=20)
    assert result.exit_code == 127
    assert b"no-such-program" in result.output
    assert (await sandbox.exec(sh("true"), timeout=20)).exit_code == 0


async def test_output_comes_while_the_program_runs(sandbox: DockerSandbox) -> None:
    """Each line is there when it is written, not at the end."""
    running = await sandbox.start(sh("echo one; read line; echo two", stdin=b"go\n"))
    text = b"".join([chunk async for chunk in running.output()])
    assert text == b"one\ntwo\n"
    assert await running.wait() == 0
    assert await running.wait() == 0


async def test_a_program_whose_time_is_up_is_killed_with_all_it_started(how: str, sandbox: DockerSandbox) -> None:
    """After a timeout, not even what detached itself still writes."""
    busy = "setsid sh -c 'while :; do echo x >> f; done' & while :; do :; done"
    result = await sandbox.exec(sh(busy), timeout=1.0)
    assert (result.timed_out, result.exit_code) == (True, 137)
    still = await sandbox.exec(sh("a=$(wc -c < f); sleep 0.5; test $a = $(wc -c < f)"), timeout=20)
    assert still.exit_code == 0


async def test_a_program_that_ignores_signals_is_killed_all_the_same(sandbox: DockerSandbox) -> None:
    """TERM, INT and HUP caught or not, a kill ends it."""
    running = await sandbox.start(sh("trap '' TERM INT HUP; echo ready; while :; do sleep 1; done"))
    assert await anext(aiter(running.output())) == b"ready\n"
    await running.kill()
    assert await running.wait() == 137


@pytest.fixture(params=[pytest.param("outside", marks=pytest.mark.needs("root")), "inside"])
def how(request: pytest.FixtureRequest, sandbox: DockerSandbox) -> str:
    """Processes are killed from outside, as root, or from inside, as anybody."""
    if request.param == "inside":
        sandbox._group = None
    elif sandbox._group is None:
        pytest.skip("the engine is on another machine")
    return str(request.param)


async def test_quiet_means_quiet(how: str, sandbox: DockerSandbox) -> None:
    """After `quiesce`, the keeper's and the shell that looks are all processes there are."""
    await sandbox.start(sh("(setsid sleep 1000 &) ; exec sleep 1000"))
    await sandbox.quiesce()
    result = await sandbox.exec(sh("ps -o user,args | grep -c '[s]leep 1000'"), timeout=20)
    assert result.output.strip() == b"0"


async def test_a_fork_bomb_is_stopped(how: str, sandbox: DockerSandbox) -> None:
    """With every process it may have taken, the sandbox can still be made quiet, and used."""
    running = await sandbox.start(sh("f() { f | f & }; f; sleep 100"))
    with anyio.move_on_after(2):
        await running.wait()
    await sandbox.quiesce()
    assert (await sandbox.exec(sh("echo fine"), timeout=20)).output == b"fine\n"


async def test_files_go_in_and_come_out(sandbox: DockerSandbox) -> None:
    """Absolute and relative paths, with parents made, belong to the programs' user and read back the same."""
    content = bytes(range(256)) * 100
    await sandbox.write({"a/b/data.bin": content, "/tests/run.sh": b"echo hi\n", f"{sandbox.home}/.x/y": b""})
    assert await sandbox.read("a/b/data.bin") == content
    assert await sandbox.read("a/b/data.bin", limit=10) == content[:10]
    assert await sandbox.read(f"{sandbox.home}/.x/y") == b""
    result = await sandbox.exec(sh("sh /tests/run.sh && touch a/b/mine a/mine"), timeout=20)
    assert (result.exit_code, result.output) == (0, b"hi\n")


@pytest.mark.parametrize("path", ["nothing", "/workspace", "link", "/workspace/none/file", "fifo"])
async def test_what_is_no_regular_file_is_not_found(sandbox: DockerSandbox, path: str) -> None:
    """Links, directories and pipes count as missing."""
    await sandbox.exec(sh("ln -s /etc/passwd link; mkfifo fifo"), timeout=20)
    with pytest.raises(FileNotFoundError):
        await sandbox.read(path)


async def test_a_planted_link_is_replaced(sandbox: DockerSandbox) -> None:
    """A link where a file is to be written does not lead anywhere."""
    await sandbox.exec(sh("echo old > victim; ln -s victim f"), timeout=20)
    await sandbox.write({"f": b"new"})
    assert (await sandbox.read("f"), await sandbox.read("victim")) == (b"new", b"old\n")


async def test_a_huge_file_is_read_no_further_than_asked(sandbox: DockerSandbox) -> None:
    """A file of any size costs what was asked for."""
    await sandbox.exec(sh("truncate -s 20G huge && printf start | dd of=huge conv=notrunc 2>/dev/null"), timeout=20)
    assert await sandbox.read("huge", limit=5) == b"start"


async def test_a_killed_container_is_a_lost_sandbox(sandbox: DockerSandbox, client: DockerClient) -> None:
    """``docker kill`` is heard of by all who wait, with a reason, and everything after it fails with the same."""
    running = await sandbox.start(sh("sleep 100"))
    client.containers.get(sandbox.container).kill()
    with anyio.fail_after(20):
        assert (await sandbox.lost()).kind == "sandbox_killed"
        for use in (running.wait, sandbox.quiesce):
            with pytest.raises(SandboxError) as caught:
                await use()
            assert caught.value.kind == "sandbox_killed"


async def test_closing_is_final(backend: DockerBackend, sandbox: DockerSandbox, client: DockerClient) -> None:
    """A closed sandbox is gone, says so, and can be closed again."""
    await sandbox.close()
    await sandbox.close()
    assert (await sandbox.lost()).kind == "sandbox_closed"
    with pytest.raises(SandboxError, match="closed"):
        await sandbox.exec(sh("true"), timeout=5)
    assert backend.live == {}
    assert client.containers.list(all=True, filters={"id": sandbox.container}) == []
