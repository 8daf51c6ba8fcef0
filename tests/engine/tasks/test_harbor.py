"""Harbor's task directories: what becomes of each field, and that nothing is passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import asdict

from greenroom.engine.tasks import TaskError, load_tasks
from greenroom.engine.tasks.demands import unmet
from greenroom.engine.tasks.harbor import strip_canary
from greenroom.specs import Artifact, Collect, Environment, Healthcheck, Local, Simulated, Solution, Upload
from tests.engine.tasks.harbor_dirs import TASK, harbor

DIRECTORIES = ("/logs/agent", "/logs/verifier", "/logs/artifacts", "/solution", "/tests")


def problems(path: Path) -> list[str]:
    """What is wrong with the task there, without its path."""
    with pytest.raises(TaskError) as caught:
        load_tasks(path)
    return [problem.replace(f"{path.resolve()}/", "").replace(f"{path}/", "") for problem in caught.value.problems]


def test_a_directory_is_a_task(tmp_path: Path) -> None:
    """Every part of a plain directory finds its place, and the instruction loses its canary."""
    path = harbor(tmp_path)
    (task,) = load_tasks(tmp_path)
    assert asdict(task) | {"env": {}} == asdict(task)
    assert task.id == "hello"
    assert task.instruction == "Write hello into /app/greeting.txt.\n"
    assert task.environment == Environment(
        build=str(path / "environment"), storage_mb=100, workdir="/app", directories=DIRECTORIES
    )
    tests = Upload(source=str(path / "tests"), target="/tests", files=("test.sh",), executable=("test.sh",), clear=True)
    assert (task.verify, task.verify_uploads) == (("/tests/test.sh",), (tests,))
    assert (task.reward, task.reward_files) == ("file", ("/logs/verifier/reward.json", "/logs/verifier/reward.txt"))
    assert (task.agent_timeout, task.verify_timeout, task.verifier) == (60.0, 30.0, "shared")
    assert task.deadline is not None
    # Time to build, for two agents, for a model that is waited for, and for the verifier.
    assert task.deadline > 600.0 + 2 * 60.0 + 600.0 + 30.0
    assert task.solution is not None
    assert task.solution.commands == ("/solution/solve.sh",)
    assert task.artifacts == (Artifact(source="/logs/artifacts"),)
    assert task.metadata == {"difficulty": "easy", "tags": '["file-io","shell"]'}


FULL = """
version = "1.0"
source = "tb2"
artifacts = ["/app/out/", {source = "/app/log", destination = "logs", exclude = ["*.tmp"], service = "main"}]
[task]
name = "org/hello"
version = "3"
keywords = ["a"]
[environment]
docker_image = "img:1"
build_timeout_sec = 30.0
os = "Linux"
cpus = 2
memory = "2G"
storage = "512M"
gpus = 0
allow_internet = true
env = {A = "1", B = "${GREENROOM_TEST_UNSET:-two}"}
[environment.healthcheck]
command = "true"
interval_sec = 1.0
retries = 7
[agent]
user = 1001
network_mode = "public"
[verifier]
user = "judge"
environment_mode = "separate"
env = {KEY = "${GREENROOM_TEST_KEY}"}
[[verifier.collect]]
command = "pg_dump > /app/dump"
timeout_sec = 5
[solution]
env = {WORD = "hello"}
"""


def test_every_field_finds_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the schema knows and we honour arrives; secrets stay references to the host's variables."""
    monkeypatch.setenv("GREENROOM_TEST_KEY", "sk-secret")
    path = harbor(tmp_path, FULL, {"environment/Dockerfile": None, "environment/data/a.txt": "x"})
    (task,) = load_tasks(path)
    assert task.environment == Environment(
        image="img:1",
        build_seconds=30.0,
        cpus=2.0,
        memory_mb=2048,
        storage_mb=512,
        network="public",
        directories=DIRECTORIES,
        healthcheck=Healthcheck(command="true", interval=1.0, retries=7),
    )
    assert task.uploads == (Upload(source=str(path / "environment"), target=".", files=("data/a.txt",)),)
    assert (task.env, task.expand_env) == ({"A": "1", "B": "${GREENROOM_TEST_UNSET:-two}"}, True)
    assert task.verify_env == {"KEY": "${GREENROOM_TEST_KEY}"}
    assert "sk-secret" not in repr(task)
    assert (task.agent_user, task.verify_user) == ("1001", "judge")
    assert (task.verifier, task.verify_environment) == ("isolated", None)
    assert task.collect == (Collect(command="pg_dump > /app/dump", timeout=5.0),)
    assert task.artifacts == (
        Artifact(source="/logs/artifacts"),
        Artifact(source="/app/out"),
        Artifact(source="/app/log", destination="logs", exclude=("*.tmp",)),
    )
    assert isinstance(task.solution, Solution)
    assert task.solution.env == {"DEBIAN_FRONTEND": "noninteractive", "WORD": "hello"}
    assert (task.agent_timeout, task.deadline) == (None, None)
    names = {"task_name": "org/hello", "task_version": "3", "task_keywords": '["a"]', "source": "tb2"}
    assert task.metadata == names


REFUSED = [
    ('schema_version = "2.0"', "$.schema_version: '2.0' is not known; allowed: 1.0, 1.1"),
    ('[environment]\nos = "windows"', "$.environment.os: 'windows' is not honoured"),
    ("[environment]\ngpus = 1", "$.environment.gpus: not honoured"),
    ('[environment]\ngpu_types = ["H100"]', "$.environment.gpu_types: not honoured"),
    ('[environment]\ntpu = {type = "v6e", topology = "2x4"}', "$.environment.tpu: not honoured"),
    ('[environment]\nskills_dir = "/skills"', "$.environment.skills_dir: not honoured"),
    ('[environment]\nmcp_servers = [{name = "x", url = "y"}]', "$.environment.mcp_servers: not honoured"),
    ('[environment]\nnetwork_mode = "allowlist"', "$.environment.network_mode: 'allowlist' is not honoured"),
    ('[environment]\nallowed_hosts = ["a"]', "$.environment.allowed_hosts: is for network_mode"),
    ('[agent]\nnetwork_mode = "no-network"', "$.agent.network_mode: a network of its own for one phase"),
    ('[verifier]\nnetwork_mode = "public"', "$.verifier.network_mode: a network of its own for one phase"),
    ('[verifier.environment]\nos = "windows"', "$.verifier.environment.os: 'windows' is not honoured"),
    ('[verifier]\nenvironment_mode = "shared"\n[verifier.environment]', "$.verifier.environment: contradicts"),
    ('[[verifier.collect]]\ncommand = "x"\nservice = "db"', "$.verifier.collect[0].service: 'db': not honoured"),
    ('[[verifier.collect]]\ncommand = "x"\nuser = "db"', "$.verifier.collect[0].user: not honoured"),
    ('artifacts = [{source = "/a", service = "db"}]', "$.artifacts[0].service: 'db': not honoured"),
    ('[[steps]]\nname = "one"', "$.steps: not honoured"),
    ('[environment]\nmemory = "lots"', "$.environment.memory: 'lots' is no size; allowed: a number with G, M or K"),
    ('[environment]\nmemory = "1G"\nmemory_mb = 1', "$.environment.memory: '1G' contradicts memory_mb = 1"),
    ('[verifier]\nenv = {K = "${GREENROOM_TEST_UNSET}"}', "$.verifier.env.K: takes the variable GREENROOM_TEST_UNSET"),
    ("[agent]\ntimeout = 1", "$.agent.timeout: unknown field; did you mean timeout_sec?"),
    ('[environment]\nnetwork_mode = "open"', "$.environment.network_mode: Invalid enum value 'open'; allowed: public"),
]


@pytest.mark.parametrize(("toml", "says"), REFUSED)
def test_what_is_not_honoured_is_refused_by_field(tmp_path: Path, toml: str, says: str) -> None:
    """A field that greenroom does not honour, or does not know, stops everything, with its name and the reason."""
    if not toml.startswith("schema"):
        toml = f'schema_version = "1.4"\n{toml}'
    (problem,) = problems(harbor(tmp_path, toml))
    assert problem.startswith(f"task.toml: {says}")


FILES: list[tuple[dict[str, str | None], str]] = [
    ({"environment/docker-compose.yaml": "services: {}"}, "task.toml: environment/docker-compose.yaml: not honoured"),
    ({"tests/docker-compose.yaml": "services: {}"}, "task.toml: tests/docker-compose.yaml: not honoured"),
    ({"trajectory.json": "{}"}, "task.toml: trajectory.json: not honoured"),
    ({"tests/.harborignore": "x"}, "task.toml: tests/.harborignore: not honoured"),
    ({"instruction.md": None}, "task.toml: instruction.md: required, but missing"),
    (
        {"environment/Dockerfile": None},
        "task.toml: $.environment.docker_image: required without environment/Dockerfile",
    ),
    ({"tests/test.sh": None, "tests/x.py": ""}, "tests/test.sh: no such file"),
]


@pytest.mark.parametrize(("files", "says"), FILES)
def test_files_that_are_not_honoured_or_missing_are_named(
    tmp_path: Path, files: dict[str, str | None], says: str
) -> None:
    """The same goes for files: one that would be passed over is refused, one that is missing is missed."""
    (problem,) = problems(harbor(tmp_path, TASK, files))
    assert problem.startswith(says)


def test_all_complaints_come_at_once(tmp_path: Path) -> None:
    """Whoever mends a task hears of everything in one go."""
    toml = '[environment]\ngpus = 2\nos = "windows"\n[[steps]]\nname = "one"\n'
    found = problems(harbor(tmp_path, toml, {"trajectory.json": "{}", "instruction.md": None}))
    assert len(found) == 5


def test_a_link_in_the_tests_is_refused(tmp_path: Path) -> None:
    """Files of this machine cannot be carried along by a link in a task that somebody else wrote."""
    path = harbor(tmp_path)
    (path / "tests" / "secrets").symlink_to("/etc/shadow")
    assert problems(path) == ["tests/secrets: a symbolic link; tasks hold plain files only"]


VERIFIERS: list[tuple[str, dict[str, str | None], tuple[str | None, str | None, bool]]] = [
    ("[verifier.environment]\ncpus = 1", {}, ("environment", None, False)),
    ('[verifier.environment]\ndocker_image = "judge:1"', {}, (None, "judge:1", True)),
    ('[verifier]\nenvironment_mode = "separate"', {"tests/Dockerfile": "FROM x"}, ("tests", None, True)),
    ("[verifier.environment]\ncpus = 1", {"tests/Dockerfile": "FROM x"}, ("tests", None, True)),
]


@pytest.mark.parametrize(("toml", "files", "expected"), VERIFIERS)
def test_a_separate_verifier_has_the_image_it_asks_for(
    tmp_path: Path, toml: str, files: dict[str, str | None], expected: tuple[str | None, str | None, bool]
) -> None:
    """An image of the verifier's own, or ``tests/Dockerfile``, brings the tests along; else they are uploaded."""
    path = harbor(tmp_path, toml, files)
    (task,) = load_tasks(path)
    build, image, bundled = expected
    assert task.verify_environment is not None
    assert task.verifier == "isolated"
    assert (task.verify_environment.build, task.verify_environment.image) == (build and str(path / build), image)
    assert bool(task.verify_uploads) != bundled


def test_sandboxes_that_cannot_honour_a_task_are_named(tmp_path: Path) -> None:
    """What a kind of sandbox cannot be is said by file, field, value and remedy; one that can is left in peace."""
    toml = '[environment]\ndocker_image = "i"\ncpus = 1\nworkdir = "/usr/app"\n[agent]\nuser = "bob"\n'
    path = harbor(tmp_path, toml)
    (task,) = load_tasks(path)
    found = unmet(task, Local())
    assert [problem.split(" = ")[0] for problem in found] == [
        f"{path}/task.toml: $.environment.image",
        f"{path}/task.toml: $.environment.cpus",
        f"{path}/task.toml: $.environment.workdir",
        f"{path}/task.toml: $.agent_user",
    ]
    assert found[0].endswith("or do without: --ignore environment.image")
    assert unmet(task, Simulated()) == []


def test_fields_can_be_done_without_by_name(tmp_path: Path) -> None:
    """What somebody chooses to do without is gone, and the outcome's metadata says so; other names are refused."""
    path = harbor(tmp_path)
    (task,) = load_tasks(path, ignore=["environment.build", "environment.cpus"])
    assert task.environment is not None
    assert (task.environment.build, task.environment.workdir) == (None, "/app")
    assert task.metadata["ignored"] == "environment.build"
    assert unmet(task, Local()) == []
    with pytest.raises(TaskError, match=r"ignore: 'verify' is not a field that can be done without; allowed: agent_us"):
        load_tasks(path, ignore=["verify"])


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("<!-- x CANARY y -->\n# canary\n\n\nDo it.\n", "Do it.\n"),
        ("Do it.\n# canary", "Do it.\n# canary"),
        ("# Title\nDo it.", "# Title\nDo it."),
        ("\n\nDo it.", "Do it."),
    ],
)
def test_only_leading_canaries_go(text: str, stripped: str) -> None:
    """Canary lines at the very beginning are left out, with the blank lines after them, and nothing else."""
    assert strip_canary(text) == stripped


def test_ours_and_theirs_lie_side_by_side(tmp_path: Path) -> None:
    """A directory may hold tasks of both kinds, and Terminal-Bench 1 tasks are refused with the way to convert them."""
    harbor(tmp_path, TASK)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "task.toml").write_text('instruction = "x"\nverify = ["true"]\n')
    assert [task.id for task in load_tasks(tmp_path)] == ["hello", "own"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "task.yaml").write_text("instruction: x\n")
    for path in (tmp_path, tmp_path / "old"):
        with pytest.raises(
            TaskError, match="old: a Terminal-Bench 1 task; make a Harbor task of it with `greenroom tasks "
        ):
            load_tasks(path)
