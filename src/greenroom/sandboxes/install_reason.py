"""Why an installer failed, read from its last words: one sentence with the remedy."""

from __future__ import annotations

import platform
import re

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.npm_lock import NpmLock
from greenroom.specs import NpmRecipe, PythonRecipe, Recipe

FINAL = frozenset({"install_refused", "install_gone"})
"""Kinds of errors that asking again does not mend."""
# Names are taken from what a registry may have worded, so they may hold no more than names hold.
_CHANGED_NPM = re.compile(r"EINTEGRITY[\s\S]*?wanted (sha\d+-[A-Za-z0-9+/=]+)|EINTEGRITY")
_CHANGED_PIP = re.compile(r"DO NOT MATCH THE HASHES[^\n]*\n\s*([A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+)?")
_UNREACHABLE = re.compile(
    r"\b(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|E[A-Z]*TIMEDOUT|E[A-Z]*TIMEOUT|ERR_SOCKET_TIMEOUT|ENETUNREACH"
    r"|EHOSTUNREACH|ENOTCACHED|E5\d\d)\b|connection broken by '(\w+)|(Max retries exceeded)"
)
_PACKAGE = r"[@A-Za-z0-9._/+-]+"
_REQUIREMENT = r"[A-Za-z0-9._-]+(?:\[[A-Za-z0-9._,-]*\])?==[A-Za-z0-9.!+_-]+"
_GONE = re.compile(
    rf"No matching version found for ({_PACKAGE}?)\.?\s"
    rf"|'({_PACKAGE}?)(?:@https?:[^']*)?' (?:is not in this registry|could not be found)"
    rf"|No matching distribution found for ({_REQUIREMENT})"
)
_GONE_SOMEHOW = re.compile(r"\b(E404|ETARGET)\b")
_OTHERWISE = "use another version of greenroom, or lock the agent again (for those that ship: `make lock-agents`)"


def explained(recipe: Recipe, error: InstallError) -> InstallError:
    """The same error, in a sentence if its log tells why: changed bytes, no way to the registry, a vanished version."""
    if error.kind != "install_failed":
        return error
    words = error.log.rpartition("\n$ ")[2]  # of the last program
    kind, message = _read(recipe, words)
    return InstallError(kind, message, log=error.log, log_path=error.log_path) if kind else error


def _read(recipe: Recipe, words: str) -> tuple[str, str]:
    what, registry = recipe.packages[0], "the registry" if isinstance(recipe, NpmRecipe) else "the package index"
    if changed := _changed(recipe, words):
        return "install_refused", (
            f"{changed} was refused and nothing was installed: its bytes are not those that the lock of {what} "
            f"names; find out why before you try again, because {registry}, a mirror or a proxy serves something else"
        )
    if unreachable := _UNREACHABLE.search(words):
        return "install_unreachable", (
            f"{what} cannot be downloaded: {registry} did not answer ({_first(unreachable)}); check the network, "
            f"and the registry and proxy that npm and pip are configured with"
        )
    if gone := _GONE.search(words) or _GONE_SOMEHOW.search(words):
        missing = "what it was asked for" if gone[0] in ("E404", "ETARGET") else _first(gone)
        if recipe.lock is None:
            return "install_gone", f"{registry} has no {missing}, which {what} needs; ask for a version that it has"
        python = recipe.python if isinstance(recipe, PythonRecipe) else None
        fitting = f" for Python {python or _ours()} on {platform.machine()}" if "==" in missing else ""
        lost = f"{registry} has no {missing}{fitting} any more, which the lock of {what} names"
        return "install_gone", f"{lost}; {_OTHERWISE}"
    return "", ""


def _changed(recipe: Recipe, words: str) -> str | None:
    """The package whose bytes are not what they should be."""
    if found := _CHANGED_NPM.search(words):
        known = (
            NpmLock(recipe).package(found[1]) if isinstance(recipe, NpmRecipe) and recipe.lock and found[1] else None
        )
        return known or "a package"
    found = _CHANGED_PIP.search(words)
    return None if found is None else found[1] or "a package"


def _first(found: re.Match[str]) -> str:
    return next((group for group in found.groups() if group), found[0])


def _ours() -> str:
    return ".".join(platform.python_version_tuple()[:2])
