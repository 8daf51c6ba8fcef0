"""The live view: a table of what runs, drawn in place, and the outcomes' table at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from greenroom.actors.board import RolloutRow, Snapshot
from greenroom.cli.report import PlainReport
from greenroom.cli.streams import WriteFailed
from greenroom.engine import Engine
from greenroom.introspection.render import duration, escape
from greenroom.kernel import Actor, ChildSpec, Exit, System, on
from greenroom.messages import Outcome

_FRAME_SECONDS: Final = 0.25
_CLOSE_SECONDS: Final = 2.0
_AROUND: Final = 4
"""Lines of the screen that are no rows: head, column names, how many do not fit, pause."""
_SHOW_CURSOR: Final = "\x1b[?25h\n"
_SHOWN_SECONDS: Final = 0.05
"""Where no model has taken longer there is no column for it."""
_STYLES: Final = {
    "boot": "cyan",
    "setup": "cyan",
    "agent": "green",
    "verify": "yellow",
    "cleanup": "dim",
}


class LiveReport(PlainReport):
    """A line per running rollout, as many as the screen holds."""

    draws = True

    @asynccontextmanager
    async def showing(self, engine: Engine) -> AsyncGenerator[None]:
        """Draw the engine's rollouts."""
        async with drawing(engine.system, partial(self._frame, engine)):
            yield

    async def begin(self) -> None:
        """The screen says it, but for what is to be known before; the log, which goes to no terminal, has it too."""
        sharing = self.plan.sharing
        for line in (*sharing.lines(), *sharing.warnings()):
            self.say(line)

    async def outcome(self, outcome: Outcome) -> None:
        """Count it; the screen shows the total."""
        self.tally.add(outcome)

    def tidy(self) -> None:
        """Show the cursor again."""
        show_cursor()

    def _frame(self, engine: Engine, height: int) -> RenderableType:
        return picture(
            engine.snapshot(),
            self.plan.rollouts - self.plan.done,
            height,
            self.tally.totals(),
            f"results: {self.plan.out}",
        )


@asynccontextmanager
async def drawing(system: System, frame: Callable[[int], RenderableType]) -> AsyncGenerator[None]:
    """Have frames drawn, made by ``frame`` for the height of the screen.

    An actor of its own does it: whatever happens to it, the rest goes on.
    """
    await system.start(ChildSpec("screen", lambda: Screen(frame), restart="temporary"))
    try:
        yield
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await system.stop_child("screen")


class _Draw(Struct, frozen=True):
    pass


class _Drawn(Struct, frozen=True):
    nothing: None


class Screen(Actor):
    """Draws frames, at most four a second, in a thread: a terminal that is stopped holds up nobody."""

    def __init__(self, frame: Callable[[int], RenderableType]) -> None:
        self._frame = frame
        # Without a colour system there are no styles either, bold and dim among them; the cursor still moves.
        self._console = Console(color_system=None) if os.environ.get("NO_COLOR") else Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)

    async def started(self) -> None:
        """Take the screen."""
        self._live.start()
        self.ref.cast(_Draw())

    async def stopped(self, exit: Exit) -> None:
        """Give it back, as it was before."""
        del exit
        await anyio.to_thread.run_sync(self._live.stop, abandon_on_cancel=True)

    @on(_Draw)
    def _draw(self, message: _Draw) -> None:
        del message
        self.run(self._show(self._frame(self._console.height)), then=_Drawn, name="draw")

    @on(_Drawn)
    def _drawn(self, message: _Drawn) -> None:
        del message
        self.after(_FRAME_SECONDS, _Draw(), key="frame")

    async def _show(self, frame: RenderableType) -> None:
        await anyio.to_thread.run_sync(partial(self._live.update, frame, refresh=True), abandon_on_cancel=True)


def show_cursor() -> None:
    """For those who end without giving the screen back."""
    with suppress(WriteFailed, OSError, ValueError):
        sys.stdout.write(_SHOW_CURSOR)
        sys.stdout.flush()


def picture(snapshot: Snapshot, of: int, height: int, *below: str) -> RenderableType:
    """One frame, at most ``height`` lines; those ``below`` are kept to one line each."""
    room = max(1, height - _AROUND - len(below) - len(snapshot.given_up))
    rows = sorted(snapshot.rollouts, key=lambda row: row.rollout_id)
    shown = rows if len(rows) <= room else rows[: room - 1]
    more = len(rows) - len(shown)
    parts: list[RenderableType] = [_head(snapshot, of), _table(shown)]
    parts += [Text(f"... and {more} more", style="dim")] if more else []
    parts += [Text(f"PAUSED: {escape(snapshot.paused)}", style="bold red")] if snapshot.paused else []
    parts += [_one_line(f"{name} is given up: {why}", "yellow") for name, why in snapshot.given_up.items()]
    parts += [_one_line(line, "dim") for line in below]
    return Group(*parts)


def _head(snapshot: Snapshot, of: int) -> Text:
    waiting = of - snapshot.done - snapshot.running
    solved = f"{snapshot.solved} of {snapshot.scored} scored have a reward above 0" if snapshot.scored else ""
    head = f"{snapshot.done}/{of} done   {snapshot.running} running   {waiting} to come   {solved}"
    return _one_line(head, "bold")


def _table(rows: list[RolloutRow]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("ROLLOUT", "TASK"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    model = any(row.model_seconds >= _SHOWN_SECONDS for row in rows)
    for name in ("SAMPLE", "PHASE", "ATTEMPT", "TURNS", "TIME", *(("MODEL",) if model else ()), "RESTARTS"):
        table.add_column(name, no_wrap=True, justify="left" if name == "PHASE" else "right")
    for row in rows:
        table.add_row(*_cells(row, model=model))
    return table


def _cells(row: RolloutRow, *, model: bool) -> tuple[Text, ...]:
    phase = row.phase or "waiting"
    return (
        Text(escape(row.rollout_id)),
        Text(escape(row.task_id)),
        Text(str(row.sample)),
        Text(phase, style=_STYLES.get(phase, "dim")),
        Text(str(row.attempt)),
        Text(str(row.turns)),
        Text(duration(row.seconds)),
        *((Text(duration(row.model_seconds)),) if model else ()),
        Text(str(row.restarts), style="bold red" if row.restarts else "dim"),
    )


def _one_line(text: str, style: str = "") -> Text:
    return Text(escape(text), style=style, no_wrap=True, overflow="ellipsis")
