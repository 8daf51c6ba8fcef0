"""The same rollouts through greenroom, for ``engine.py``.

seal {}                              the bubblewrap command line of a sandbox, and the directory in it that is its own
lap {url, count, concurrency}        so many rollouts; what they have cost this process, and the bytes of an outcome
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from _child import Fields, attend
from _engine_load import CALLS, measured, program
from greenroom.engine import Engine
from greenroom.sandboxes.local.bubblewrap import Bubblewrap
from greenroom.sandboxes.local.place import Root
from greenroom.specs import AgentSpec, Invocation, Launch, Local, TaskSpec, Upstream


def command(launch: Launch) -> Invocation:
    """The agent."""
    env = {"OPENAI_BASE_URL": launch.base_url, "OPENAI_API_KEY": launch.api_key, "OPENAI_MODEL": launch.model}
    return Invocation(argv=tuple(program()), env=env)


async def play(store: Path, fields: Fields) -> None:
    """So many rollouts, all of which have to succeed."""
    agent = AgentSpec(name="four", dialect="chat", command=command)
    model = Upstream(f"{fields['url']}/v1", model="bench", token_ids=False)
    tasks = [TaskSpec(id=f"t{n}", instruction="go", verify=("true",)) for n in range(fields["count"])]
    concurrency = fields["concurrency"]
    async with Engine(
        agent, model=model, sandbox=Local(), store=store, concurrency=concurrency, console=False
    ) as engine:
        async for outcome in engine.run(tasks):
            if outcome.reward != 1.0 or len(outcome.turns) != CALLS:
                raise RuntimeError(f"a rollout failed: {outcome}")


async def lap(fields: Fields) -> Fields:
    """One of them in a store of its own."""
    found: Fields = {}
    with tempfile.TemporaryDirectory(prefix="bench-ours-") as root:
        store = Path(root, "run")
        async with measured(fields["count"], found):
            await play(store, fields)
        with closing(sqlite3.connect(store / "run.db")) as database:
            ((found["outcome.bytes"],),) = database.execute("SELECT avg(length(bytes)) FROM blob")
    return found


async def main() -> None:
    with ExitStack() as stack:

        async def seal(_: Fields) -> Fields:
            root = Root(None)
            stack.callback(root.remove)
            place = root.place("PLACE")
            found = Bubblewrap.find(shutil.which("bwrap") or "bwrap")
            return {"argv": found.command(root, place, prefix="", network=True), "place": place.path}

        await attend({"seal": seal, "lap": lap})


if __name__ == "__main__":
    asyncio.run(main())
