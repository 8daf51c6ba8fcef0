"""Groups of a run that is gone on with: what was kept, and what was acknowledged."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from pathlib import Path

import pytest

from greenroom.engine import open_engine
from tests.engine.playing import a_task, quick, tasks
from tests.engine.test_resume import FAST, ids, on

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]


async def test_groups_say_whether_they_were_kept_before(tmp_path: Path) -> None:
    """A group that was whole before is recalled; one that was not, or of which only a part was kept, is new."""
    async with on(tmp_path) as engine, aclosing(engine.run(tasks(3), 2, name="mine")) as outcomes:
        first = [await anext(outcomes) for _ in range(3)]
    async with on(tmp_path) as engine:
        groups = engine.groups(tasks(3), 2, name="mine")
        seen = [(group[0].task_id, groups.recalling, group.recalled, group.partial) async for group in groups]
    count = Counter(outcome.task_id for outcome in first)
    kept_whole = {task_id for task_id, samples in count.items() if samples == 2}
    assert {task_id for task_id, recalling, _, _ in seen if recalling} >= kept_whole
    assert seen[-1][1] is False
    assert [recalling for _, recalling, _, _ in seen] == [recalled for _, _, recalled, _ in seen]
    assert [partial for *_, partial in seen] == [False] * 3


@pytest.mark.parametrize("left", [0, 1, 2, 3])
async def test_a_group_of_which_a_part_was_acknowledged_is_partial(tmp_path: Path, left: int) -> None:
    """What was acknowledged is not given again; the rest of its group comes at once, and says that it is a part."""
    async with on(tmp_path) as engine:
        first = await anext(engine.groups([a_task("t")], 3, name="mine"))
        assert not first.partial
        await engine.acknowledge(first[left:])
    async with on(tmp_path) as engine:
        groups = engine.groups([a_task("t"), a_task("u")], 3, name="mine2")
        assert [group.partial async for group in groups] == [False, False]
    async with on(tmp_path) as engine:
        groups = engine.groups([a_task("t")], 3, name="mine")
        found = [(ids(group), group.partial, groups.recalling) async for group in groups]
    assert found == ([(ids(first[:left]), left < 3, True)] if left else [])


async def test_the_rest_of_a_group_does_not_wait_for_other_groups(tmp_path: Path) -> None:
    """A group that can grow no more is given while others run, however little of it is left."""
    async with on(tmp_path) as engine:
        groups = engine.groups(tasks(2), 2, name="mine")
        first = await anext(groups)
        await engine.acknowledge(first[:1])
        await groups.aclose()
    async with on(tmp_path) as engine:
        again = engine.groups(tasks(2), 2, name="mine")
        order = [(group[0].task_id, group.partial) async for group in again]
    assert order[0] == (first[0].task_id, True)
    assert [partial for _, partial in order] == [True, False]


def test_scripts_see_what_was_kept_before(tmp_path: Path) -> None:
    """The blocking engine's iterations have the same words: name, recalling, partial."""
    seen: list[tuple[bool, bool, int]] = []
    for _ in range(2):
        with open_engine("simulated", model=quick, sandbox=FAST, store=tmp_path) as engine:
            groups = engine.groups(tasks(1), 2, name="mine")
            assert groups.name == "mine"
            for group in groups:
                seen.append((groups.recalling, group.partial, len(group)))
                engine.acknowledge(group[:1])
            runs = engine.run(tasks(2), name="other")
            assert [runs.recalling for _ in runs] == [bool(len(seen) > 1)] * 2
    assert seen == [(False, False, 2), (True, True, 1)]
