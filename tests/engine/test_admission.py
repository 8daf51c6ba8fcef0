"""Who may begin, seen from outside: limits, turns, the machine's say, and changing all of that while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest

from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Outcome, Text
from greenroom.specs import Environment, Simulated, TaskSpec
from greenroom.specs.limits import Limits
from tests.engine.playing import a_task, an_engine, answer, assert_clean, tasks

pytestmark = pytest.mark.anyio


class Census:
    """A model that counts who is there when it is called."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.most: Counter[str] = Counter()

    async def __call__(self, call: ModelCall) -> Completion:
        assert self.engine is not None
        rows = self.engine.snapshot().rollouts
        kinds = Counter(row.task_id.partition("-")[0] for row in rows)
        for kind, count in (*kinds.items(), ("all", len(rows))):
            self.most[kind] = max(self.most[kind], count)
        return await answer(call)


def of_image(image: str, count: int) -> list[TaskSpec]:
    """Tasks that need an image, and say so in their names."""
    return [a_task(f"{image}-{number}", environment=Environment(image=image)) for number in range(count)]


def with_images(limits: Limits, **options: Any) -> tuple[Engine, Census]:  # noqa: ANN401 - options of all types
    """An engine with sandboxes that are made of images, and who is there."""
    census = Census()
    engine = an_engine(model=census, sandbox=Imaged(), limits=limits, **options)
    census.engine = engine
    return engine, census


class Imaged(Simulated, frozen=True, kw_only=True, tag="simulated"):
    """Simulated sandboxes that can be any image."""

    image: str = "usual"

    @property
    def offers(self) -> tuple[str, ...]:
        """Images too."""
        return ("image",)


@asynccontextmanager
async def consuming(engine: Engine, work: list[TaskSpec], **options: Any) -> AsyncGenerator[list[Outcome]]:  # noqa: ANN401
    """A run whose outcomes are fetched all the time; cancelled at the end of the block."""
    outcomes: list[Outcome] = []

    async def consume() -> None:
        nonlocal outcomes
        async with aclosing(engine.run(work, **options)) as stream:
            async for outcome in stream:
                outcomes += [outcome]

    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        yield outcomes
        group.cancel_scope.cancel()


async def everything(engine: Engine, work: list[TaskSpec]) -> list[Outcome]:
    """All outcomes."""
    async with engine:
        outcomes = [outcome async for outcome in engine.run(work)]
        assert_clean(engine)
    return outcomes


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (Limits(), {"all": 20}),
        (Limits(per_image=3), {"a": 3, "b": 3, "all": 6}),
        (Limits(per_image=3, named={"image:b": 7}), {"a": 3, "b": 7, "all": 10}),
        (Limits(per_agent=4), {"all": 4}),
        (Limits(named={"agent:simulated": 5}), {"all": 5}),
        (Limits(per_backend=6), {"all": 6}),
    ],
)
async def test_each_limit_is_a_bound(limits: Limits, most: dict[str, int]) -> None:
    """However many there are of each, no more of an image, an agent or a backend run at once than allowed."""
    engine, census = with_images(limits, concurrency=20)
    outcomes = await everything(engine, [*of_image("a", 30), *of_image("b", 30)])
    assert {outcome.status for outcome in outcomes} == {"completed"}
    assert {name: census.most[name] for name in most} == most


async def test_an_image_at_its_limit_holds_up_no_other() -> None:
    """Tasks of another image go past those that wait for theirs, though they come later in the list."""
    engine, _ = with_images(Limits(per_image=1, queue=100), concurrency=20)
    outcomes = await everything(engine, [*of_image("a", 10), *of_image("b", 1)])
    assert "b-0" in [outcome.task_id for outcome in outcomes[:3]]


async def test_no_more_tasks_are_fetched_than_may_wait() -> None:
    """While its rollouts wait for limits of their own, a run takes so many tasks from its iterator, and no more."""
    taken = 0

    def endless() -> Iterator[TaskSpec]:
        nonlocal taken
        while True:
            taken += 1
            yield of_image("a", taken)[-1]

    engine, _ = with_images(Limits(per_image=2, queue=5), concurrency=50)
    async with engine, aclosing(engine.run(endless())) as stream:
        await anext(stream)
        assert taken <= 2 + 5 + 2
        assert engine.snapshot().waiting <= 6


async def test_a_backend_that_is_new_is_tried_with_care() -> None:
    """Until the first sandbox has booted a handful are tried, and no further task is fetched."""
    async with (
        an_engine(concurrency=50, sandbox=Simulated(boot=100), deadline=1e6) as engine,
        consuming(engine, tasks(100)),
    ):
        await anyio.sleep(50)
        assert (engine.snapshot().running, engine.snapshot().submitted) == (5, 6)
        await anyio.sleep(100)
        assert engine.snapshot().running == 50


async def test_the_highest_priority_goes_first() -> None:
    """While slots are scarce, a run of a higher priority gets all of them."""
    async with an_engine(concurrency=4) as engine, consuming(engine, tasks(100)) as low:
        await anyio.sleep(5)
        async with consuming(engine, tasks(20), priority=1) as high:
            await anyio.sleep(200)
            assert len(high) == 20
            assert len(low) <= 20


async def test_runs_begin_rollouts_by_weight() -> None:
    """A run of three times the weight gets three times as many slots."""
    engine = an_engine(concurrency=8)
    async with engine, consuming(engine, tasks(400), weight=3) as heavy, consuming(engine, tasks(400)) as light:
        await anyio.sleep(1500)
        assert 2.5 <= len(heavy) / len(light) <= 3.5


async def test_starts_are_spread() -> None:
    """With jitter, rollouts that could all begin at once begin one after the other, within that time."""
    engine = an_engine(concurrency=50, limits=Limits(jitter=60.0), sandbox=Simulated(turn=1e5), deadline=1e7)
    async with engine, consuming(engine, tasks(50)):
        counts: list[int] = []
        for _ in range(13):
            await anyio.sleep(10)
            counts.append(engine.snapshot().running)
    # The first five have up to a minute, and the others, once one of those has booted, another one.
    assert len(set(counts)) > 4
    assert counts == sorted(counts)
    assert counts[-1] == 50


async def test_who_leaves_before_his_start_takes_no_slot() -> None:
    """A run that is left while its rollouts are about to begin frees their slots at once."""
    engine = an_engine(concurrency=3, limits=Limits(jitter=1000.0))
    async with engine:
        async with consuming(engine, tasks(10)):
            await anyio.sleep(1)
        await anyio.sleep(1)
        engine.set(jitter=0)
        assert len([outcome async for outcome in engine.run(tasks(6))]) == 6
        assert_clean(engine)


async def test_concurrency_is_changed_while_it_runs() -> None:
    """More rollouts begin at once when there may be more; with less, nothing is ended and nothing begins."""
    engine = an_engine(concurrency=2, sandbox=Simulated(turn=25), deadline=1e6)
    async with engine, consuming(engine, tasks(100)):
        await anyio.sleep(5)
        assert engine.snapshot().running == 2
        assert engine.set(concurrency=10).concurrency == 10
        await anyio.sleep(20)
        snapshot = engine.snapshot()
        assert (snapshot.running, snapshot.limits.concurrency) == (10, 10)
        engine.set(concurrency=1)
        await anyio.sleep(40)
        assert engine.snapshot().running == 10
        await anyio.sleep(150)
        assert engine.snapshot().running == 1
        assert "cancelled" not in engine.snapshot().finished


async def test_a_wrong_change_changes_nothing() -> None:
    """One bad value in a change leaves all limits as they were."""
    engine = an_engine(concurrency=2)
    with pytest.raises(ValueError, match="per_image"):
        engine.set(concurrency=7, per_image=0)
    assert engine.snapshot().limits.concurrency == 2
    assert engine.set({"image:python:3.12": 3}).named == {"image:python:3.12": 3}


async def test_a_full_machine_pauses_admission_and_says_why() -> None:
    """While less memory is free than asked for, nothing more begins; the snapshot has the reason; then it goes on."""
    engine = an_engine(concurrency=10, limits=Limits(free_memory="900000g"), sandbox=Simulated(turn=1e5), deadline=1e7)
    async with engine, consuming(engine, tasks(30)):
        await anyio.sleep(60)
        snapshot = engine.snapshot()
        # An engine in which nothing runs always begins something.
        assert (snapshot.running, snapshot.waiting) == (1, 1)
        assert "of memory are available, less than 900000g" in snapshot.paused
        engine.set(free_memory="none")
        await anyio.sleep(10)
        snapshot = engine.snapshot()
        assert (snapshot.running, snapshot.paused) == (10, "")


async def test_a_full_machine_is_slow_but_never_stuck() -> None:
    """An engine whose machine never has enough runs its rollouts one after the other."""
    outcomes = await everything(an_engine(limits=Limits(free_memory="900000g")), tasks(5))
    assert len(outcomes) == 5


async def test_slow_boots_hold_up_further_ones() -> None:
    """A backend that takes long to boot gets no more to do until it has been left alone for a while."""
    engine = an_engine(concurrency=100, limits=Limits(boot=5.0), sandbox=Simulated(boot=100, turn=50), deadline=1e6)
    async with engine, consuming(engine, tasks(400)) as outcomes:
        await anyio.sleep(110)
        assert "to boot lately" in engine.snapshot().paused
        await anyio.sleep(2000)
        assert len(outcomes) > 100


@pytest.mark.parametrize("option", [{"weight": 0}, {"weight": float("nan")}, {"samples": 0}, {"buffer": -1}])
async def test_what_a_run_asks_for_is_checked(option: dict[str, float]) -> None:
    """A weight, a buffer or samples that make no sense are refused before anything starts."""
    with pytest.raises(ValueError, match=next(iter(option))):
        an_engine().run(tasks(1), **option)  # type: ignore[arg-type]


async def quick(call: ModelCall) -> Completion:
    """An answer at once."""
    return Completion(parts=(Text(f"{call.index}"),))


async def test_a_buffer_of_ones_own() -> None:
    """With a buffer of two, no more than two outcomes and what runs are ahead of a consumer that sleeps."""
    async with an_engine(concurrency=4, model=quick) as engine, aclosing(engine.run(tasks(50), buffer=2)) as stream:
        await anext(stream)
        await anyio.sleep(50_000)
        assert engine.snapshot().submitted <= 1 + 2 + 4 + 2
        assert engine.snapshot().running == 0
        assert len([outcome async for outcome in stream]) == 49
