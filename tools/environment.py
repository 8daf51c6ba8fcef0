"""Makes `.venv` from pins with hashes. Nothing is resolved, so it does not matter what is released tomorrow.

    python3 tools/environment.py run     what greenroom and its command line need
    python3 tools/environment.py test    and what the tests need
    python3 tools/environment.py dev     and formatters, type checkers, fuzzers, documentation

Wheels are kept in ``$GREENROOM_CACHE/wheels`` (by default below ``~/.cache/greenroom``), and taken from there first,
without a network. Interrupted, it goes on where it stopped. Needs nothing but Python 3.11, its venv and its pip.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PINS = {"run": "constraints-run.txt", "test": "constraints-test.txt", "dev": "constraints.txt"}
"""What each kind of environment is made from. Each holds all of those before it."""
# Only what the pins name, only if it has their hashes, and nothing that is built here, for a build could ask for more.
EXACTLY = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
ENVIRON = {**os.environ, "PIP_USER": "0"}
"""Who has pip install for the user by default means it elsewhere."""
LINES_APART = 5.0
"""Seconds between two lines of progress where they cannot be written over one another."""


class Refusal(Exception):
    """The environment cannot be made; the text says why, and what helps."""


def main(kind: str) -> int:
    """Make the environment unless it is there; the exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is where a user learns it
        print(f"greenroom needs Python 3.11 or newer, not {sys.version.split()[0]}: make ... PYTHON=python3.12")
        return 1
    try:
        make(kind)
    except Refusal as refusal:
        print(f"\n*** {refusal}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\n*** the environment in {VENV} cannot be made: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def make(kind: str) -> None:
    """Make it, one at a time."""
    fcntl.flock(os.open(ROOT, os.O_RDONLY), fcntl.LOCK_EX)  # until the process ends
    kinds = list(PINS)
    if any(stamp(each).is_file() for each in kinds[kinds.index(kind) :]):
        return
    began = time.monotonic()
    wheels = cache()
    if not any(stamp(each).is_file() for each in kinds):
        create()
    if not install(kind, wheels, quietly=True):
        download(kind, wheels)
        install(kind, wheels)
    pip("install", "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(ROOT))
    stamp(kind).touch()
    print(f"made .venv ({kind}) in {time.monotonic() - began:.0f} s", flush=True)


def stamp(kind: str) -> Path:
    """A file whose name says what the environment was made from: a changed pin makes a new one."""
    sources = [ROOT / "pyproject.toml", ROOT / "src" / "greenroom" / "__init__.py", ROOT / PINS[kind]]
    made_from = [sys.version, sys.base_prefix, str(ROOT), *(source.read_text(encoding="utf-8") for source in sources)]
    return VENV / f".made-for-{kind}-{hashlib.sha256(chr(0).join(made_from).encode()).hexdigest()[:16]}"


def create() -> None:
    """An empty environment; one that was left half made, or is out of date, goes."""
    print(f"making .venv with Python {sys.version.split()[0]}", flush=True)
    command = [sys.executable, "-I", "-m", "venv", "--clear", str(VENV)]
    made = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        remedy = "on Debian and Ubuntu: apt-get install python3-venv"
        raise Refusal(f"Python cannot make virtual environments ({remedy}):\n{made.stdout.strip()}")


def cache() -> Path:
    """The directory that keeps wheels."""
    xdg = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    path = Path(os.environ.get("GREENROOM_CACHE") or xdg / "greenroom").absolute() / "wheels"
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".writable").touch()
    except OSError as error:
        remedy = "name a directory that can: make ... GREENROOM_CACHE=/var/tmp/greenroom"
        raise Refusal(f"{path} cannot be written ({error.strerror}); {remedy}") from None
    return path


def install(kind: str, wheels: Path, *, quietly: bool = False) -> bool:
    """Install from the wheels that are there; whether they were all there."""
    # Compiled when first imported: most of what is installed never is.
    command = ("install", "--no-index", "--find-links", str(wheels), "--no-compile", *EXACTLY, "-r", PINS[kind])
    if quietly:
        return run_pip(command)[0] == 0
    print(f"installing from {wheels}", flush=True)
    pip(*command)
    return True


def download(kind: str, wheels: Path) -> None:
    """Fetch the wheels that are missing, and say how far it is."""
    command = ("download", "--dest", str(wheels), "--no-cache-dir", "--progress-bar", "off", *EXACTLY, "-r", PINS[kind])
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / PINS[kind]).read_text(encoding="utf-8"), re.MULTILINE)
    progress = Progress(len(names))

    def told(line: str) -> None:
        if found := re.match(r"(?:Collecting|Ignoring|Processing) (\S+?)(?:[=:;]|\s)", line):
            progress.step(found[1].rpartition("/")[2].partition("-")[0])

    status, output = run_pip(command, told)
    progress.end()
    if status != 0:
        raise Refusal(explain(output))


class Progress:
    """How many of the packages are done: on one line of a terminal, else in a line now and then."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.began = self.said = time.monotonic()
        self.draws = sys.stdout.isatty()

    def step(self, name: str) -> None:
        """One more has been begun."""
        self.done += 1
        now = time.monotonic()
        text = f"downloading {self.done}/{self.total}  {name}  {now - self.began:.0f} s"
        if self.draws:
            print(f"\r{text:<79.79}", end="", flush=True)
        elif self.done in {1, self.total} or now - self.said > LINES_APART:
            self.said = now
            print(text, flush=True)

    def end(self) -> None:
        """Leave a whole line behind."""
        if self.draws:
            print(f"\r{f'downloaded {self.done} packages in {time.monotonic() - self.began:.0f} s':<79}", flush=True)


def pip(*arguments: str) -> None:
    """Run pip. Raises `Refusal`."""
    status, output = run_pip(arguments)
    if status != 0:
        raise Refusal(explain(output))


def run_pip(arguments: tuple[str, ...], told: Callable[[str], object] = bool) -> tuple[int, str]:
    """Run pip to its end, and hand on each line as it comes; its exit status, and all of them."""
    lines: list[str] = []
    with subprocess.Popen(
        pip_command(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=ROOT,
        env=ENVIRON,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            told(line)
    return process.returncode, "".join(lines)


def pip_command(arguments: tuple[str, ...]) -> list[str]:
    """The environment's own pip, whose registries and certificates are the machine's."""
    # `-I`: no module of the directory, and no PYTHONPATH, gets in the way.
    return [str(VENV / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]


EXPLANATIONS = {
    r"do not match the hashes|DO NOT MATCH THE HASHES": (
        "a package is not the one that was pinned, so nothing of it was installed. A proxy or a mirror may have "
        "changed it. Do not go on before you know which one"
    ),
    r"No matching distribution found for (?P<what>\S+)": (
        "{what} is not to be had: the index cannot be reached, has withdrawn it, or has no wheel of it for this Python "
        "and this machine. With a network, take a newer greenroom (git pull), or pin again (make lock)"
    ),
    r"No space left on device": "the disk is full",
}
"""What pip says, and what it means for somebody who has never heard of pip."""


def explain(output: str) -> str:
    """What went wrong, in a sentence, with what pip said last."""
    said = "\n".join(f"    {line}" for line in tail(output))
    for pattern, meaning in EXPLANATIONS.items():
        if found := re.search(pattern, output):
            return f"{meaning.format(**found.groupdict())}:\n{said}"
    return f"pip failed:\n{said}"


def tail(output: str) -> Iterator[str]:
    """The last lines that say something."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(ERROR|WARNING)", line)] or lines
    return iter([line[: shutil.get_terminal_size().columns * 2] for line in telling[-4:]])


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PINS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(PINS)}")
    sys.exit(main(sys.argv[1]))
