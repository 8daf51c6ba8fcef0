"""Images, made ready once: whatever all sandboxes of a spec have in common is a layer of their image.

The user's image is fetched or built, and given what programs need to live in it: a home and a work directory of their
own, a name for their user, and the agent's installed prefix where the host has it. The result is tagged with a hash
of all that went into it, so that the same is never made twice, by whatever run.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio
import anyio.to_thread
from msgspec import Struct
from msgspec.structs import replace

from greenroom.sandboxes.base import SandboxError, SandboxRequest
from greenroom.sandboxes.docker.address import Address
from greenroom.sandboxes.docker.layer import Layer
from greenroom.sandboxes.docker.owner import Owner
from greenroom.specs import Docker

if TYPE_CHECKING:
    from docker import DockerClient

READY = "greenroom-ready"
BUILT = "greenroom-build"
_MAKING_SECONDS = 1800.0

T = TypeVar("T")


def _quiet(_line: str) -> None:
    """Nobody listens."""


class Wish(Struct, frozen=True, kw_only=True):
    """An image somebody wants."""

    image: str
    dockerfile: str | None
    layer: Layer

    @classmethod
    def of(cls, spec: Docker, prefix: str = "", directories: tuple[str, ...] = ()) -> Wish:
        """What sandboxes of a spec need, with an agent installed in ``prefix``."""
        return cls(image=spec.image, dockerfile=spec.dockerfile, layer=Layer.of(spec, prefix, directories))


class Images:
    """The images of one engine. Everything here happens in a thread, one thing at a time."""

    def __init__(
        self, address: Address, owner: Owner, *, pull: bool = True, progress: Callable[[str], None] | None = None
    ) -> None:
        self._address = address
        self._owner = owner
        self._may_pull = pull
        self._progress = progress or _quiet
        self._turn = anyio.CapacityLimiter(1)
        self._client: DockerClient | None = None
        self._ready: dict[Wish, asyncio.Task[str]] = {}

    async def ready(self, wish: Wish) -> str:
        """Name of the image, found, fetched or built, and made ready, if need be. Raises `SandboxError`."""
        if not (wish.image or wish.dockerfile):
            raise SandboxError("image_missing", "neither the sandbox nor the task says what image to use")
        if wish not in self._ready:
            making = self._ready[wish] = asyncio.create_task(self._cold(partial(self._make, wish)))
            making.add_done_callback(partial(self._forget_failed, wish))
        return await asyncio.shield(self._ready[wish])

    def _forget_failed(self, wish: Wish, making: asyncio.Task[str]) -> None:
        """What failed, for whatever reason, is tried again when it is next wanted."""
        if (making.cancelled() or making.exception() is not None) and self._ready.get(wish) is making:
            del self._ready[wish]

    def forget(self, name: str) -> None:
        """An image was lost: make it anew when it is next wanted."""
        lost = [wish for wish, making in self._ready.items() if _name(making) == name]
        for wish in lost:
            del self._ready[wish]

    async def close(self) -> None:
        """Wait for what is being made, and let go. Idempotent."""
        if self._ready:
            await asyncio.wait(self._ready.values())
        for making in self._ready.values():
            if not making.cancelled():
                making.exception()  # whoever asked for it has heard
        self._ready.clear()
        client, self._client = self._client, None
        if client is not None:
            await anyio.to_thread.run_sync(client.close)

    async def _cold(self, work: Callable[[DockerClient], T]) -> T:
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            with anyio.fail_after(_MAKING_SECONDS):
                return await anyio.to_thread.run_sync(partial(self._with_client, work), limiter=self._turn)
        except TimeoutError:
            raise SandboxError("image_failed", "the image was not ready in time") from None
        except SandboxError:
            raise
        except (DockerException, RequestException, OSError) as error:
            raise SandboxError("image_failed", f"the image cannot be made ready: {error}") from error
        except Exception as error:
            # Whatever else the library raises, such as urllib3's own errors when a fetch is cut short.
            text = f"the image cannot be made ready: {type(error).__name__}: {error}"
            raise SandboxError("image_failed", text) from error

    def _with_client(self, work: Callable[[DockerClient], T]) -> T:
        from greenroom.sandboxes.docker.cold import cold_client

        if self._client is None:
            self._client = cold_client(self._address)
        return work(self._client)

    # In the thread.

    def _make(self, wish: Wish, client: DockerClient) -> str:
        base = self._base(wish, client)
        tag = hashlib.sha256(f"{base}\0{wish.layer.recipe}".encode()).hexdigest()[:24]
        name = f"{READY}:{tag}"
        if image_id(client, name) is None:
            self._progress(f"making an image of {wish.image or wish.dockerfile} ready")
            request = SandboxRequest(id=f"image-{tag}", rollout_id="", seconds=_MAKING_SECONDS)
            owner = replace(self._owner, id=f"image-{self._owner.id}")
            wish.layer.commit(client, base, READY, tag, owner.labels(request))
        return name

    def _base(self, wish: Wish, client: DockerClient) -> str:
        """Id of the user's image."""
        if wish.dockerfile is not None:
            from greenroom.sandboxes.docker.build import build

            return build(client, wish.dockerfile, BUILT, self._progress)
        found = image_id(client, wish.image)
        if found is None and self._may_pull:
            found = self._pull(wish.image, client)
        if found is None:
            raise SandboxError("image_missing", f"there is no image {wish.image!r}")
        return found

    def _pull(self, name: str, client: DockerClient) -> str | None:
        from docker.errors import APIError

        self._progress(f"fetching {name}")
        try:
            for line in cast("Any", client.api).pull(*_split(name), stream=True, decode=True):
                self._progress(_words(name, line))
        except APIError as error:
            raise SandboxError(
                "image_missing", f"there is no image {name!r}, nor can it be fetched: {error}"
            ) from error
        return image_id(client, name)


def _name(making: asyncio.Task[str]) -> str:
    """What was made; empty if nothing was, or not yet."""
    made = making.done() and not making.cancelled() and making.exception() is None
    return making.result() if made else ""


def image_id(client: DockerClient, name: str) -> str | None:
    """Id of an image that is there; ``None`` without one. Raises `DockerException`."""
    from docker.errors import ImageNotFound

    try:
        return str(client.images.get(name).id)
    except ImageNotFound:
        return None


def _split(name: str) -> tuple[str, str]:
    """Repository and tag; an engine fetches all tags of a repository without one."""
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag or "@" in name:
        return name, "" if "@" in name else "latest"
    return repository, tag


def _words(name: str, line: dict[str, Any]) -> str:
    layer = f" {line['id']}" if line.get("id") else ""
    return f"fetching {name}{layer}: {line.get('status', '')} {line.get('progress', '')}".rstrip()
