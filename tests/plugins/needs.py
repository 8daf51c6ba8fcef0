"""What a test may need beyond Python and a shell, how it is found, and how to get it.

A test says so with ``@pytest.mark.needs("bwrap")``, or by using a fixture that stands for a need. Where a need is not
met the test is left out and counted; with ``CI`` set it is skipped, which fails the run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from typing import Final, NamedTuple

FAST: Final = "fast"
CONTAINERS: Final = "containers"
AGENTS: Final = "agents"
LONG: Final = "long"


class Need(NamedTuple):
    """One thing that not every machine has."""

    what: str
    remedy: str
    tiers: frozenset[str]
    """The tiers whose tests may need it."""
    met: Callable[[], bool]
    fixture: str = ""
    """A fixture whose users need it, whether they say so or not."""


@cache
def docker() -> bool:
    """Whether a Docker engine answers."""
    from docker.errors import DockerException

    from greenroom.sandboxes import SandboxError
    from greenroom.sandboxes.docker.address import find_engine
    from greenroom.sandboxes.docker.cold import cold_client

    try:
        with closing(cold_client(find_engine(os.environ.get("GREENROOM_TEST_DOCKER_HOST")))) as client:
            client.ping()
    except (DockerException, SandboxError, OSError):
        return False
    return True


@cache
def bwrap() -> bool:
    """Whether bubblewrap is installed, and this user may make the namespaces that it makes."""
    path = shutil.which("bwrap")
    if path is None:
        return False
    argv = [path, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", sys.executable, "-Sc", ""]
    return subprocess.run(argv, check=False, capture_output=True, timeout=20).returncode == 0


def programs(*names: str) -> Callable[[], bool]:
    """Whether all of these programs are installed."""
    return lambda: all(map(shutil.which, names))


def modules(*names: str) -> Callable[[], bool]:
    """Whether all of these Python packages are installed."""
    return lambda: all(map(find_spec, names))


@cache
def root() -> bool:
    """Whether the tests are run by a root who may mount file systems; in a container it often may not."""
    if os.geteuid() or shutil.which("unshare") is None:
        return False
    argv = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(argv, check=False, capture_output=True, timeout=20).returncode == 0


NEEDS: Final[Mapping[str, Need]] = {
    "bwrap": Need(
        "bubblewrap and user namespaces",
        "apt-get install bubblewrap; greenroom doctor says what else it takes",
        frozenset({FAST, CONTAINERS, AGENTS, LONG}),
        bwrap,
    ),
    "docker": Need(
        "a Docker engine",
        ".ci/docker start, or set GREENROOM_TEST_DOCKER_HOST",
        frozenset({CONTAINERS, AGENTS, LONG}),
        docker,
        fixture="docker_url",
    ),
    "dockerd": Need(
        "the programs of a Docker engine of its own",
        "apt-get install docker.io containerd runc iptables",
        frozenset({CONTAINERS, LONG}),
        programs("unshare", "dockerd", "containerd", "runc", "iptables", "busybox"),
    ),
    "busybox": Need(
        "busybox",
        "apt-get install busybox-static",
        frozenset({CONTAINERS, AGENTS, LONG}),
        programs("busybox"),
        fixture="docker_image",
    ),
    "npm": Need("node and npm", "apt-get install nodejs npm", frozenset({AGENTS, LONG}), programs("node", "npm")),
    "erl": Need("Erlang", "apt-get install erlang-base", frozenset({LONG}), programs("erl", "erlc")),
    "atheris": Need("atheris", "make install; it has wheels for x86-64 alone", frozenset({LONG}), modules("atheris")),
    "packaging": Need(
        "the tools that make and install wheels",
        "make install",
        frozenset({LONG}),
        modules("build", "pipx", "uv", "mypy", "pyright"),
        fixture="built",
    ),
    "bash": Need("bash", "apt-get install bash", frozenset({FAST, CONTAINERS}), programs("bash")),
    "dash": Need("dash", "apt-get install dash", frozenset({FAST, CONTAINERS}), programs("dash")),
    "root": Need("root that may mount", "run the tests as root", frozenset({CONTAINERS, LONG}), root),
}
