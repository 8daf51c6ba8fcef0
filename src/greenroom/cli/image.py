"""`greenroom image build`: an image with an agent in it, made and tried before the first rollout needs it."""

from __future__ import annotations

import anyio
import click

from greenroom.cli.errors import BadInput, Failed
from greenroom.sandboxes import Exec, SandboxError, SandboxRequest
from greenroom.sandboxes.install_process import InstallError
from greenroom.specs import AgentSpec, Docker
from greenroom.specs.registry import agent_spec

_SECONDS = 300.0


def build(agent: str, image: str, dockerfile: str | None) -> None:
    """Build it, say what it is called, and run the agent's own check in it. Raises `BadInput`, `Failed`."""
    try:
        spec, docker = agent_spec(agent), Docker(image=image, dockerfile=dockerfile)
    except ValueError as error:
        raise BadInput(str(error)) from error
    if not (image or dockerfile):
        raise BadInput("say what the image is made of: --image NAME or --dockerfile PATH")
    try:
        name = anyio.run(_build, spec, docker)
    except SandboxError as error:
        raise Failed(f"{agent}: {error}\n{error.detail}".rstrip()) from error
    except InstallError as error:
        raise Failed(f"{agent} cannot be installed: {error}") from error
    click.echo(name)


async def _build(agent: AgentSpec, spec: Docker) -> str:
    from greenroom.sandboxes.docker import open_docker
    from greenroom.sandboxes.docker.images import Wish
    from greenroom.sandboxes.prefix import install

    prefix = ""
    if agent.recipe is not None:
        prefix = (await install(agent.recipe, check=agent.check, progress=_say)).path
    async with await open_docker(spec, run="image build", progress=_say) as backend:
        name = await backend.images.ready(Wish.of(spec, prefix))
        if agent.check:
            request = SandboxRequest(id="check", rollout_id="check", prefix=prefix, seconds=_SECONDS)
            sandbox = await backend.create(request)
            argv = tuple(part.replace("{prefix}", prefix) for part in agent.check)
            result = await sandbox.exec(Exec(argv=argv), timeout=_SECONDS)
            if result.exit_code:
                words = result.output.decode(errors="replace")
                raise SandboxError("check_failed", f"it does not run in {spec.image or spec.dockerfile}", words)
    return name


def _say(line: str) -> None:
    click.echo(line, err=True)
