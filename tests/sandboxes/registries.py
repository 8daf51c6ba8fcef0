"""Registries of packages on loopback, which offer what a test puts there: npm's and Python's protocols."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def npm_integrity(content: bytes) -> str:
    """What npm's locks say of an archive."""
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def npm_archive(name: str, version: str, **manifest: object) -> bytes:
    """A package with one file that says what it is."""
    texts = {"package.json": json.dumps({"name": name, "version": version, **manifest}), "index.js": f"// {version}\n"}
    return _tar({f"package/{path}": text for path, text in texts.items()})


def wheel(name: str, version: str, *, requires: tuple[str, ...] = (), **modules: str) -> tuple[str, bytes]:
    """File name and content of a wheel with a module that says which version it is, and others."""
    buffer, info = io.BytesIO(), f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in {
            f"{name}.py": f"VERSION = {version!r}\n",
            **{f"{module}.py": text for module, text in modules.items()},
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
        }.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{name}-{version}-py3-none-any.whl", buffer.getvalue()


def source(name: str, version: str, *, backend: str) -> tuple[str, bytes]:
    """File name and content of a source distribution that ``backend`` builds."""
    build = f'[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{backend}"\n'
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    root = f"{name}-{version}"
    return f"{root}.tar.gz", _tar({f"{root}/pyproject.toml": build, f"{root}/PKG-INFO": about})


def pin(name: str, version: str, content: bytes) -> str:
    """What Python's locks say of a file."""
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"


def _tar(texts: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, text in texts.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


class Registry:
    """What is offered. Changes take effect at once."""

    def __init__(self) -> None:
        self.url = ""
        self.close: Callable[[], None] = lambda: None
        """Ends the service before its time."""
        self.asked: list[str] = []
        """Paths, in the order of requests."""
        self.npm: dict[str, dict[str, tuple[dict[str, object], bytes]]] = {}
        """By name and version: the manifest and the archive."""
        self.wheels: dict[str, dict[str, bytes]] = {}
        """By project and file name."""
        self.served: dict[str, bytes] = {}
        """Instead of an archive, by file name: what somebody has put in its place."""

    def publish(self, name: str, version: str, **manifest: object) -> str:
        """Offer an npm package; gives its integrity."""
        content = npm_archive(name, version, **manifest)
        self.npm.setdefault(name, {})[version] = ({"name": name, "version": version, **manifest}, content)
        return npm_integrity(content)

    def upload(self, name: str, file: tuple[str, bytes]) -> bytes:
        """Offer a Python distribution; gives its content."""
        self.wheels.setdefault(name, {})[file[0]] = file[1]
        return file[1]

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Type and content of what is at a path."""
        self.asked.append(path)
        parts = path.strip("/").split("/")
        match parts:
            case ["simple", name]:
                files = self.wheels.get(name, {})
                links = "".join(f'<a href="/files/{name}/{file}">{file}</a>' for file in files)
                return ("text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode()) if files else None
            case ["files", name, file]:
                return "application/octet-stream", self.served.get(file, self.wheels[name][file])
            case [name, "-", file] if name in self.npm:
                version = file.removeprefix(f"{name}-").removesuffix(".tgz")
                if version not in self.npm[name]:
                    return None
                return "application/octet-stream", self.served.get(file, self.npm[name][version][1])
            case [name] if name in self.npm:
                return "application/json", json.dumps(self._packument(name)).encode()
            case _:
                return None

    def _packument(self, name: str) -> dict[str, Any]:
        versions = {
            version: manifest
            | {"dist": {"tarball": f"{self.url}/{name}/-/{name}-{version}.tgz", "integrity": npm_integrity(content)}}
            for version, (manifest, content) in self.npm[name].items()
        }
        return {"name": name, "dist-tags": {"latest": list(versions)[-1]}, "versions": versions}


@contextmanager
def serving(registry: Registry) -> Generator[None]:
    """Serve on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = registry.answer(self.path)
            self.send_response(200 if found else 404)
            kind, content = found or ("text/plain", b"")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False
        registry.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
