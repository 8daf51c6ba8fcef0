"""What this machine has left, as Linux tells it. Elsewhere, what cannot be read is not looked at."""

from __future__ import annotations

import os
from pathlib import Path

from greenroom.actors.admission import Reading

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def read() -> Reading:
    """The machine now. Takes about a tenth of a millisecond."""
    return Reading(free_memory=_free_memory(), load=_load(), open_files=_open_files())


def _free_memory() -> int | None:
    free = [found for found in (_of_machine(), _of_group()) if found is not None]
    return min(free, default=None)


def _of_machine() -> int | None:
    found = _table(_PROC / "meminfo").get("MemAvailable:")
    return None if found is None else found * 1024


def _of_group() -> int | None:
    """What the control group that limits this process has left, if there is one (cgroup v2)."""
    place = _CGROUPS / _text(_PROC / "self/cgroup").strip().removeprefix("0::/")
    most, used = _text(place / "memory.max").strip(), _text(place / "memory.current").strip()
    if not (most.isdigit() and used.isdigit()):
        return None
    # Cached files are given up when memory is asked for.
    return int(most) - int(used) + _table(place / "memory.stat").get("inactive_file", 0)


def _load() -> float | None:
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except (OSError, AttributeError):  # Windows has no such thing
        return None


def _open_files() -> float | None:
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return len(os.listdir("/proc/self/fd")) / most if most > 0 else None  # noqa: PTH208 - a count, and quick
    except (OSError, ImportError):
        return None


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
