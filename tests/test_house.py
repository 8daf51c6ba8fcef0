"""The house rules that no linter knows, each shown to catch what it forbids."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import polling, silence, size

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src" / "greenroom").rglob("*.py"))

ALLOWED_SLEEPS = {
    "greenroom.actors.health.await_health": "a task's own healthcheck, asked as often as the task says",
    "greenroom.engine.resume.Ledger.keep": "a growing delay before a journal that is being restarted is asked again",
    "greenroom.engine.resume.Resumed.__call__": "lets others run between one task that is left out and the next",
    "greenroom.interception.upstream.UpstreamModel._persist": "a growing delay before a failed request is tried again",
    "greenroom.kernel._cell.Cell._serve": "lets other actors run after a batch of messages, then waits for the next",
    "greenroom.sandboxes._simulated_process.SimulatedAgent.__call__": "the work of an agent that is only simulated",
    "greenroom.sandboxes.docker.events.Events.read": "a growing delay before a lost connection is made anew",
    "greenroom.sandboxes.docker.reaper.persist": "a growing delay before an engine that does not answer is asked again",
    "greenroom.specs.agents.bash_program.Model.ask": "a growing delay before a failed request is tried again",
}
"""Loops around a sleep that look for nothing: qualified name to reason."""

HEAVY = ("aiodocker", "aiohttp", "click", "docker", "pyarrow", "rich", "structlog", "trio", "yaml")
"""What `import greenroom` must leave alone."""

# One letter of each stands in brackets, so that this file passes its own test.
MACHINE_PATHS = re.compile(r"(?<![\w.})-])/(?:[w]ork|[f]arm)/|/[o]pt/(?:wheels|pypi)|/[r]oot/\.|/[U]sers/\w")
REGISTRY_HOSTS = re.compile(r"\b[p]ypi\.org|[p]ythonhosted\.org|[r]egistry\.npmjs|\b[d]eb\.debian|[p]roxy\.golang")


def module_name(path: Path) -> str:
    """Return the dotted name of a source file."""
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


def house_findings(rule: polling.Rule) -> list[str]:
    """Apply a rule to every source file."""
    return [finding for path in SOURCES for finding in rule(path.read_text(), module_name(path))]


def repository_texts() -> Iterator[tuple[Path, str]]:
    """Yield every file of the repository that is text: tracked ones, and new ones that git would track."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (raw := path.read_bytes()):
            yield path, raw.decode(errors="replace")


def loaded_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and return the heavy libraries it loaded."""
    probe = f"{statement}; import sys; print(*(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=50)
    return set(done.stdout.split())


# ------------------------------------------------------------------------------------------------ nothing polls


def test_nothing_polls() -> None:
    """No loop in the source sleeps to look whether something has happened."""
    found = {finding for finding in house_findings(polling.polls) if finding.split(":")[0] not in ALLOWED_SLEEPS}
    assert not found


def test_every_allowed_sleep_is_still_there() -> None:
    """The list of allowed sleeps names only loops that exist."""
    assert {finding.split(":")[0] for finding in house_findings(polling.polls)} >= set(ALLOWED_SLEEPS)


@pytest.mark.parametrize(
    "code",
    [
        "async def f():\n while not done():\n  await anyio.sleep(1)",
        "async def f():\n for _ in range(9):\n  if done(): break\n  await trio.sleep(0.1)",
        "async def f():\n async for _ in ticks():\n  await asyncio.sleep(0)",
        "def f():\n while True:\n  time.sleep(1)",
        "from time import sleep as nap\ndef f():\n while True:\n  nap(1)",
        "async def f():\n while not done():\n  await anyio.lowlevel.checkpoint()",
        "async def f():\n [await sleep(1) for _ in range(3)]",
        "class C:\n async def nap(self):\n  await sleep(1)\n async def f(self):\n  while 1:\n   await self.nap()",
        "async def nap():\n await sleep(1)\nasync def doze():\n await nap()\nasync def f():\n while 1:\n  await doze()",
        "def f():\n while not done():\n  event.wait(0.1)",
        "def f():\n while True:\n  queue.get(timeout=0.5)",
        "async def f():\n while True:\n  with move_on_after(1):\n   await clock.sleep_until(then)",
    ],
)
def test_a_polling_loop_is_found(code: str) -> None:
    """Every way to write a loop around a sleep is caught, aliases and helpers included."""
    assert polling.polls(code, "m")


@pytest.mark.parametrize(
    "code",
    [
        "async def f():\n await anyio.sleep(1)",
        "async def f():\n while True:\n  await event.wait()",
        "async def f():\n await sleep_forever()",
        "async def f():\n for child in children:\n  async def later():\n   await sleep(1)\n  tasks.start_soon(later)",
        "async def nap():\n await anyio.sleep(1)\ndef f(self):\n for _ in range(3):\n  self.run(nap())",
        "async def f():\n async for message in inbox:\n  await handle(message)",
        "def f():\n while True:\n  queue.get(timeout=budget)",
    ],
)
def test_waiting_for_an_event_is_no_polling(code: str) -> None:
    """A wait that something ends, and a sleep that no loop repeats, are left in peace."""
    assert polling.polls(code, "m") == []


def test_a_polling_loop_is_named() -> None:
    """A finding carries the qualified name by which it can be allowed, and the line."""
    code = "class C:\n async def f(self):\n  while True:\n   await sleep(1)"
    assert polling.polls(code, "greenroom.m") == ["greenroom.m.C.f:4: sleep() in a loop"]


# ------------------------------------------------------------------------------------------- nothing is swallowed


def test_nothing_is_swallowed() -> None:
    """No handler in the source is bare, silent about everything, or drops a BaseException."""
    assert house_findings(silence.swallowed) == []


@pytest.mark.parametrize(
    "code",
    [
        "try:\n f()\nexcept:\n raise",
        "try:\n f()\nexcept BaseException:\n pass",
        "try:\n f()\nexcept BaseException:\n log()",
        "try:\n f()\nexcept (OSError, Exception):\n ...",
        "for x in y:\n try:\n  f()\n except Exception:\n  continue",
        "def f():\n try:\n  g()\n except Exception:\n  return None",
        "with contextlib.suppress(BaseException):\n f()",
        "with suppress(OSError, Exception):\n f()",
    ],
)
def test_a_swallowed_exception_is_found(code: str) -> None:
    """Every way to lose an exception without a trace is caught."""
    assert silence.swallowed(code, "m")


@pytest.mark.parametrize(
    "code",
    [
        "try:\n f()\nexcept OSError:\n pass",
        "try:\n f()\nexcept BaseException:\n undo()\n raise",
        "try:\n f()\nexcept BaseException as exc:\n end = Crashed(exc)",
        "try:\n f()\nexcept Exception as exc:\n end = Crashed(exc)",
        "with suppress(ProcessLookupError):\n f()",
    ],
)
def test_an_exception_that_becomes_a_value_is_fine(code: str) -> None:
    """A handler that knows what it catches, raises again, or keeps the exception is left in peace."""
    assert silence.swallowed(code, "m") == []


# --------------------------------------------------------------------------------------------------------- size


def test_modules_and_functions_stay_small() -> None:
    """No module is longer than 400 lines and no function longer than 50."""
    assert house_findings(size.too_long) == []


@pytest.mark.parametrize(
    "code", ["x = 1\n" * 401, "def f():\n" + " x = 1\n" * 50, "class C:\n async def f():\n" + "  x = 1\n" * 50]
)
def test_a_long_module_or_function_is_found(code: str) -> None:
    """One line more than allowed is caught."""
    assert size.too_long(code, "m")


@pytest.mark.parametrize("code", ["x = 1\n" * 400, "def f():\n" + " x = 1\n" * 49])
def test_a_module_or_function_at_the_limit_is_fine(code: str) -> None:
    """The limits themselves are allowed."""
    assert size.too_long(code, "m") == []


# ------------------------------------------------------------------------------------- what importing us costs


@pytest.mark.real_time
def test_import_greenroom_is_light() -> None:
    """`import greenroom` in a fresh interpreter loads no server, engine client, terminal or logging library."""
    assert loaded_by("import greenroom") == set()


@pytest.mark.real_time
def test_the_import_probe_sees_heavy_libraries() -> None:
    """The probe reports a heavy library that was loaded."""
    assert "aiohttp" in loaded_by("import greenroom, aiohttp")


# ------------------------------------------------------------------------------------------------- repository text


@pytest.mark.real_time
@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRY_HOSTS], ids=["machine", "registry"])
def test_no_file_knows_a_machine_or_a_registry(pattern: re.Pattern[str]) -> None:
    """No text in the repository holds a path of somebody's machine or a package registry's address."""
    texts = dict(repository_texts())
    assert Path(__file__).resolve() in texts
    assert [str(path) for path, text in texts.items() if pattern.search(text)] == []


@pytest.mark.parametrize(
    ("pattern", "pieces"),
    [
        (MACHINE_PATHS, ("see /wor", "k/main/x.py")),
        (MACHINE_PATHS, ("--find-links /op", "t/wheels")),
        (REGISTRY_HOSTS, ("--index-url https://pyp", "i.org/simple")),
        (REGISTRY_HOSTS, ('"resolved": "https://regis', 'try.npmjs.org/x.tgz"')),
    ],
)
def test_a_machine_path_or_a_registry_is_found(pattern: re.Pattern[str], pieces: tuple[str, str]) -> None:
    """The patterns match what they are for."""
    assert pattern.search("".join(pieces))
