"""P4: children start left to right and stop right to left, and none outlives a supervisor that ends in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom.kernel import Exit, Killed, Shutdown, TimedOut
from tests.simulation.plan import Branch

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life

_TOGETHER = ("one_for_all", "rest_for_one")


class Orders:
    """Looks at the siblings whenever somebody starts or is stopped."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def starts(self, life: Life) -> None:
        """Those after it are down; those before it are not waiting for their own restart."""
        supervisor = _supervisor(life)
        if supervisor is None or life.node.id == supervisor.hiring:
            return
        if supervisor.beginning or supervisor.strategy in _TOGETHER:
            before, after = _siblings(supervisor, life.node.id)
            self._must(all(map(self._ready, before)), life, "starts", before)
            self._must(not any(map(_lives, after)), life, "starts", after)
            self._must(not any(child.restarting for child in before), life, "starts", before)

    def stops(self, life: Life, exit: Exit) -> None:
        """When its supervisor stops it, those after it that are to be stopped too are gone."""
        supervisor = _supervisor(life)
        if supervisor is None or supervisor.strategy == "dynamic" or exit != Shutdown():
            return
        auto = isinstance(life.node, Branch) and life.node.auto_shutdown != "never"
        if auto or life in self._journal.downs.torn:
            return  # it may have ended just so by itself
        if life.node.id in supervisor.clearing and life.node.id not in supervisor.interrupted:
            _, after = _siblings(supervisor, life.node.id)
            gone = [child for child in after if child.spec.id in supervisor.clearing]
            self._must(not any(map(_lives, gone)), life, "is stopped", gone)

    def ends(self, life: Life) -> None:
        """A supervisor that was not struck down has no child left."""
        node = life.node
        forced = life.struck or life.zombie or isinstance(life.exit, Killed | TimedOut)
        forced = forced or (node.shutdown == "brutal" and self._journal.lives.stopped(life))
        if not isinstance(node, Branch) or forced:
            return
        plan = self._journal.plan
        patience = plan.fence_after if node.shutdown == "brutal" else node.shutdown
        if self._journal.now() >= min(life.told_at + patience, self._journal.left_at + plan.shutdown):
            return  # its time was up
        kids = list(life.cell.kids)
        if kids:
            self._journal.breach("P4", f"{life.name} ended as {life.exit} before its children {kids}")

    def _ready(self, child: Any) -> bool:  # noqa: ANN401
        life = self._journal.lives.of(child.cell)
        return life is None or not life.alive or life.ready or life.plain

    def _must(self, holds: bool, life: Life, verb: str, others: list[Any]) -> None:  # noqa: FBT001
        if not holds:
            names = ", ".join(f"{child.spec.id}{' (waits)' * child.restarting}" for child in others)
            self._journal.breach("P4", f"{life.name} {verb} out of order with {names}")


def _supervisor(life: Life) -> Any:  # noqa: ANN401
    return None if life.parent is None else life.parent.actor


def _siblings(supervisor: Any, id: str) -> tuple[list[Any], list[Any]]:  # noqa: ANN401
    children = list(supervisor.children.values())
    at = list(supervisor.children).index(id) if id in supervisor.children else len(children)
    return children[:at], children[at + 1 :]


def _lives(child: Any) -> bool:  # noqa: ANN401
    return child.cell is not None and not child.cell.closed
