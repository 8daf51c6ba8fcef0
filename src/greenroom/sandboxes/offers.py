"""What sandboxes of a kind can be made to be, so that tasks that need more are refused before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Literal, cast

from msgspec import Struct

from greenroom.specs import Environment, Local, SandboxSpec, Simulated

Word = Literal[
    "image", "build", "cpus", "memory", "storage", "network", "no_network", "workdir", "directories", "user",
]  # fmt: skip
"""Something a task may ask of its sandbox; each names a field of `Environment`, and ``user`` other users."""

_EVERYTHING: frozenset[Word] = frozenset(
    ("image", "build", "cpus", "memory", "storage", "network", "no_network", "workdir", "directories", "user")
)
_FIELDS: dict[str, Word] = {
    "image": "image",
    "build": "build",
    "cpus": "cpus",
    "memory_mb": "memory",
    "storage_mb": "storage",
    "workdir": "workdir",
    "directories": "directories",
}


class Offers(Struct, frozen=True):
    """What can be asked for."""

    words: frozenset[Word]
    closed: tuple[str, ...] = ()
    """Directories that cannot be asked for, nor any in them: they belong to the machine."""


def offers(spec: SandboxSpec) -> Offers:
    """What sandboxes of this spec can be. A spec that is not known here may have an attribute ``offers`` of words."""
    match spec:
        case Local():
            network: Word = "network" if spec.network else "no_network"
            return Offers(frozenset(("storage", "workdir", "directories", network)), _MACHINE)
        case Simulated():
            return Offers(_EVERYTHING)
        case _:
            return Offers(frozenset(cast("Iterable[Word]", getattr(spec, "offers", ()))))


def missing(environment: Environment, offered: Offers) -> Iterator[tuple[str, str]]:
    """The fields of an environment that such sandboxes cannot honour, and why."""
    for name, word in _FIELDS.items():
        if getattr(environment, name) not in (None, ()) and word not in offered.words:
            yield name, _CANNOT[word]
    if environment.network is not None:
        word = "network" if environment.network == "public" else "no_network"
        if word not in offered.words:
            yield "network", _CANNOT[word]
    yield from _closed(environment, offered)


def _closed(environment: Environment, offered: Offers) -> Iterator[tuple[str, str]]:
    paths = [("workdir", environment.workdir), *(("directories", path) for path in environment.directories)]
    for name, path in paths:
        where = next((top for top in offered.closed if path and PurePosixPath(path).is_relative_to(top)), None)
        if where is not None:
            yield name, f"{path} cannot be written: {where} is the machine's own"


_CANNOT: dict[Word, str] = {
    "image": "they cannot run a container image",
    "build": "they cannot build a container image",
    "cpus": "they cannot limit processors",
    "memory": "they cannot limit memory",
    "storage": "they have no disk",
    "network": "they have no network",
    "no_network": "they cannot be cut off from the network",
    "workdir": "they have a work directory of their own",
    "directories": "nothing outside the work directory can be written",
    "user": "they have one user only",
}

_MACHINE = ("/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys", "/usr")


def cannot(word: Word) -> str:
    """Why something that is not offered is not."""
    return _CANNOT[word]
