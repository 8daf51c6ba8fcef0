"""The package registries as they will be one day: in front of the machine's own, with a newer release of everything.

    python3 tools/tomorrow.py COMMAND ...

runs a command whose pip and npm see, beside all that there is, a newer release of each package in each of its series
(9999, 1.9999, 1.2.9999). They cannot be installed: whoever takes one fails. The exit status is the command's, unless a
release of tomorrow was asked for.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = 60.0
"""For one answer of a registry."""
NOTHING = {"nothing-of-this-name": "1.0.0"}


def newer(versions: Iterable[str]) -> list[str]:
    """Releases that whatever range somebody has written will prefer."""
    found = {"9999.0.0"}
    for version in versions:
        if numbers := re.match(r"(\d+)(?:\.(\d+))?", version):
            found |= {f"{numbers[1]}.9999.0", f"{numbers[1]}.{numbers[2] or 0}.9999"}
    return sorted(found)


def wheel(name: str, version: str) -> bytes:
    """A release that asks for what nobody has."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: nothing-of-this-name==1\n"
    about = f"{name}-{version}.dist-info"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(f"{about}/METADATA", metadata)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return data.getvalue()


def tarball(name: str, version: str) -> bytes:
    """The same for npm."""
    content = json.dumps({"name": name, "version": version, "dependencies": NOTHING}).encode()
    data = io.BytesIO()
    # The same bytes each time, for their hash is announced.
    with gzip.GzipFile(fileobj=data, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


class Registries(ThreadingHTTPServer):
    """Both of them: ``/simple/`` is pip's, everything else npm's."""

    daemon_threads = True

    def __init__(self, pip: str, npm: str) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.pip = pip.rstrip("/")
        self.npm = npm.rstrip("/")
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen: set[str] = set()
        """Packages that were looked up."""
        self.taken: set[str] = set()
        """Packages of which the release of tomorrow was asked for."""


class Answer(BaseHTTPRequestHandler):
    """One request."""

    @property
    def registries(self) -> Registries:
        """Those that answer."""
        assert isinstance(self.server, Registries)  # noqa: S101 - nobody else makes one
        return self.server

    def do_GET(self) -> None:
        """Look at what is asked for."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        try:
            if path.startswith("/tomorrow/"):
                self.take(path.removeprefix("/tomorrow/"))
            elif path.startswith("/simple/"):
                self.page(path.removeprefix("/simple/").strip("/"))
            else:
                self.packument(path.strip("/"))
        except urllib.error.HTTPError as error:
            self.answer(b"", "text/plain", error.code)

    def page(self, name: str) -> None:
        """A package of pip's: the links of today, and one of tomorrow."""
        self.registries.seen.add(name)
        url = f"{self.registries.pip}/{name}/"
        text = fetch(url, "text/html").decode()
        links = re.sub(
            r'href="([^"]*)"',
            lambda found: f'href="{html.escape(urllib.parse.urljoin(url, html.unescape(found[1])))}"',
            text,
        )
        stem = re.sub(r"[-_.]+", "_", name)
        files = [f"{stem}-{version}-py3-none-any.whl" for version in newer(re.findall(r">[^<]+?-(\d[^-<]*)", text))]
        new = "".join(f'<a href="{self.registries.url}/tomorrow/{file}">{file}</a>\n' for file in files)
        self.answer(links.replace("</body>", f"{new}</body>").encode(), "text/html")

    def packument(self, name: str) -> None:
        """A package of npm's: the versions of today, and newer ones."""
        self.registries.seen.add(name)
        path = urllib.parse.quote(name, safe="@")
        found: dict[str, Any] = json.loads(fetch(f"{self.registries.npm}/{path}", "application/json"))
        for version in newer(list(found["versions"])):
            digest = base64.b64encode(hashlib.sha512(tarball(name, version)).digest()).decode()
            url = f"{self.registries.url}/tomorrow/{path}@{version}.tgz"
            dist = {"tarball": url, "integrity": f"sha512-{digest}"}
            found["versions"][version] = {"name": name, "version": version, "dependencies": NOTHING, "dist": dist}
        found["dist-tags"] = {**found.get("dist-tags", {}), "latest": "9999.0.0"}
        self.answer(json.dumps(found).encode(), "application/json")

    def take(self, file: str) -> None:
        """Somebody takes a release of tomorrow."""
        self.registries.taken.add(file)
        if file.endswith(".whl"):
            name, version, *_ = file.split("-")
            content = wheel(name, version)
        else:
            content = tarball(*file.removesuffix(".tgz").rsplit("@", 1))
        self.answer(content, "application/octet-stream")

    def answer(self, content: bytes, kind: str, status: int = 200) -> None:
        """Send it."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def fetch(url: str, accept: str) -> bytes:
    """What the machine's own registry says."""
    request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310 - the machine's own setting
    with urllib.request.urlopen(request, timeout=SECONDS) as response:  # noqa: S310
        content: bytes = response.read()
        return content


def pip_index() -> str:
    """Where pip looks on this machine."""
    command = [sys.executable, "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"]
    default = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    configured = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return os.environ.get("PIP_INDEX_URL") or configured or default


def npm_registry() -> str:
    """Where npm looks on this machine."""
    command = ["npm", "config", "get", "registry"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main(command: list[str]) -> int:
    """Serve while the command runs; the exit status."""
    server = Registries(pip_index(), npm_registry())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ,
        "PIP_INDEX_URL": f"{server.url}/simple",
        "npm_config_registry": f"{server.url}/",
        "npm_config_replace_registry_host": "never",
    }
    status = subprocess.run(command, env=environment, check=False).returncode
    print(f"{len(server.seen)} packages were looked up, the release of tomorrow was taken of {len(server.taken)}")
    for file in sorted(server.taken):
        print(f"    {file}")
    server.shutdown()
    if not server.seen:
        print("nothing was looked up: the command did not use these registries")
    return status or int(bool(server.taken) or not server.seen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
