"""The spec of Docker sandboxes: what may be said, and what may not without saying more."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from greenroom.specs import Docker
from greenroom.specs.docker import KEEPER_UID, parse_size


def a_spec(**fields: Any) -> Docker:  # noqa: ANN401 - fields of all types
    """A spec with these fields."""
    return Docker(**fields)


@pytest.mark.parametrize(
    ("text", "size"), [("512m", 512 << 20), ("2g", 2 << 30), ("2GB", 2 << 30), ("64K", 65536), (" 100 ", 100)]
)
def test_sizes(text: str, size: int) -> None:
    """Sizes are read as Docker reads them."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"dockerfile": "."}, "either"),
        ({"image": "-x"}, "image"),
        ({"memory": "lots"}, "memory"),
        ({"memory": "1m"}, "32m"),
        ({"tmpfs": {"/x": "?"}}, "tmpfs"),
        ({"cpus": 0}, "cpus"),
        ({"pids": 1}, "pids"),
        ({"user": "agent"}, "numbers"),
        ({"user": f"{KEEPER_UID}:0"}, "sandbox's own"),
        ({"home": "relative"}, "home"),
        ({"workdir": "/"}, "workdir"),
        ({"workdir": "/a/../b"}, "workdir"),
        ({"tmpfs": {"x": "1m"}}, "tmpfs"),
        ({"volumes": {"data": "there"}}, "volumes"),
        ({"allowed_hosts": ("example.com",)}, "cannot tell hosts by name"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], said: str) -> None:
    """A wrong value is refused when it is said, and the text names it."""
    with pytest.raises(ValueError, match=said):
        a_spec(**{"image": "x", **fields})


UNSAFE: list[dict[str, Any]] = [
    {"privileged": True},
    {"network": "host"},
    {"network": "container:other"},
    {"user": "0:0"},
    {"volumes": {"/var/run/docker.sock": "/var/run/docker.sock"}},
    {"volumes": {"./here": "/there"}},
    {"devices": ("/dev/kvm",)},
    {"capabilities": ("SYS_ADMIN",)},
]


@pytest.mark.parametrize("fields", UNSAFE, ids=lambda fields: next(iter(fields)))
def test_nothing_weakens_the_isolation_unnoticed(fields: dict[str, Any]) -> None:
    """What takes from the isolation needs ``unsafe``, and is told with it."""
    with pytest.raises(ValueError, match="needs unsafe=True"):
        Docker(image="x", **fields)
    assert len(Docker(image="x", unsafe=True, **fields).weaknesses) == 1


def test_the_usual_is_sealed() -> None:
    """Without further words nothing is weakened; ``unsafe`` alone weakens nothing; an open network does."""
    assert Docker(image="x").weaknesses == ()
    assert Docker(image="x", unsafe=True).weaknesses == ()
    assert Docker(image="x", network="bridge").weaknesses == ("open network (bridge)",)


def test_it_is_checked_when_it_is_read_too() -> None:
    """A spec that comes from a file or a command line is checked in the same way."""
    with pytest.raises(msgspec.ValidationError, match="unsafe=True"):
        msgspec.convert({"image": "x", "privileged": True}, Docker)
    assert msgspec.convert({"type": "docker", "image": "x", "cpus": "1.5"}, Docker, strict=False).cpus == 1.5


def test_tasks_may_ask_for_a_network_only_where_there_is_one() -> None:
    """A task can give up the network, but not open it."""
    assert "network" not in Docker(image="x").offers
    assert {"network", "no_network"} <= set(Docker(image="x", network="bridge").offers)
