"""What people read in a terminal. Pure text; whatever agents may have had a hand in is escaped."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, cast

import msgspec

from greenroom.introspection.protocol import Detail, Happening, Row
from greenroom.messages.escape import escape

__all__ = ["SORTS", "admission", "detail", "duration", "escape", "event", "ps", "table", "tree"]

SORTS: Final[dict[str, Callable[[Row], Any]]] = {
    "path": lambda row: row.path,
    "mailbox": lambda row: (-row.mailbox, row.path),
    "handled": lambda row: (-row.handled, row.path),
    "restarts": lambda row: (-row.restarts, row.path),
    "age": lambda row: (-row.age, row.path),
}
"""What `ps` can sort by: names in ascending order, numbers from the largest down."""
_HEAD: Final = ("KIND", "STATE", "MAIL", "HANDLED", "RESTARTS", "AGE", "DOING")
_RIGHT: Final = frozenset({"MAIL", "HANDLED", "RESTARTS", "AGE"})
_SHOWN: Final = 20
_NARROWEST: Final = 8
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(seconds: float) -> str:
    """Seconds as people say them: ``0.4s``, ``42s``, ``3m07s``, ``2h05m``, ``3d04h``."""
    if seconds < 10:  # noqa: PLR2004 - tenths matter below ten
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02}h"


def ps(rows: Iterable[Row], sort: str = "path") -> str:
    """One line per actor."""
    return table(("PATH", *_HEAD), [(row.path, *_cells(row)) for row in sorted(rows, key=SORTS[sort])], _RIGHT)


def tree(rows: Sequence[Row]) -> str:
    """The actors under their supervisors. ``rows`` begin with the topmost; parents come before their children."""
    names = zip(_branches(rows), rows, strict=True)
    return table(("ACTOR", *_HEAD), [(name, *_cells(row)) for name, row in names], _RIGHT)


def detail(found: Detail) -> str:
    """Everything about one actor."""
    row = found.status
    lines = [
        f"{row.path}  {row.kind}, {row.state} for {duration(row.age)}, {row.restarts} restarts",
        f"mailbox   {row.mailbox} waiting (at most {row.high_water}), {row.handled} handled",
        *_optional("in hand", row.in_hand),
        *_optional("waits on", row.waiting_on),
        *_optional("jobs", ", ".join(row.jobs)),
        *_optional("queue", ", ".join(found.waiting)),
        *_optional("links", _some(found.links)),
        *_optional("children", _some(found.children)),
        *_block("state", _plain(found.observed)),
        *_block("stack", found.stack),
        *_block("last crash", found.last_crash.splitlines()),
    ]
    return "\n".join(escape(line) for line in lines)


def admission(snapshot: Mapping[str, Any]) -> str:
    """What an engine's snapshot says of who may begin: totals, limits, why nothing begins, what is left alone."""
    limits = dict(snapshot.get("limits") or {})
    running, concurrency = len(snapshot.get("rollouts") or ()), limits.pop("concurrency", "?")
    done = sum(cast("dict[str, int]", snapshot.get("finished") or {}).values())
    said = [f"{name} {_limit(value)}" for name, value in limits.items() if value]
    lines = [
        f"{running} of {concurrency} running, {snapshot.get('waiting', 0)} waiting, {done} done",
        *_optional("limits", ", ".join(said)),
        *_optional("PAUSED", snapshot.get("paused") or ""),
        *(f"given up  {name}: {why}" for name, why in cast("dict[str, str]", snapshot.get("given_up") or {}).items()),
        *(_circuit(row) for row in snapshot.get("circuits") or ()),
    ]
    return "\n".join(escape(line) for line in lines)


def event(happening: Happening) -> str:
    """One event on one line."""
    missed = f"  ({happening.missed} missed so far)" if happening.missed else ""
    return escape(f"{happening.at:10.3f}  {happening.kind:<12} {happening.path}  {happening.detail}".rstrip() + missed)


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[str] = (), width: int | None = None
) -> str:
    """Columns of text, escaped, as wide as they need to be.

    With a ``width`` the widest columns are made narrower until all fit, and their cells go on below: nothing is cut.
    Columns that stand to the right, numbers mostly, keep the width of their words.
    """
    lines = [tuple(head), *(tuple(escape(cell) for cell in row) for row in rows)]
    to_the_right = [name in set(right) for name in head]
    columns = list(zip(*lines, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    if width is not None:
        least = [_word(column) if far else _NARROWEST for column, far in zip(columns, to_the_right, strict=True)]
        widths = _narrowed(widths, [max(len(name), most) for name, most in zip(head, least, strict=True)], width)

    def line(cells: Sequence[str]) -> str:
        fitted = zip(cells, widths, to_the_right, strict=True)
        return "  ".join(f"{cell:>{room}}" if far else f"{cell:<{room}}" for cell, room, far in fitted).rstrip()

    return "\n".join(line(part) for cells in lines for part in _wrapped(cells, widths))


def _word(column: Sequence[str]) -> int:
    """Length of the longest word."""
    return max((len(word) for cell in column for word in cell.split()), default=0)


def _narrowed(widths: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Widths of columns that fit into ``width``, but none below its ``least``."""
    found = list(widths)
    while sum(found) + 2 * (len(found) - 1) > width:
        able = [at for at, room in enumerate(found) if room > least[at]]
        if not able:
            break
        found[max(able, key=lambda at: found[at])] -= 1
    return found


def _wrapped(cells: Sequence[str], widths: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """The lines of a row."""
    columns = [
        [cell] if len(cell) <= room else textwrap.wrap(cell, room) for cell, room in zip(cells, widths, strict=True)
    ]
    return zip_longest(*columns, fillvalue="")


def _cells(row: Row) -> tuple[str, ...]:
    doing = row.in_hand or ", ".join(row.jobs)
    waiting = f"waits on {row.waiting_on}" if row.waiting_on else ""
    numbers = (str(row.mailbox), str(row.handled), str(row.restarts), duration(row.age))
    state = f"{row.state} ({row.state_name})" if row.state_name else row.state
    return (row.kind, state, *numbers, "; ".join(filter(None, (doing, waiting, row.trouble))))


def _branches(rows: Sequence[Row]) -> list[str]:
    """The first column: each actor's own name behind the lines that lead to it."""
    last_of = {_parent(row.path): row.path for row in rows}
    names: list[str] = []
    stems: dict[str, str] = {}
    for row in rows:
        above = stems.get(_parent(row.path))
        if above is None or not names:
            stems[row.path] = ""
            names.append(row.path)
            continue
        final = last_of[_parent(row.path)] == row.path
        stems[row.path] = above + ("   " if final else "│  ")
        names.append(f"{above}{'└─' if final else '├─'} {row.path.rpartition('/')[2]}")
    return names


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _limit(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={most}" for name, most in cast("dict[str, object]", value).items())
    return str(value)


def _circuit(row: Mapping[str, Any]) -> str:
    wait = f", tried again in {duration(row.get('wait') or 0.0)}" if row.get("state") == "open" else ""
    return f"circuit   {row.get('name')} {row.get('state')}: {row.get('failures')} failures{wait}: {row.get('error')}"


def _optional(name: str, text: str) -> list[str]:
    return [f"{name:<9} {text}"] if text else []


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _block(name: str, lines: Sequence[str]) -> list[str]:
    return [name, *(f"  {line}" for line in lines)] if lines else []


def _plain(value: object, indent: str = "") -> list[str]:
    """Plain data, one value a line."""
    pairs: list[tuple[str, object]]
    match value:
        case None:
            return []
        case dict():
            pairs = list(cast("dict[str, object]", value).items())
        case list():
            pairs = [("-", item) for item in cast("list[object]", value)]
        case str():
            return [indent + value]
        case _:
            return [indent + msgspec.json.encode(value).decode()]
    return [line for name, inner in pairs for line in _entry(name, inner, indent)]


def _entry(name: str, value: object, indent: str) -> list[str]:
    if isinstance(value, dict | list) and value:
        return [f"{indent}{name}", *_plain(cast("object", value), f"{indent}  ")]
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return [f"{indent}{name} {text}"]
