"""Harbor tasks for real, in local sandboxes: everything but the container image, which is done without by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenroom.engine import Engine
from greenroom.engine.tasks import TaskError, load_tasks
from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Outcome
from greenroom.specs import AgentSpec, TaskSpec
from tests.engine.playing import shell_agent
from tests.engine.tasks.harbor_dirs import TASK, harbor

pytestmark = [
    pytest.mark.needs("bwrap"),
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

ENV = '[solution]\nenv = {WORD = "${GREENROOM_TEST_WORD:-hello}"}\n'


SEPARATE = '[verifier]\nenvironment_mode = "separate"\ncollect = [{command = "date > made"}]'
ARTIFACTS = 'artifacts = ["/app/out", "made", {source = "/app/big", exclude = ["*.tmp"]}]'


async def nobody(_: ModelCall) -> Completion:
    """No model is needed."""
    raise ModelError("unavailable", "there is no model")


def task(path: Path) -> TaskSpec:
    """The task there, without its image."""
    (loaded,) = load_tasks(path, ignore=["environment.build", "environment.image"])
    return loaded


async def outcome_of(agent: str | AgentSpec, work: TaskSpec) -> Outcome:
    """What becomes of it."""
    async with Engine(agent, model=nobody) as engine:
        (outcome,) = [outcome async for outcome in engine.run([work])]
    return outcome


@pytest.mark.parametrize(("agent", "reward"), [("oracle", 1.0), ("nop", 0.0)])
async def test_a_harbor_task_runs_unchanged(tmp_path: Path, agent: str, reward: float) -> None:
    """Work directory, /tests, /logs and /solution are where the task expects them; its script's exit code is data."""
    outcome = await outcome_of(agent, task(harbor(tmp_path, TASK + ENV)))
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("completed", reward, True)
    (verify,) = outcome.attempts[0].commands
    assert (verify.command, verify.exit_code) == ("/tests/test.sh", 3)


async def test_an_agent_cannot_bring_its_own_reward_or_tests(tmp_path: Path) -> None:
    """Reward files and tests that an agent left in the right places are gone before the real ones come."""
    cheat = (
        "echo 1 > /logs/verifier/reward.txt; echo '{\"reward\": 1}' > /logs/verifier/reward.json; "
        "echo exit > /tests/conftest.py; printf '#!/bin/sh\\necho 1 > /logs/verifier/reward.txt' > /tests/test.sh; "
        "ls -A /solution /tests | grep -v : > seen"
    )
    test = "#!/bin/bash\nls -A /tests; cat seen; ls -A /logs/verifier; echo 0 > /logs/verifier/reward.txt\n"
    outcome = await outcome_of(shell_agent(cheat), task(harbor(tmp_path, files={"tests/test.sh": test})))
    assert (outcome.status, outcome.reward) == ("completed", 0.0)
    assert outcome.attempts[0].commands[0].output.split() == ["test.sh", "conftest.py", "test.sh"]


async def test_rewards_have_names(tmp_path: Path) -> None:
    """reward.json comes before reward.txt and may hold several rewards."""
    test = (
        "#!/bin/bash\necho 1 > /logs/verifier/reward.txt\n"
        'echo \'{"tests": 0.5, "style": 1}\' > /logs/verifier/reward.json\n'
    )
    outcome = await outcome_of("nop", task(harbor(tmp_path, files={"tests/test.sh": test})))
    assert (outcome.reward, outcome.reward_valid) == ({"tests": 0.5, "style": 1.0}, True)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("true", "wrote no reward to /logs/verifier/reward.json or /logs/verifier/reward.txt"),
        ("echo nan > /logs/verifier/reward.txt", "'nan', which is not one finite number"),
        ("touch /logs/verifier/reward.txt", "the reward file is empty"),
    ],
)
async def test_no_verdict_is_never_zero(tmp_path: Path, script: str, says: str) -> None:
    """A test script that gives no finite number leaves the rollout unscored, with the reason and its output."""
    test = f"#!/bin/bash\necho looking\n{script}\n"
    outcome = await outcome_of("nop", task(harbor(tmp_path, files={"tests/test.sh": test})))
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("verifier_failed", None, False)
    assert outcome.fault is not None
    assert outcome.fault.blame == "task"
    assert says in outcome.fault.message
    assert outcome.fault.detail == "looking\n"


async def test_a_separate_verifier_sees_artifacts_and_nothing_else(tmp_path: Path) -> None:
    """A separate verifier runs in a fresh sandbox in which the declared artifacts lie where they were."""
    toml = TASK.replace("[verifier]", SEPARATE).replace("[metadata]", f"{ARTIFACTS}\n[metadata]")
    work = (
        "mkdir -p out/sub big; echo hi > out/sub/a; printf '#!/bin/sh\\necho ran' > out/run; chmod +x out/run; "
        "echo x > loose; echo y > big/a.tmp; echo z > big/b; ln -s /etc/passwd out/link; echo pub > /logs/artifacts/p"
    )
    test = (
        "#!/bin/bash\ncd /app; find . -type f | LC_ALL=C sort; ./out/run; cat /logs/artifacts/p\n"
        "echo 0.5 > /logs/verifier/reward.txt\n"
    )
    outcome = await outcome_of(shell_agent(work), task(harbor(tmp_path, toml, {"tests/test.sh": test})))
    assert (outcome.status, outcome.reward) == ("completed", 0.5)
    *_, verify = outcome.attempts[0].commands
    assert verify.output.split() == ["./big/b", "./made", "./out/run", "./out/sub/a", "ran", "pub"]
    kept = outcome.attempts[0].artifacts
    assert set(kept) == {"logs/artifacts/p", "app/out/sub/a", "app/out/run", "made", "app/big/b"}
    assert kept["app/out/sub/a"] == b"hi\n"


async def test_what_a_sandbox_cannot_honour_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    """A task that wants an image is refused by an engine with local sandboxes, by field, before anything is made."""
    tasks = load_tasks(harbor(tmp_path))
    async with Engine("nop", model=nobody) as engine:
        with pytest.raises(
            TaskError, match=r"hello/task\.toml: \$\.environment\.build = .*: Local\(\) sandboxes cannot"
        ):
            engine.run(tasks)
