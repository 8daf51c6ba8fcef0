"""On a Mac, and on Windows: what needs Linux says so, and all the rest works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real_time, pytest.mark.long, pytest.mark.parametrize("platform", ["darwin", "win32"])]

HERE = Path(__file__).parent
SECONDS = 120
REFUSAL = "Local sandboxes need Linux (pidfd_open, prctl, namespaces), and this is"
TASK = 'id = "t"\ninstruction = "do it"\nverify = ["true"]\n'
MODEL = '[[script]]\n[[script.turns]]\ntext = "done"\n'


def there(platform: str, *program: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of ours on another system."""
    command = [sys.executable, str(HERE / "emigrate.py"), platform, *program]
    homes = {name: str(place / "home") for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME")}
    environment = {"PATH": "/usr/bin:/bin", **homes}
    (place / "home").mkdir(exist_ok=True)
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=SECONDS, cwd=place, env=environment
    )


def test_kernel_engine_and_scripts_work_there(platform: str, tmp_path: Path) -> None:
    """A supervised actor, rollouts with a store, a resumed run and a plain script go as they go here."""
    done = there(platform, str(HERE / "life.py"), str(tmp_path / "run"), place=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, [f"lived on {platform}"]), done.stderr


def test_local_sandboxes_are_refused_in_one_sentence(platform: str, tmp_path: Path) -> None:
    """Whoever asks for local sandboxes, as the default does, learns what they need and what there is instead."""
    (tmp_path / "t.toml").write_text(TASK)
    for options in ((), ("--sandbox", "docker"), ("--unsafe",)):
        done = there(platform, "-m", "greenroom", "run", "t.toml", "--model", "m", *options, place=tmp_path)
        assert done.returncode == 2
        assert "sandboxes need Linux" in done.stderr
        assert "use Simulated sandboxes" in done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name not in {"t.toml", "home"}] == []


def test_simulated_sandboxes_run_from_the_command_line(platform: str, tmp_path: Path) -> None:
    """`greenroom run` with simulated sandboxes ends as it ends here."""
    (tmp_path / "t.toml").write_text(TASK)
    (tmp_path / "m.toml").write_text(MODEL)
    command = ("run", "t.toml", "--sandbox", "simulated:boot=0,turn=0", "--model", "scripted:m.toml", "--json")
    done = there(platform, "-m", "greenroom", *command, place=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"completed"' in done.stdout


@pytest.mark.parametrize(("command", "status"), [("--help", 0), ("agents", 0), ("doctor", 1), ("ps", 1)])
def test_the_command_line_works_there(platform: str, command: str, status: int, tmp_path: Path) -> None:
    """Whatever only looks ends in order, and `doctor` says that local sandboxes need Linux."""
    done = there(platform, "-m", "greenroom", command, place=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    if command == "doctor":
        assert f"{REFUSAL} {platform}" in done.stdout
