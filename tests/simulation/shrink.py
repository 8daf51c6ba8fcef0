"""Making a plan that breaks a promise as small as it can be while it still does, by delta debugging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields, replace

from tests.simulation.plan import Act, Branch, Deed, Node, Plan

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

Breaks = Callable[[Plan], bool]


def smallest(plan: Plan, breaks: Breaks, tries: int = 1500) -> Plan:
    """The smallest plan found, in so many tries, of which ``breaks`` is still true."""
    left = iter(range(tries))
    while True:
        better = next((smaller for smaller in _smaller(plan) if next(left, None) is not None and breaks(smaller)), None)
        if better is None:
            return plan
        plan = better


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Plans with something left out, much first, and then with something made ordinary."""
    yield from (replace(plan, faults=faults) for faults in _less(plan.faults))
    yield from (replace(plan, acts=acts) for acts in _less(plan.acts))
    yield from (replace(plan, tree=tree) for tree in _trees(plan.tree))
    yield from (replace(plan, acts=acts) for acts in _each(plan.acts, _acts))
    yield from _plainer(plan)
    yield from (replace(plan, tree=tree) for tree in _each(plan.tree, _nodes))


def _less(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """Without one half, one quarter, and so on to one item."""
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size //= 2


def _each(items: tuple[T, ...], simpler: Callable[[T], Iterator[T]]) -> Iterator[tuple[T, ...]]:
    """With one item made simpler."""
    for place, item in enumerate(items):
        yield from ((*items[:place], less, *items[place + 1 :]) for less in simpler(item))


def _plainer(struct: S) -> Iterator[S]:
    """With one field as it usually is."""
    for field in fields(struct):
        usual = field.default
        if usual is not NODEFAULT and getattr(struct, field.name) != usual:
            yield replace(struct, **{field.name: usual})


def _trees(tree: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    yield from _less(tree)
    yield from _each(tree, _fewer_children)


def _fewer_children(node: Node) -> Iterator[Node]:
    if isinstance(node, Branch):
        yield from (replace(node, children=children) for children in _trees(node.children))


def _nodes(node: Node) -> Iterator[Node]:
    yield from _plainer(node)
    if isinstance(node, Branch):
        yield from (replace(node, children=children) for children in _each(node.children, _nodes))


def _acts(act: Act) -> Iterator[Act]:
    yield from _plainer(act)
    yield from (replace(act, deeds=deeds) for deeds in _deeds(act.deeds))


def _deeds(deeds: tuple[Deed, ...]) -> Iterator[tuple[Deed, ...]]:
    yield from _less(deeds)
    yield from _each(deeds, lambda deed: (replace(deed, deeds=fewer) for fewer in _deeds(deed.deeds)))
