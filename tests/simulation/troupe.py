"""Supervisors whose every move can be seen."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from greenroom.kernel import Actor, ChildSpec, Exit, Ref, Supervisor
from tests.simulation.actors import Extra, Player
from tests.simulation.faults import suffer
from tests.simulation.plan import Branch, Leaf, Node

if TYPE_CHECKING:
    from greenroom.kernel._cell import Cell
    from tests.simulation.promises.lives import Life
    from tests.simulation.stage import Stage


class Troupe(Supervisor):
    """A supervisor of the tree. It does nothing of its own, but says what it is about."""

    def __init__(self, stage: Stage, life: Life, branch: Branch) -> None:
        super().__init__(
            [spec(stage, f"{life.path}/{child.id}", child) for child in branch.children],
            strategy=branch.strategy,
            intensity=branch.intensity,
            period=branch.period,
            auto_shutdown=branch.auto_shutdown,
            backoff=branch.backoff,
        )
        self.stage = stage
        self.journal = stage.journal
        self.life = life
        self.beginning = True
        self.clearing: list[str] = []
        """Children being stopped together."""
        self.interrupted: set[str] = set()
        """Children it was waiting for when it was itself struck."""
        self.hiring = ""
        """A child that somebody asked for, out of order."""
        self.hired: set[str] = set()
        self.dismissed: set[str] = set()
        """Children that somebody had stopped."""

    def bind(self, cell: Cell) -> None:
        super().bind(cell)
        self.journal.lives.entered(self.life, cell)

    async def started(self) -> None:
        with self.journal.lives.inside(self.life, "started"):
            await suffer(self.journal.faults.next("start", self.life.path))
            await super().started()
        self.beginning = False
        self.life.ready = True

    async def stopped(self, exit: Exit) -> None:
        with self.journal.lives.inside(self.life, "stopped"):
            self.journal.note(f"stop {self.life.name} {exit}")
            self.life.told, self.life.told_at = exit, self.journal.now()
            self.journal.orders.stops(self.life, exit)
            self.journal.restarts.gives_up(self.life, exit)
            fault = self.journal.faults.next("stop", self.life.path)
            self.life.struck = self.life.struck or fault is not None
            await suffer(fault)
            await super().stopped(exit)

    def child_ended(self, id: str, exit: Exit) -> None:
        self.journal.note(f"child ended {self.life.name} {id} {exit}")

    async def start_child(self, spec: ChildSpec) -> Ref:
        self.dismissed.discard(spec.id)
        with self.out_of_order(spec.id):
            return await super().start_child(spec)

    async def stop_child(self, id: str) -> bool:
        began, child = self.journal.now(), self.children.get(id)
        life = self.journal.lives.of(child.cell) if child is not None else None
        if child is not None and child.restarting:
            # As in OTP: its siblings that were to come back with it stay away, until somebody asks for them.
            self.dismissed |= {other.spec.id for other in self.children.values() if other.cell is None}
        self.dismissed.add(id)
        found = await super().stop_child(id)
        if life is not None and isinstance(life.node, Leaf):
            self.journal.budgets.stopped(life.name, began, life.node.shutdown)
        return found

    async def _start_again(self, id: str) -> Ref:
        with self.out_of_order(id):
            ref = await super()._start_again(id)
        self.dismissed.discard(id)
        return ref

    @contextmanager
    def out_of_order(self, id: str) -> Generator[None]:
        """Around a start that somebody asked for."""
        self.hiring = id
        self.hired.add(id)
        try:
            yield
        finally:
            self.hiring = ""

    async def _stop(self, ids: Sequence[str]) -> None:
        outer, self.clearing = self.clearing, list(ids)
        try:
            await super()._stop(ids)
        except BaseException:
            self.interrupted |= set(ids)
            raise
        finally:
            self.clearing = outer


def spec(stage: Stage, path: str, node: Node) -> ChildSpec:
    """A node as the kernel wants it."""
    return ChildSpec(
        node.id,
        partial(_make, stage, path, node),
        node.restart,
        node.shutdown,
        node.start_timeout,
        inf if isinstance(node, Branch) else node.lifetime,
        node.significant,
        node.mailbox,
        node.overflow,
    )


def _make(stage: Stage, path: str, node: Node) -> Actor:
    life = stage.journal.lives.born(path, node)
    if isinstance(node, Branch):
        return Troupe(stage, life, node)
    return Extra(stage, life, node) if node.plain else Player(stage, life, node)
