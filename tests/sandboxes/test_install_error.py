from __future__ import annotations

import traceback

from greenroom.sandboxes.install_process import InstallError

LOG = "".join(f"line {number}\n" for number in range(40))


def test_the_text_has_the_message_the_end_of_the_log_and_its_path() -> None:
    """Whoever sees the error printed knows what failed, with which words, and where the rest of them are."""
    error = InstallError("install_failed", "npm ci ... exited with 1", log=LOG, log_path="/cache/pi.log")
    first, *middle, last = str(error).splitlines()
    assert first == "npm ci ... exited with 1"
    assert (middle[-1], last) == ("  | line 39", "log: /cache/pi.log")
    assert "line 3\n" not in str(error)
    assert "".join(traceback.format_exception(error)).count("line 39") == 1


def test_a_log_does_not_drive_the_terminal() -> None:
    """Packages word what is in a log, so control characters and those that turn text are shown, not obeyed."""
    error = InstallError("install_failed", "x\x1b[2J", log="\x1b]0;owned\x07\u202e\rgone\n", log_path="/c/\x1b.log")
    assert all(line.isprintable() for line in str(error).splitlines())
    assert "owned" in str(error)


def test_without_a_log_the_message_stands_alone() -> None:
    """What failed before an installer ran has nothing to add."""
    assert str(InstallError("install_storage", "no space")) == "no space"


def test_a_copy_says_the_same() -> None:
    """All who wait for an installation get the same error."""
    error = InstallError("install_failed", "no", log=LOG, log_path="/cache/pi.log")
    assert (error.copy().kind, str(error.copy())) == (error.kind, str(error))
