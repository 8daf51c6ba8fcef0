"""Whatever fails around an agent in a simulated sandbox, its outcome is what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world.blame.case import Case, Often
from tests.world.blame.judge import check
from tests.world.blame.scene import Scene
from tests.world.blame.seeds import SEED
from tests.world.blame.simulated import Memory
from tests.world.blame.ways.table import on

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio", pytest.param("trio", marks=pytest.mark.long)], indirect=True),
]

MOMENTS = 4


async def judge(case: Case, often: Often, seed: int, directory: Path) -> None:
    """Play it at the moments of this seed."""
    with pytest.MonkeyPatch.context() as patch:
        check(await Scene(case, Memory(), often, seed, directory, patch).play(), case, often)


@pytest.mark.parametrize(("case", "often"), on("simulated"))
async def test_blame(case: Case, often: Often, tmp_path: Path) -> None:
    """Status, blame, validity and attempts are those of the page, at a random moment."""
    await judge(case, often, SEED, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("case", "often"), on("simulated"))
async def test_blame_at_more_moments(case: Case, often: Often, tmp_path: Path) -> None:
    """The same at others."""
    for seed in range(SEED + 1, SEED + 1 + MOMENTS):
        await judge(case, often, seed, tmp_path)
