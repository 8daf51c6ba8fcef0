"""Agents' programs, installed: each recipe once per machine.

A prefix is built beside its final place and renamed into it, so that it exists whole or not at all. Whoever needs
it meanwhile waits: tasks of one event loop for the one that builds, processes for each other's file lock.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar
from msgspec import Struct

from greenroom.sandboxes import recipe as recipes
from greenroom.sandboxes.breaker import Breaker
from greenroom.sandboxes.filelock import file_lock
from greenroom.sandboxes.install_process import InstallError, run_logged, tail
from greenroom.sandboxes.install_reason import FINAL, explained
from greenroom.sandboxes.prefix_path import prefix_path
from greenroom.specs import Recipe

Progress = Callable[[str], None]
_CLEAN_UP_SECONDS = 60.0
_WAITS = (2.0, 8.0)
"""Seconds before an installer is run once more. Registries have their moments."""
_FINAL = re.compile(r"\b(EBADPLATFORM|ENOSPC|ENOENT|EUSAGE|ResolutionImpossible|No space left)\b")
"""What installers say when there is no sense in trying again."""
_breaker: Breaker[InstallError] = Breaker(limit=2, rest=300.0)
"""Of this process, whatever it opens: engine after engine, it does not ask a registry over and over for what fails."""


class Prefix(Struct, frozen=True, kw_only=True):
    """An installed recipe."""

    path: str
    seconds: float
    """How long the caller waited for it: next to nothing when it was there already."""


class PrefixStatus(Struct, frozen=True, kw_only=True):
    """Whether a recipe is installed on this machine, and if not, whether it can be."""

    path: str
    installed: bool
    missing: tuple[str, ...]
    """What the machine lacks to install it, in words for a person."""


class _Job(Struct, frozen=True, kw_only=True):
    recipe: Recipe
    target: Path
    check: tuple[str, ...]
    progress: Progress
    waits: tuple[float, ...]

    @property
    def log(self) -> Path:
        return self.target.with_name(f"{self.target.name}.log")


class _Flight:
    """An installation under way in this event loop, and what the others who wait for it learn."""

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.error: InstallError | None = None


_flights: RunVar[dict[Path, _Flight]] = RunVar("greenroom_prefix_flights")


async def install(
    recipe: Recipe,
    *,
    root: Path | None = None,
    check: tuple[str, ...] = (),
    progress: Progress = lambda _line: None,
    timeout: float = 900.0,
    waits: tuple[float, ...] = _WAITS,
) -> Prefix:
    """The prefix of ``recipe``, installed now if this machine does not have it yet.

    However many ask at once, one of them installs. If that fails, all who waited for it get its error; if it is
    cancelled, another one takes over. Cancelled or failed, it leaves a log and nothing else. What has failed twice
    is refused with the same error for five minutes.

    Args:
        recipe: What to install.
        root: Directory that holds the prefixes; `prefix_root` by default.
        check: argv that must exit 0 before the prefix counts as installed; ``{prefix}`` is replaced.
        progress: Told in a line of text what is being done.
        timeout: Seconds until it is given up, waiting for others included.
        waits: Seconds before each further try of an installer that failed, unless it says that there is no such thing.

    Raises:
        InstallError: It cannot be installed.
    """
    started = anyio.current_time()
    target = prefix_path(recipe, root=root)
    job = _Job(recipe=recipe, target=target, check=check, progress=progress, waits=waits)
    while not target.is_dir():
        seconds = started + timeout - anyio.current_time()
        flight = _in_flight().get(target)
        await (_follow(flight, job, seconds) if flight else _lead(job, seconds))
    return Prefix(path=str(target), seconds=anyio.current_time() - started)


def prefix_status(recipe: Recipe, *, root: Path | None = None) -> PrefixStatus:
    """What `install` would find, without doing anything."""
    try:
        target = prefix_path(recipe, root=root)
    except InstallError:
        return PrefixStatus(path="", installed=False, missing=(f"its lock, {recipe.lock}, which cannot be read",))
    installed = target.is_dir()
    return PrefixStatus(path=str(target), installed=installed, missing=() if installed else recipes.missing(recipe))


def _in_flight() -> dict[Path, _Flight]:
    try:
        return _flights.get()
    except LookupError:
        _flights.set({})
        return _flights.get()


async def _follow(flight: _Flight, job: _Job, seconds: float) -> None:
    with anyio.move_on_after(seconds):
        await flight.landed.wait()
        if flight.error is not None:
            raise flight.error.copy()
        return
    raise _timed_out(job)


async def _lead(job: _Job, seconds: float) -> None:
    if (known := _breaker.open(job.target)) is not None:
        raise known.copy()
    flight = _in_flight()[job.target] = _Flight()
    try:
        with anyio.move_on_after(seconds) as scope:
            await _install(job)
        if scope.cancelled_caught:
            raise _timed_out(job)
        _breaker.succeeded(job.target)
    except InstallError as error:
        flight.error = error
        _breaker.failed(job.target, error)
        raise
    finally:
        del _in_flight()[job.target]
        flight.landed.set()


async def _install(job: _Job) -> None:
    if lacking := recipes.missing(job.recipe):
        raise InstallError("install_unavailable", f"{job.recipe.packages[0]} needs {' and '.join(lacking)}")
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        async with file_lock(job.target.with_name(f"{job.target.name}.lock")) as lock:
            if not job.target.is_dir():  # another process may have been faster
                await _build(job, lock)
    except OSError as error:
        raise InstallError("install_storage", f"cannot install into {job.target}: {error}") from error


async def _build(job: _Job, lock: int) -> None:
    job.progress(f"installing {' '.join(job.recipe.packages)} (log: {job.log})")
    job.log.unlink(missing_ok=True)
    started = anyio.current_time()
    async with _workshop(job.target) as at:
        # The installers hold the lock too: should we be killed, nobody else builds here before they are gone.
        run = partial(run_logged, cwd=at, log=job.log, inherit=(lock,))
        await recipes.build(job.recipe, at, partial(_persist, job, run, job.waits))
        if job.check:
            await _check(job.check, at, run)
        _relocate(at, job.target)
        at.chmod(0o755)
        at.rename(job.target)
    job.progress(f"installed {' '.join(job.recipe.packages)} in {anyio.current_time() - started:.1f} s")


async def _persist(
    job: _Job, run: Callable[..., Awaitable[None]], waits: tuple[float, ...], argv: Sequence[str]
) -> None:
    """Run an installer until it succeeds, or has failed once more than there are waits."""
    try:
        return await run(argv)
    except InstallError as failed:
        error = explained(job.recipe, failed)
        if not waits or error.kind in FINAL or _FINAL.search(error.log):
            raise error from None
        job.progress(f"{error.message}; trying again in {waits[0]:.0f} s")
    await anyio.sleep(waits[0])
    return await _persist(job, run, waits[1:], argv)


async def _check(check: tuple[str, ...], at: Path, run: Callable[..., Awaitable[None]]) -> None:
    """Run the agent's own check, with a home of its own: agents like to write there."""
    with tempfile.TemporaryDirectory(dir=at, prefix=".home-") as home:
        await run([part.replace("{prefix}", str(at)) for part in check], env={**os.environ, "HOME": home})


@asynccontextmanager
async def _workshop(target: Path) -> AsyncGenerator[Path]:
    """A directory to build in, gone afterwards unless it was renamed. Removes what killed builders left."""
    for abandoned in target.parent.glob(f"{target.name}.tmp-*"):
        await _remove(abandoned)
    at = Path(tempfile.mkdtemp(prefix=f"{target.name}.tmp-", dir=target.parent))
    try:
        yield at
    finally:
        await _remove(at)


async def _remove(tree: Path) -> None:
    with anyio.move_on_after(_CLEAN_UP_SECONDS, shield=True):
        await anyio.to_thread.run_sync(partial(shutil.rmtree, tree, ignore_errors=True))


def _relocate(at: Path, target: Path) -> None:
    """Point the scripts of a Python environment to where it will live; their first lines name it."""
    for script in (*(at / "bin").glob("*"), *(at / "python/bin").glob("*")):
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        if content.startswith(b"#!"):
            script.write_bytes(content.replace(bytes(at), bytes(target)))


def _timed_out(job: _Job) -> InstallError:
    message = f"{job.recipe.packages[0]} was not installed in time"
    return InstallError("install_timeout", message, log=tail(job.log), log_path=str(job.log))
