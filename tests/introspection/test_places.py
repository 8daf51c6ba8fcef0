from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from greenroom.introspection import places

pytestmark = pytest.mark.real_time


def leave(path: Path) -> None:
    """Do what an engine that was killed does: leave a socket nobody listens on."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def test_a_dead_engines_socket_is_removed(runtime: Path) -> None:
    """Listing the sockets gives those that live and removes those that do not."""
    listener, living = places.listen("a", 1)
    with listener:
        leave(runtime / "2-dead.sock")
        assert places.sockets() == [living]
        assert list(runtime.iterdir()) == [living]


def test_a_new_engine_removes_what_dead_ones_left(runtime: Path) -> None:
    """An engine that starts clears the directory first."""
    runtime.mkdir()
    leave(runtime / "2-dead.sock")
    listener, living = places.listen("a", 1)
    with listener:
        assert list(runtime.iterdir()) == [living]


def test_an_engine_too_busy_to_answer_is_not_dead(runtime: Path) -> None:
    """A socket whose backlog is full is left alone."""
    listener, path = places.listen("a", 1)
    clients: list[socket.socket] = []
    with listener:
        try:
            for _ in range(1000):
                client = socket.socket(socket.AF_UNIX)
                clients.append(client)
                client.settimeout(0)
                client.connect(str(path))
        except BlockingIOError:
            pass
        assert len(clients) < 1000
        assert places.sockets() == [path]
    for client in clients:
        client.close()


def test_files_that_are_no_sockets_are_left_alone(runtime: Path) -> None:
    """Only sockets are looked at, and only sockets are removed."""
    runtime.mkdir()
    (runtime / "notes.sock").write_text("mine")
    assert places.sockets() == []
    assert (runtime / "notes.sock").exists()


def test_a_directory_others_can_enter_is_closed_to_them(runtime: Path) -> None:
    """A directory with a looser mode is made the user's own."""
    runtime.mkdir(mode=0o755)
    places.listen("a", 1)[0].close()
    assert runtime.stat().st_mode & 0o777 == 0o700


def test_a_link_laid_in_place_of_the_directory_is_not_followed(runtime: Path, tmp_path: Path) -> None:
    """A symbolic link where the directory should be is refused, and the next directory is taken."""
    runtime.symlink_to(tmp_path)
    listener, path = places.listen("a", 1)
    listener.close()
    assert path.parent == runtime.parent / "state" / "greenroom"
    assert list(tmp_path.iterdir()) == []


def test_a_path_too_long_for_a_socket_is_passed_over(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a socket's path would be too long, the next directory is taken."""
    long = runtime.parent / ("d" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    listener, path = places.listen("a", 1)
    listener.close()
    assert path.parent == runtime.parent / "state" / "greenroom"


def test_no_place_at_all_names_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says of each directory why it cannot be used."""
    monkeypatch.setattr(places, "directories", lambda: [Path("/proc/a"), Path("/proc/b")])
    with pytest.raises(OSError, match=r"/proc/a: .*; /proc/b: "):
        places.listen("a", 1)


@pytest.mark.parametrize(
    ("name", "file"), [("../../x y\n", "7-x-y.sock"), ("", "7-engine.sock"), ("é" * 90, "7-engine.sock")]
)
def test_any_name_makes_a_file_name(runtime: Path, name: str, file: str) -> None:
    """An engine's name cannot lead out of the directory."""
    listener, path = places.listen(name, 7)
    listener.close()
    assert path == runtime / file


def test_without_a_session_the_home_directory_serves(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a runtime directory the sockets are in the state directory of the user's home."""
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(runtime.parent))
    assert places.directories()[0] == runtime.parent / ".local" / "state" / "greenroom"
    assert places.directories()[1].name == f"greenroom-{os.geteuid()}"
