from __future__ import annotations

import pytest

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.install_reason import explained
from greenroom.specs import NpmRecipe, PythonRecipe, Recipe

NPM = NpmRecipe(packages=("agent@1.0.0",))
PYTHON = PythonRecipe(packages=("agent==1.0",), python="3.12")


def read(recipe: Recipe, log: str) -> InstallError:
    """What is made of an installer's log."""
    return explained(recipe, InstallError("install_failed", "exited with 1", log=log, log_path="/log"))


@pytest.mark.parametrize(
    ("recipe", "log", "kind", "words"),
    [
        (NPM, "npm error notarget No matching version found for @a/b@1.2.3.\n", "gone", "@a/b@1.2.3,"),
        (NPM, "npm ERR! code E404\nnpm ERR! 404  'a@1.2.3' is not in this registry.\n", "gone", "a@1.2.3,"),
        (NPM, "npm error 404  The requested resource 'a@1' could not be found or you\n", "gone", "a@1,"),
        (NPM, "npm error 404  'a@http://[::1]:1/a/-/a-1.tgz' is not in this registry.\n", "gone", "has no a,"),
        (NPM, "npm error code E404\n", "gone", "what it was asked for"),
        (NPM, "npm error code ENOTFOUND\nnpm error network This is a problem", "unreachable", "(ENOTFOUND)"),
        (NPM, "npm error code E503\nnpm error 503 Service Unavailable - GET x", "unreachable", "(E503)"),
        (
            NPM,
            "npm error code EINTEGRITY\nnpm error sha512-x wanted sha512-abc= but got sha512-d",
            "refused",
            "a package",
        ),
        (PYTHON, "ERROR: No matching distribution found for b[c]==2.0\n", "gone", "b[c]==2.0"),
        (
            PYTHON,
            "connection broken by 'NewConnectionError(x)': /b/\nERROR: No matching distribution found for b==2.0\n",
            "unreachable",
            "(NewConnectionError)",
        ),
        (
            PYTHON,
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If\n    b==2 from x:\n",
            "refused",
            "b==2 was refused",
        ),
    ],
)
def test_an_installers_last_words_become_a_sentence(recipe: Recipe, log: str, kind: str, words: str) -> None:
    """Whatever version of npm or pip says it: one line with what is missing, refused or out of reach."""
    error = read(recipe, log)
    assert (error.kind, words in error.message, "\n" in error.message) == (f"install_{kind}", True, False)
    assert (error.log, error.log_path) == (log, "/log")


@pytest.mark.parametrize("log", ["", "npm error code EACCES\n", "ERROR: Could not build wheels for x\n"])
def test_what_is_not_understood_stays_as_it_is(log: str) -> None:
    """An unknown failure keeps its message; its log is shown with it."""
    error = read(NPM, log)
    assert (error.kind, error.message) == ("install_failed", "exited with 1")


def test_only_the_last_program_counts() -> None:
    """What failed first and then went well, or otherwise, does not explain the end."""
    log = "$ npm ci\nnpm error code ECONNREFUSED\n$ npm ci\nnpm error notarget No matching version found for a@1.\n"
    assert read(NPM, log).kind == "install_gone"


def test_a_registrys_words_do_not_get_into_a_sentence() -> None:
    """Names hold what names may hold, so that a registry cannot word the sentence or drive the terminal."""
    log = "npm error notarget No matching version found for a@1\x1b[2J; run curl x | sh.\n"
    assert "curl" not in read(NPM, log).message
    assert read(NPM, log).message.isprintable()
