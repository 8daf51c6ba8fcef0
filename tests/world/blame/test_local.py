"""Whatever fails around a real agent in a local sandbox, its outcome is what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world.blame.case import Case, Often
from tests.world.blame.judge import check
from tests.world.blame.local import Machine
from tests.world.blame.scene import Scene
from tests.world.blame.seeds import SEED
from tests.world.blame.ways.table import on

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.long,
    pytest.mark.needs("bwrap"),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.mark.parametrize(("case", "often"), on("local"))
async def test_blame(case: Case, often: Often, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, blame, validity and attempts are those of the page, at a random moment."""
    check(await Scene(case, Machine(), often, SEED, tmp_path, monkeypatch).play(), case, often)
