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

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("case", "often"), on("simulated"))
async def test_blame(case: Case, often: Often, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, blame, validity and attempts are those of the page, at a random moment."""
    check(await Scene(case, Memory(), often, SEED, tmp_path, monkeypatch).play(), case, often)
