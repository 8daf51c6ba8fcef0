from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import anyio
import msgspec
import pytest
from anyio.abc import SocketAttribute, SocketStream

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.prefix import Prefix, install, prefix_status
from greenroom.sandboxes.prefix_path import prefix_path
from greenroom.sandboxes.recipe import missing
from greenroom.specs import NpmRecipe, PythonRecipe

pytestmark = [pytest.mark.anyio, pytest.mark.real_time, pytest.mark.agents, pytest.mark.needs("npm")]
TOOL = "#!/usr/bin/env node\nconsole.log('tiny')\n"


def npm_package(directory: Path, **scripts: str) -> NpmRecipe:
    """Build a small npm package with one program, and the recipe that installs it."""
    manifest = {"name": "tiny", "version": "1.0.0", "bin": {"tiny": "tiny.js"}, "scripts": scripts}
    archive = directory / "tiny-1.0.0.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in (("package.json", json.dumps(manifest)), ("tiny.js", TOOL)):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return NpmRecipe(packages=(f"tiny@file:{archive}",))


def python_package(directory: Path) -> PythonRecipe:
    """Build a small wheel with one program, and the recipe that installs it."""
    wheel = directory / "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "def main():\n    print('tiny')\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\ntiny = tiny:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return PythonRecipe(packages=(f"tiny @ {wheel.as_uri()}",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the prefixes of one test go; the path holds a space."""
    return tmp_path / "the prefixes"


def contents(root: Path) -> list[str]:
    """What is in the cache directory: an empty name is a prefix, the others are suffixes of its name."""
    return sorted(path.suffix if "." in path.name else "" for path in root.iterdir())


def inode(prefix: Prefix) -> int:
    """Tell one prefix from another one at the same path."""
    return Path(prefix.path).stat().st_ino


def log_text(log: str | Path) -> str:
    """All that an installer said."""
    return Path(log).read_text()


async def test_an_npm_recipe_is_installed_once(tmp_path: Path, root: Path) -> None:
    """The first call installs, the second finds it, and nothing but prefix, lock and log is there."""
    recipe = npm_package(tmp_path)
    said: list[str] = []
    first = await install(recipe, root=root, progress=said.append)
    made = inode(first)
    again = await install(recipe, root=root, progress=said.append)
    assert log_text(f"{first.path}/node_modules/tiny/tiny.js") == TOOL
    assert (again.path, inode(again)) == (first.path, made)
    assert [line.split()[0] for line in said] == ["installing", "installed"]
    assert contents(root) == ["", ".lock", ".log"]


async def test_a_python_recipe_is_an_environment_of_its_own(tmp_path: Path, root: Path) -> None:
    """Its programs run from the final place, with an interpreter that sees its packages."""
    prefix = await install(python_package(tmp_path), root=root, check=("{prefix}/bin/python", "-c", "import tiny"))
    for argv in ((f"{prefix.path}/bin/tiny",), (f"{prefix.path}/bin/python", "-c", "import tiny; tiny.main()")):
        assert (await anyio.run_process(argv)).stdout == b"tiny\n"


async def test_install_scripts_are_not_run(tmp_path: Path, root: Path) -> None:
    """A package's own scripts do not run on the host."""
    mark = tmp_path / "mark"
    await install(npm_package(tmp_path, preinstall=f"touch {mark}", postinstall=f"touch {mark}"), root=root)
    assert not mark.exists()


async def test_many_callers_share_one_installation(tmp_path: Path, root: Path) -> None:
    """A thousand calls at once install once, and all get the same prefix."""
    recipe = npm_package(tmp_path)
    said: list[str] = []
    found: set[str] = set()

    async def one() -> None:
        found.add((await install(recipe, root=root, progress=said.append)).path)

    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(one)
    assert len(found) == 1
    assert len(said) == 2


async def test_a_failure_is_shared_and_leaves_its_log_alone(root: Path) -> None:
    """All who waited get one error with the installer's words; afterwards only lock and log are there."""
    recipe = NpmRecipe(packages=("absent@file:/no/such/package.tgz",))
    said: list[str] = []
    errors: list[InstallError] = []

    async def one() -> None:
        try:
            await install(recipe, root=root, progress=said.append)
        except InstallError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(one)
    assert ({error.kind for error in errors}, len(errors), len(said)) == ({"install_failed"}, 20, 1)
    assert "no/such/package.tgz" in errors[0].log
    assert log_text(errors[0].log_path).endswith(errors[0].log)
    assert contents(root) == [".lock", ".log"]


async def test_an_installer_that_fails_is_tried_again(tmp_path: Path, root: Path) -> None:
    """What comes right while it waits is installed after all, and who watches is told of the failure."""
    recipe = npm_package(tmp_path)
    archive = tmp_path / "tiny-1.0.0.tgz"
    good = archive.read_bytes()
    archive.write_bytes(b"no archive")
    said: list[str] = []

    def progress(line: str) -> None:
        said.append(line)
        if "trying again" in line:
            archive.write_bytes(good)

    prefix = await install(recipe, root=root, progress=progress, waits=(0.0, 0.0))
    assert log_text(f"{prefix.path}/node_modules/tiny/tiny.js") == TOOL
    assert [line.split()[0] for line in said if "trying again" not in line] == ["installing", "installed"]
    assert len(said) == 3


async def test_what_keeps_failing_is_left_alone_for_a_while(root: Path) -> None:
    """From the third time on the last error is given at once and no installer runs."""
    recipe = NpmRecipe(packages=("absent@file:/no/such/package.tgz",))
    said: list[str] = []
    for _ in range(124):
        with pytest.raises(InstallError, match="exited with") as caught:
            await install(recipe, root=root, progress=said.append)
        assert "no/such/package.tgz" in caught.value.log
    assert len(said) == 2


async def test_a_failed_check_is_no_installation(tmp_path: Path, root: Path) -> None:
    """What installs but does not run is not kept, and may be tried again."""
    recipe = npm_package(tmp_path)
    with pytest.raises(InstallError) as caught:
        await install(recipe, root=root, check=("/bin/sh", "-c", "echo $0 $HOME; exit 3", "{prefix}"))
    assert caught.value.kind == "install_failed"
    assert str(root) in caught.value.log.splitlines()[-1]
    assert os.environ["HOME"] not in caught.value.log.splitlines()[-1].split()
    assert contents(root) == [".lock", ".log"]
    await install(recipe, root=root, check=("/bin/true",))


class Registry:
    """Serves one npm package; holds back as many of the first requests as it is told to."""

    def __init__(self, directory: Path, held: int) -> None:
        (archive,) = (package.partition("file:")[2] for package in npm_package(directory).packages)
        self.content = Path(archive).read_bytes()
        self.held = held
        self.asked = anyio.Event()
        self.hung_up = anyio.Event()

    async def serve(self, stream: SocketStream) -> None:
        """Serve one connection."""
        async with stream:
            await stream.receive()
            self.asked.set()
            if self.held:
                self.held -= 1
                with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    await stream.receive()
                self.hung_up.set()
            else:
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.content)}\r\nConnection: close\r\n\r\n"
                await stream.send(head.encode() + self.content)


@asynccontextmanager
async def registry(directory: Path, *, held: int) -> AsyncGenerator[tuple[Registry, NpmRecipe]]:
    """Serve on a free loopback port; gives the registry and a recipe that asks it."""
    server = Registry(directory, held)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, server.serve)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's word, not Django's
        yield server, NpmRecipe(packages=(f"tiny@http://127.0.0.1:{port}/tiny-1.0.0.tgz",))
        tasks.cancel_scope.cancel()


async def test_a_cancelled_installation_leaves_nothing_half_made(tmp_path: Path, root: Path) -> None:
    """Cancelled while npm waits for the network, npm is gone at once and only lock and log are left."""
    async with registry(tmp_path, held=9) as (server, recipe), anyio.create_task_group() as tasks:
        tasks.start_soon(partial(install, recipe, root=root))
        await server.asked.wait()
        tasks.cancel_scope.cancel()
        with anyio.fail_after(10, shield=True):
            await server.hung_up.wait()
    assert contents(root) == [".lock", ".log"]


async def test_another_caller_takes_over_from_a_cancelled_one(tmp_path: Path, root: Path) -> None:
    """Those who wait for an installation do not share the cancellation of the one who runs it."""
    found: list[Prefix] = []

    async def wait(recipe: NpmRecipe) -> None:
        found.append(await install(recipe, root=root))

    async with registry(tmp_path, held=1) as (server, recipe), anyio.create_task_group() as tasks:
        leader = anyio.CancelScope()

        async def lead() -> None:
            with leader:
                await install(recipe, root=root)

        tasks.start_soon(lead)
        await server.asked.wait()
        tasks.start_soon(wait, recipe)
        tasks.start_soon(wait, recipe)
        await anyio.wait_all_tasks_blocked()
        leader.cancel()
    assert len(found) == 2
    assert contents(root) == ["", ".lock", ".log"]


async def test_an_installation_out_of_time_is_given_up(tmp_path: Path, root: Path) -> None:
    """After the time-out the caller gets an error, whoever waited for it too, and npm is gone."""
    kinds: list[str] = []

    async def one(recipe: NpmRecipe) -> None:
        try:
            await install(recipe, root=root, timeout=2.0)
        except InstallError as error:
            kinds.append(error.kind)

    async with registry(tmp_path, held=9) as (server, recipe):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, recipe)
            tasks.start_soon(one, recipe)
        with anyio.fail_after(10):
            await server.hung_up.wait()
    assert kinds == ["install_timeout"] * 2
    assert contents(root) == [".lock", ".log"]


INSTALL = """
import sys, anyio, msgspec
from pathlib import Path
from functools import partial
from greenroom.sandboxes.prefix import install
from greenroom.specs import NpmRecipe
print(anyio.run(partial(install, msgspec.json.decode(sys.argv[1], type=NpmRecipe), root=Path(sys.argv[2]))).path)
"""


async def test_an_installer_does_not_survive_its_engine(tmp_path: Path, root: Path) -> None:
    """When the installing process is killed, npm goes too, and the next one cleans up and installs."""
    async with registry(tmp_path, held=1) as (server, recipe):
        argv = (sys.executable, "-c", INSTALL, msgspec.json.encode(recipe).decode(), str(root))
        async with await anyio.open_process(argv) as other:
            await server.asked.wait()
            other.kill()
            with anyio.fail_after(10):
                await server.hung_up.wait()
        assert [name[:5] for name in contents(root)] == [".lock", ".log", ".tmp-"]
        await install(recipe, root=root)
    assert contents(root) == ["", ".lock", ".log"]


async def test_processes_wait_for_each_other(tmp_path: Path, root: Path) -> None:
    """Of several processes that need one prefix, one installs; all get it."""
    recipe = npm_package(tmp_path)
    argv = (sys.executable, "-c", INSTALL, msgspec.json.encode(recipe).decode(), str(root))
    found: list[bytes] = []

    async def other() -> None:
        found.append((await anyio.run_process(argv)).stdout)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        tasks.start_soon(other)
    assert found[0] == found[1]
    assert log_text(f"{prefix_path(recipe, root=root)}.log").count("$ ") == 1


async def test_an_unusable_cache_is_a_clear_error(tmp_path: Path) -> None:
    """A cache directory that cannot be made is named in the error."""
    with pytest.raises(InstallError, match="/dev/null/no") as caught:
        await install(npm_package(tmp_path), root=Path("/dev/null/no"))
    assert caught.value.kind == "install_storage"


async def test_a_machine_without_installers_is_told_what_it_lacks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without npm and without venv the status and the error say what to install; with venv alone it can be done."""
    recipe = NpmRecipe(packages=("x@1.0.0",))
    monkeypatch.setenv("PATH", "")
    assert prefix_status(recipe, root=root).missing == ()
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    status = prefix_status(recipe, root=root)
    assert (status.installed, status.missing) == (False, ("npm, or Python's venv and ensurepip modules",))
    with pytest.raises(InstallError, match=r"x@1\.0\.0 needs npm") as caught:
        await install(recipe, root=root)
    assert caught.value.kind == "install_unavailable"


async def test_the_status_tells_what_is_installed(tmp_path: Path, root: Path) -> None:
    """The status is what `install` did, at the path that `install` gave."""
    recipe = npm_package(tmp_path)
    assert not prefix_status(recipe, root=root).installed
    prefix = await install(recipe, root=root)
    status = prefix_status(recipe, root=root)
    assert (status.installed, status.path, status.missing) == (True, prefix.path, ())


async def test_another_python_comes_along_whole(tmp_path: Path, root: Path) -> None:
    """An agent that needs another Python gets a copy that works from the prefix alone."""
    version = next((v for v in ("3.12", "3.13", "3.10") if not missing(PythonRecipe(packages=("x",), python=v))), None)
    if version is None or f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        assert missing(PythonRecipe(packages=("x",), python="3.99")) == ("Python 3.99",)
        return
    recipe = msgspec.structs.replace(python_package(tmp_path), python=version)
    prefix = await install(recipe, root=root, check=("{prefix}/bin/python", "-c", "import tiny"))
    assert (await anyio.run_process((f"{prefix.path}/bin/tiny",))).stdout == b"tiny\n"
    told = await anyio.run_process(
        (f"{prefix.path}/bin/python3", "-c", "import sys, tiny; print(sys.version, tiny.__file__)")
    )
    assert told.stdout.decode().startswith(version)
    assert prefix.path in told.stdout.decode()
