"""Files into a container and out of it: through the engine, or through a program where the engine cannot see."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from aiodocker import DockerError

from greenroom.sandboxes.base import Exec, ExecResult, SandboxError
from greenroom.sandboxes.docker import configuration
from greenroom.sandboxes.docker.client import NOT_FOUND, Engine
from greenroom.sandboxes.docker.files import pack, unpack
from greenroom.specs import Docker

_SECONDS = 20.0
_ARCHIVE_OVERHEAD = 64 * 1024
_UNPACK = ("tar", "-x", "-o", "-f", "-", "-C", "/")
_PRINT = ("/bin/sh", "-c", '[ -f "$1" ] && [ ! -L "$1" ] || exit 66; exec head -c "$2" "$1"', "sh")
_NO_FILE = 66


class Holder(Protocol):
    """What moving files needs of its sandbox."""

    container: str

    async def exec(self, program: Exec, *, timeout: float, limit: int = ...) -> ExecResult:
        """Run to the end."""
        ...

    def typed(self, what: str, kind: str) -> AbstractAsyncContextManager[None]:
        """Let nothing out of the block but `SandboxError`."""
        ...


class Transfer:
    """Moves the files of one sandbox."""

    def __init__(self, holder: Holder, engine: Engine, spec: Docker) -> None:
        self._holder = holder
        self._engine = engine
        self._spec = spec
        self._in_memory = configuration.memory_paths(spec)

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, by their paths as seen from inside. Raises `SandboxError`."""
        content = {self._path(path): data for path, data in files.items()}
        seen = {path: data for path, data in content.items() if not self._hidden(path)}
        if seen:
            async with self._holder.typed("files cannot be written", "write_failed"):
                await self._engine.put(self._holder.container, self._pack(seen))
        if hidden := {path: data for path, data in content.items() if path not in seen}:
            program = Exec(argv=_UNPACK, cwd="/", stdin=self._pack(hidden))
            result = await self._holder.exec(program, timeout=_SECONDS)
            if result.exit_code:
                raise SandboxError("write_failed", "files cannot be written", result.output.decode(errors="replace"))

    async def read(self, path: str, limit: int) -> bytes:
        """The first bytes of a regular file. Raises `FileNotFoundError`, `SandboxError`."""
        full = self._path(path)
        found = await (self._print(full, limit) if self._hidden(full) else self._fetch(full, limit))
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "not found, or not a regular file", path)
        return found

    async def _fetch(self, path: str, limit: int) -> bytes | None:
        start = bytearray()
        async with self._holder.typed("a file cannot be read", "read_failed"):
            try:
                async with self._engine.stream(f"containers/{self._holder.container}/archive", path=path) as response:
                    async for chunk in response.content.iter_any():
                        start += chunk
                        if len(start) > limit + _ARCHIVE_OVERHEAD:
                            break
            except DockerError as error:
                if error.status == NOT_FOUND and "No such container" not in error.message:
                    return None
                raise
        return unpack(bytes(start), limit)

    async def _print(self, path: str, limit: int) -> bytes | None:
        program = Exec(argv=(*_PRINT, path, str(limit)), cwd="/")
        result = await self._holder.exec(program, timeout=_SECONDS, limit=limit)
        if result.exit_code == _NO_FILE:
            return None
        if result.exit_code:
            raise SandboxError("read_failed", "a file cannot be read", result.output[-200:].decode(errors="replace"))
        return result.output

    def _pack(self, content: Mapping[str, bytes]) -> bytes:
        spec = self._spec
        return pack(content, owner=configuration.owner(spec), below=(spec.home, spec.workdir))

    def _hidden(self, path: str) -> bool:
        """Whether the engine cannot see this path, or may not write to it, so that a program has to."""
        return self._spec.read_only or any(path.startswith(f"{root}/") for root in self._in_memory)

    def _path(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self._spec.workdir, path))
