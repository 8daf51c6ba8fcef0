"""The asynchronous client of a Docker engine: aiodocker, for everything on the way of a rollout.

It is kept by others, follows the engine's versions, and costs next to nothing more than bare HTTP: 2.6 ms of CPU for
a program run, where aiohttp alone takes 2.2 and docker-py, in threads, 8. Two of its settings matter: without
``limit=0`` the hundredth held stream blocks every call after it, and with a connector of one's own its address has to
be ``unix://localhost``. What it lacks is added here: streams whose input can end before their output, answers that are
read piece by piece, and errors of one kind.
"""

# aiodocker is annotated in part; nothing of that leaves this module.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import aiohttp
import msgspec
from aiodocker import Docker as Client
from aiodocker import DockerError
from aiodocker.stream import Stream
from yarl import URL

from greenroom.sandboxes.base import Exec, SandboxError
from greenroom.sandboxes.docker.address import Address

REQUEST_SECONDS = 120.0
"""How long any one request may take; an engine under load takes its time."""
NOT_FOUND = 404
CONFLICT = 409
_FAILED = 500
_FULL = "no space left on device"
_UNREACHABLE = 900  # aiodocker's own
_LINE_LIMIT = 4 * 1024 * 1024  # bytes: an event is a line, and repeats every label of the image


class Hijacked(Stream):
    """A connection that was taken over: a program's input and output, or the keeper's input."""

    _wire: asyncio.Transport | None = None

    async def open(self) -> None:
        """Take the connection over. Raises `DockerError`."""
        await self._init()
        self._wire = self._transport()

    def send(self, data: bytes) -> None:
        """Write without waiting; for a few bytes. Nothing happens once the connection is lost."""
        transport = self._transport()
        if transport is not None:
            transport.write(data)

    def eof(self) -> None:
        """End the input; the output goes on."""
        transport = self._transport()
        if transport is not None and transport.can_write_eof():
            transport.write_eof()

    async def hung_up(self) -> None:
        """Return when the other side has, or the connection is lost; what is said before is dropped."""
        with suppress(aiohttp.ClientError, OSError):
            while await self.read_out() is not None:
                pass

    async def close(self) -> None:
        """Hang up. Idempotent, whatever has become of the connection."""
        self._closed = True
        self.eof()
        if self._resp is not None:
            self._resp.close()
        if self._wire is not None:
            self._wire.abort()  # what has not been taken by now is not wanted

    def _transport(self) -> asyncio.Transport | None:
        connection = self._resp.connection if self._resp is not None else None
        transport = connection.transport if connection is not None else None
        usable = transport is not None and not transport.is_closing()
        return cast("asyncio.Transport", transport) if usable else None


class Engine:
    """One Docker engine, over any number of connections."""

    def __init__(self, address: Address) -> None:
        self.address = address
        if address.socket:
            self._connector: aiohttp.BaseConnector = aiohttp.UnixConnector(address.socket, limit=0)
            url = "unix://localhost"
        else:
            self._connector = aiohttp.TCPConnector(ssl=address.tls() or True, limit=0)
            url = address.url
        session = aiohttp.ClientSession(connector=self._connector)
        self.client = Client(url=url, connector=self._connector, session=session)

    async def create(self, config: Mapping[str, Any], name: str) -> str:
        """Make a container; its id. Raises `DockerError`."""
        return (await self.client.containers.create(config, name=name)).id

    async def start(self, container: str) -> None:
        """Start a container. Raises `DockerError`."""
        await self.client.containers.container(container).start()

    async def inspect(self, container: str) -> dict[str, Any]:
        """The state of a container: ``Running``, ``ExitCode``, ``Pid`` and more. Raises `DockerError`."""
        found = await self.client.containers.container(container).show()
        return cast("dict[str, Any]", found["State"])

    async def exec(self, container: str, program: Exec, *, user: str, cwd: str) -> str:
        """Prepare a program; its exec id. Raises `DockerError`."""
        made = await self.client.containers.container(container).exec(
            program.argv, stdin=bool(program.stdin), user=user, environment=program.env, workdir=cwd
        )
        return made.id

    async def inspect_exec(self, exec_id: str) -> dict[str, Any]:
        """The state of a program: ``Running``, ``ExitCode``. Raises `DockerError`."""
        return await self.client.containers.exec(exec_id).inspect()

    async def put(self, container: str, archive: bytes) -> None:
        """Unpack an archive at ``/``. Raises `DockerError`."""
        await self.client.containers.container(container).put_archive("/", archive)  # type: ignore[no-untyped-call]

    async def limit_pids(self, container: str, limit: int) -> None:
        """Change how many processes a container may have. Raises `DockerError`."""
        path, body = f"containers/{container}/update", msgspec.json.encode({"PidsLimit": limit})
        async with self.client._query(path, "POST", data=body) as response:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            response.release()

    async def hijack(self, route: str, body: Mapping[str, Any] | None = None, **params: str) -> Hijacked:
        """Take over a connection. Raises `DockerError`."""
        data = None if body is None else msgspec.json.encode(body)

        async def setup() -> tuple[URL, bytes | None, bool]:
            return URL(route).with_query(params), data, False

        stream = Hijacked(self.client, setup)
        try:
            await stream.open()
        except BaseException:
            await stream.close()
            raise
        return stream

    @asynccontextmanager
    async def stream(self, route: str, **params: str) -> AsyncGenerator[aiohttp.ClientResponse]:
        """An answer to be read piece by piece, for as long as it takes. Raises `DockerError`."""
        if self.client.api_version == "auto":
            await self.version()
        url = URL(f"{self.client.docker_host}/{self.client.api_version}/{route}").with_query(params)
        endless = aiohttp.ClientTimeout(total=None)
        try:
            async with self.client.session.get(url, timeout=endless, read_bufsize=_LINE_LIMIT) as response:
                if response.status >= 400:  # noqa: PLR2004 - HTTP's errors
                    raise DockerError(response.status, (await response.content.read(4096)).decode(errors="replace"))
                try:
                    yield response
                finally:
                    response.close()  # what has not been read is not wanted
        except aiohttp.ClientConnectionError as error:
            raise DockerError(_UNREACHABLE, str(error)) from error

    async def version(self) -> dict[str, Any]:
        """What the engine says of itself. Raises `DockerError`."""
        return await self.client.version()

    async def containers(self, *labels: str) -> list[dict[str, Any]]:
        """All containers with these labels, stopped ones too. Raises `DockerError`."""
        filters = msgspec.json.encode({"label": labels}).decode()
        found = await self.client.containers.list(all=1, filters=filters)
        return [container._container for container in found]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    async def remove(self, id: str) -> None:
        """Kill and remove a container, with its volumes. Gone, or going, is as good. Raises `DockerError`."""
        try:
            await self.client.containers.container(id).delete(force=True, v=True)
        except DockerError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        with suppress(aiohttp.ClientError, OSError):
            await self.client.session.close()
        await self._connector.close()


@asynccontextmanager
async def typed(what: str, kind: str, seconds: float = REQUEST_SECONDS) -> AsyncGenerator[None]:
    """Bound the block, and let nothing out of it but `SandboxError`.

    Args:
        what: What is being done, in words.
        kind: Kind of the error if the engine refuses.
        seconds: How long it may take.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except DockerError as error:
        raise refusal(error, what, kind) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise SandboxError("daemon_lost", f"{what}: the Docker engine does not answer", str(error)) from error
    except TimeoutError:
        raise SandboxError("daemon_slow", f"{what}: the Docker engine did not answer within {seconds:.0f} s") from None


def refusal(error: DockerError, what: str, kind: str) -> SandboxError:
    """What an engine's refusal means."""
    if error.status == _UNREACHABLE:
        return SandboxError("daemon_lost", f"{what}: the Docker engine does not answer", error.message)
    if _FULL in error.message:
        return SandboxError("host_exhausted", f"{what}: {error.message}", "the disk of the Docker engine is full")
    return SandboxError(kind, f"{what}: {error.message}", f"the Docker engine answered {error.status}")
