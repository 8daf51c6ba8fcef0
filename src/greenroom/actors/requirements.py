"""What an agent's spec requires: whether its programs are in the sandbox, asked once for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from greenroom.sandboxes.base import Exec, Sandbox

_SECONDS = 30.0
_SEARCH = """
set -f; IFS=:
for name; do
    for place in $PATH; do
        [ -f "${place:-.}/$name" ] && [ -x "${place:-.}/$name" ] && continue 2
    done
    printf '%s\\n' "$name"
done
"""
"""As the kernel is asked to run a program, and not as a shell does: its built-in commands are no programs."""


async def missing(sandbox: Sandbox, names: Sequence[str], env: dict[str, str], user: str | None) -> list[str]:
    """Those of the programs that are not there, in order.

    Where the sandbox cannot tell, for want of a shell or of time, nothing is missing: the agent's start will tell.

    Args:
        sandbox: Where they have to be.
        names: Of the programs; without any, the sandbox is not asked.
        env: Of whoever will run them: its ``PATH`` counts, if it has one of its own.
        user: The sandbox's user who will run them; ``None``: its usual one.

    Raises:
        SandboxError: The sandbox is lost.
    """
    if not names:
        return []
    path = {"PATH": env["PATH"]} if "PATH" in env else {}
    search = Exec(argv=("/bin/sh", "-c", _SEARCH, "sh", *names), env=path, cwd=sandbox.workdir, user=user)
    result = await sandbox.exec(search, timeout=_SECONDS)
    if result.exit_code != 0:
        return []
    # What a sandbox says is hostile input: only names that were asked for are believed.
    said = set(result.output.decode("utf-8", "replace").splitlines())
    return [name for name in names if name in said]
