"""A recipe's lock, as it is read when something is installed."""

from __future__ import annotations

from pathlib import Path

from greenroom.sandboxes.install_process import InstallError
from greenroom.specs import Recipe


def read_lock(recipe: Recipe) -> str:
    """The text of the lock; empty for a recipe without one. Raises `InstallError`."""
    if recipe.lock is None:
        return ""
    try:
        return Path(recipe.lock).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise lock_error(recipe, f"cannot be read: {error}") from error


def lock_error(recipe: Recipe, problem: str) -> InstallError:
    """The error for a lock that does not fit its recipe."""
    remedy = "lock the recipe again, or take its lock away to install whatever the registry has"
    return InstallError("install_lock", f"the lock of {recipe.packages[0]}, {recipe.lock}, {problem}; {remedy}")
