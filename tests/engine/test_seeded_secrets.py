"""Seeded secrets are searched for in every artifact that a real run leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import anyio.to_thread
import msgspec
import pytest
from aiohttp import web

from greenroom.engine import Engine
from greenroom.introspection.client import Client
from greenroom.messages import Completion, Outcome, Text, ToolUse
from greenroom.specs import BlackBox, Gate, Model, TaskSpec, Upstream
from tests.interception.test_provider import provider

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

NASTY = "$(touch pwned)'\"`touch pwned`\\ ;touch pwned; #"
OWNER = f"OWNERNEEDLE{NASTY}"
"""The key of the model's owner: only the model's server gets it."""
ATTEMPT = f"ATTEMPTNEEDLE{NASTY}"
"""Keys of attempts: only their agents get them, by their environment."""
HOST = f"HOSTNEEDLE{NASTY}\nsecond line\r\n"
"""A secret in the environment of whoever runs greenroom: nobody gets it."""
NEEDLES = (b"OWNERNEEDLE", b"ATTEMPTNEEDLE", b"HOSTNEEDLE")
LOOK = 'env | grep -v OPENAI_; echo "$HOST_SECRET$MODEL_KEY"; cat /proc/*/cmdline | tr "\\0" " "; ls -a'


class Witness:
    """The model's server. While the agent waits for it, it looks at everything an outsider could see."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.seen: list[bytes] = []
        self.keys: set[str] = set()

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Have the agent look around, then say something nasty; what, the task decides."""
        self.keys.add(request.headers.get("authorization", ""))
        asked = json.loads(await request.read())
        await anyio.to_thread.run_sync(self.look)
        task = asked["messages"][-1]["content"] if len(asked["messages"]) < 3 else ""
        if "refuse" in task:
            return web.json_response({"error": {"message": f"Incorrect API key provided: {OWNER}"}}, status=401)
        if "reject" in task:
            return web.json_response({"error": {"message": f"bad request by {OWNER}"}}, status=400)
        return web.json_response({"choices": [{"message": _answer(len(asked["messages"])), "finish_reason": "stop"}]})

    def look(self) -> None:
        """Arguments of all processes, and whatever the engine's console tells about every actor."""
        self.seen += processes("cmdline")
        environments = [text for text in processes("environ") if b"OPENAI_API_KEY" in text]
        self.seen += [text.replace(b"ATTEMPTNEEDLE", b"") for text in environments]
        assert self.engine is not None
        console = self.engine.system.inspect("/engine/console")
        assert console is not None
        with Client(Path(console.observed.socket)) as client:
            self.seen.append(msgspec.json.encode([client.hello(), client.snapshot()]))
            self.seen += [repr(client.inspect(row.path)).encode() for row in client.rows()]


def _answer(messages: int) -> dict[str, object]:
    if messages > 2:
        return {"role": "assistant", "content": "done"}
    call = {"name": "bash", "arguments": json.dumps({"command": LOOK})}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": call}]}


def processes(what: str) -> Iterator[bytes]:
    """This file of every process there is."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                yield (entry / what).read_bytes()
            except OSError:
                continue  # it has ended, or is not ours to look at


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Secrets where they are in real life, and a directory of one's own."""
    numbers = count()

    def nasty(_bytes: int) -> str:
        return f"{ATTEMPT}{next(numbers)}"

    monkeypatch.setenv("MODEL_KEY", OWNER)
    monkeypatch.setenv("HOST_SECRET", HOST)
    monkeypatch.setattr("greenroom.interception.routes.secrets.token_urlsafe", nasty)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tasks() -> list[TaskSpec]:
    """Agents that look around, and models that quote their owner's key."""
    usual = {"setup": (LOOK,), "verify": (f"{LOOK}; test ! -e pwned",), "deadline": 40.0}
    return [
        TaskSpec(id=id, instruction=id, **usual)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        for id in ("look", "refuse", "reject")
    ]


def texts_of(outcomes: list[Outcome], store: Path) -> Iterator[bytes]:
    """All that is left of a run."""
    yield repr(outcomes).encode()
    yield msgspec.json.encode(outcomes)
    files = [path for path in store.rglob("*") if path.is_file()]
    assert {"run.db", "outcomes.jsonl"} <= {path.name for path in files}
    for path in files:
        yield path.read_bytes()


def was_run_by_a_shell(place: Path) -> bool:
    """Whether some shell took a key for a command."""
    return any(place.rglob("pwned"))


Printed = pytest.CaptureFixture[str]
Logged = pytest.LogCaptureFixture
MODELS: dict[str, Callable[[str], Model]] = {
    "upstream": lambda url: Upstream(base_url=f"{url}/v1", model="m", api_key_env="MODEL_KEY", attempts=1),
    "black_box": lambda url: BlackBox(base_url=url, api_key_env="MODEL_KEY"),
}


def search(witness: Witness, outcomes: list[Outcome], store: Path, logged: Logged, printed: Printed) -> None:
    """Look for every secret in all that was seen, said and left."""
    assert witness.engine is not None
    out = printed.readouterr()
    records = [str(record.__dict__) for record in logged.records]
    left = [*witness.seen, *texts_of(outcomes, store), repr(witness.engine.settings).encode()]
    left += [text.encode() for text in (*records, logged.text, out.out, out.err)]
    assert len(witness.seen) > 20
    for needle in NEEDLES:
        assert not [text for text in left if needle in text]
    assert not was_run_by_a_shell(store.parent)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.needs("bwrap")
async def test_no_secret_is_in_what_a_run_leaves(kind: str, seeded: Path, caplog: Logged, capfd: Printed) -> None:
    """Neither arguments, logs, console, events, store nor outcomes hold any key, whatever characters are in it."""
    caplog.set_level(0)
    witness = Witness()
    async with (
        provider(witness) as url,
        Engine("bash", model=MODELS[kind](url), store=seeded / "run", attempts=1) as engine,
    ):
        witness.engine = engine
        with engine.system.subscribe(limit=10_000) as happenings:
            outcomes = [outcome async for outcome in engine.run(tasks())]
            with anyio.move_on_after(0):
                async for event in happenings:
                    witness.seen.append(repr(event).encode())
    assert {outcome.task_id: outcome.status for outcome in outcomes} == {
        "look": "completed", "refuse": "model_failed", "reject": "model_failed",
    }  # fmt: skip
    assert [outcome.reward for outcome in outcomes if outcome.task_id == "look"] == [1.0]
    assert witness.keys == {f"Bearer {OWNER}"}
    search(witness, outcomes, seeded / "run", caplog, capfd)


@pytest.mark.needs("bwrap")
async def test_no_secret_is_left_behind_a_gate(seeded: Path, caplog: Logged, capfd: Printed) -> None:
    """Where the trainer answers, its calls and what it is told do not hold the agent's key either."""
    caplog.set_level(0)
    witness = Witness()
    async with Engine("bash", model=Gate(), store=seeded / "run", attempts=1) as engine:
        witness.engine = engine
        async with engine.session(tasks()[0]) as session:
            while (call := await session.next_call()) is not None:
                witness.seen += [repr(call).encode(), repr(call.request).encode()]
                await anyio.to_thread.run_sync(witness.look)
                used = ToolUse("a", "bash", json.dumps({"command": LOOK}))
                call.reply(Completion(parts=(used,) if len(call.messages) < 3 else (Text("done"),)))
            outcome = await session.outcome()
    assert (outcome.status, outcome.reward, len(outcome.turns)) == ("completed", 1.0, 2)
    search(witness, [outcome], seeded / "run", caplog, capfd)


async def test_secrets_that_cannot_be_sent_are_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with line breaks in it is refused before anything starts, by the name of its variable alone."""
    monkeypatch.setenv("MODEL_KEY", HOST + HOST)
    with pytest.raises(ValueError, match="MODEL_KEY") as caught:
        async with Engine("bash", model=Upstream(base_url="http://x/v1", model="m", api_key_env="MODEL_KEY")):
            pass
    assert "HOSTNEEDLE" not in repr(caught.value)


@pytest.mark.needs("bwrap")
async def test_the_needles_would_be_found(seeded: Path) -> None:
    """The search sees a secret in the arguments of a process, and in what an agent prints."""
    process = await anyio.open_process(["sleep", "60"], env={**os.environ, "X": HOST})
    try:
        assert any(b"HOSTNEEDLE" in text for text in processes("environ"))
    finally:
        process.kill()
        await process.wait()
        await process.aclose()
    task = TaskSpec(id="leak", instruction="leak", setup=(f"echo {NEEDLES[2].decode()}",))
    async with Engine("bash", model=Gate(), store=seeded / "run") as engine, engine.session(task) as session:
        assert await session.next_call() is not None
    outcome = await session.outcome()
    assert sum(b"HOSTNEEDLE" in text for text in texts_of([outcome], seeded / "run")) >= 3
