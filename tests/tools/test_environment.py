"""How `.venv` is made: on the day of the pins, a year later, offline, and after it was interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.tools.project import Project

pytestmark = [pytest.mark.real_time, pytest.mark.long]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A clone with two pins."""
    project = Project(tmp_path)
    project.pin(project.release("alpha", "1.0", requires="beta>=1"), project.release("beta", "1.0"))
    return project


def test_newer_releases_do_not_matter_and_the_cache_serves_the_next_clone(project: Project) -> None:
    """The pinned releases are installed although there are newer ones; then again without any index, in a new clone."""
    project.release("alpha", "2.0", requires="nothing-of-this-name")
    project.release("beta", "1.1", requires="nothing-of-this-name")
    made = project.make()
    assert (made.returncode, made.stderr) == (0, "")
    assert "downloading 1/2" in made.stdout
    assert (project.version("alpha"), project.version("beta")) == ("1.0", "1.0")
    assert project.make().stdout == ""

    (project.root / ".venv").rename(project.root / "old")
    project.url = (project.index / "gone").as_uri()
    made = project.make()
    assert (made.returncode, made.stderr) == (0, "")
    assert project.version("beta") == "1.0"


def test_a_changed_pin_makes_a_new_environment(project: Project) -> None:
    """After the pins have changed, what they no longer name is gone."""
    project.pin(project.release("alpha", "1.0"))
    assert project.make().returncode == 0
    project.pin(project.release("beta", "3.0"))
    assert project.make("test").returncode == 0
    assert project.version("beta") == "3.0"
    with pytest.raises(subprocess.CalledProcessError):
        project.version("alpha")


@pytest.mark.parametrize(
    ("pin", "says"),
    [
        ("alpha==1.5 --hash=sha256:" + "0" * 64, "alpha==1.5 is not to be had"),
        ("alpha==1.0 --hash=sha256:" + "0" * 64, "a package is not the one that was pinned, so nothing of it was"),
    ],
    ids=["vanished", "changed"],
)
def test_a_package_that_is_not_as_pinned_is_one_sentence(project: Project, pin: str, says: str) -> None:
    """A release that has vanished, or whose bytes have changed, ends the command with 1 and a sentence."""
    project.pin(f"{pin}\n")
    made = project.make()
    assert made.returncode == 1
    assert says in made.stderr
    assert "Traceback" not in made.stderr


def test_a_home_that_cannot_be_written_is_one_sentence(project: Project) -> None:
    """Where the cache cannot be, the remedy is named, and nothing was made."""
    project.cache.write_text("in the way")
    made = project.make()
    assert made.returncode == 1
    assert made.stderr.count("\n") <= 2
    assert "make ... GREENROOM_CACHE=" in made.stderr
    assert not (project.root / ".venv").exists()


class _Index(ThreadingHTTPServer):
    """An index that keeps whoever asks for ``beta`` waiting, until it is let go."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Slow, directory=str(directory)))
        self.asked = threading.Event()
        self.let_go = threading.Event()


class _Slow(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if isinstance(self.server, _Index) and "beta-" in urlsplit(self.path).path:
            self.server.asked.set()
            self.server.let_go.wait(timeout=50)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def test_an_interrupted_install_goes_on(project: Project) -> None:
    """Ctrl-C in the middle of a download ends with 130 and one line; the same command then ends well."""
    with _Index(project.index) as index:
        serving = threading.Thread(target=index.serve_forever)
        serving.start()
        project.url = f"http://127.0.0.1:{index.server_address[1]}"
        with subprocess.Popen(
            project.command(), env=project.environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as making:
            assert index.asked.wait(timeout=50)
            os.killpg(making.pid, signal.SIGINT)
            _, said = making.communicate(timeout=50)
        assert making.returncode == 130
        assert said.strip() == "interrupted; the same command goes on from here"
        index.let_go.set()
        assert project.make().returncode == 0
        assert project.version("beta") == "1.0"
        index.shutdown()
        serving.join()
