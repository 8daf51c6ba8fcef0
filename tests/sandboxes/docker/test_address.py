"""Where the engine is looked for."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from greenroom.sandboxes import SandboxError
from greenroom.sandboxes.docker.address import find_engine


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has never used Docker."""
    for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_usual_socket() -> None:
    """Without a word, it is the system's socket."""
    assert find_engine().socket == "/var/run/docker.sock"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("tcp://10.0.0.1:2375", "http://10.0.0.1:2375"),
    ],
)
def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    """``DOCKER_HOST`` is obeyed."""
    monkeypatch.setenv("DOCKER_HOST", host)
    assert find_engine().url == url


def test_a_context_names_it(home: Path) -> None:
    """The context that is current in Docker's own configuration is obeyed."""
    (home / "config.json").write_text(json.dumps({"currentContext": "mine"}))
    meta = home / "contexts" / "meta" / sha256(b"mine").hexdigest()
    meta.mkdir(parents=True)
    endpoint = {"docker": {"Host": "unix:///run/mine.sock", "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(json.dumps({"Name": "mine", "Metadata": {}, "Endpoints": endpoint}))
    assert find_engine().url == "unix:///run/mine.sock"


def test_tls(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``DOCKER_TLS_VERIFY``, certificates are where docker-py looks for them."""
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (home / name).write_text("")
    monkeypatch.setenv("DOCKER_HOST", "tcp://engine:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(home))
    found = find_engine()
    assert (found.url, found.cert, found.verify) == ("https://engine:2376", str(home / "cert.pem"), True)


@pytest.mark.parametrize("host", ["ssh://somewhere", "npipe:////./pipe/docker_engine"])
def test_what_is_not_served(host: str) -> None:
    """Addresses of other kinds are refused with a remedy."""
    with pytest.raises(SandboxError, match="forward it to a socket"):
        find_engine(host)
