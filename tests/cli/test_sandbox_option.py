from __future__ import annotations

import pytest

from greenroom.cli.sandbox_option import KINDS, parse_sandbox
from greenroom.specs import Local, SandboxSpec, Simulated


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("local", Local()),
        ("local:", Local()),
        ("local:unsafe=true,network=yes", None),
        ("local:unsafe=true,network=1", Local(unsafe=True, network=True)),
        ("local:root=/var/tmp", Local(root="/var/tmp")),
        ("simulated:hang=30", Simulated(hang=30.0)),
        ("simulated:boot=0.5, fault-rate=0.1,seed=7", Simulated(boot=0.5, fault_rate=0.1, seed=7)),
    ],
)
def test_settings_become_the_fields_of_the_spec(text: str, spec: SandboxSpec | None) -> None:
    """Numbers and booleans are read from text, and dashes are as good as underscores."""
    if spec is None:
        with pytest.raises(Exception, match="bool"):
            parse_sandbox(text)
    else:
        assert parse_sandbox(text) == spec


def test_unsafe_is_a_setting_of_its_own() -> None:
    """``--unsafe`` is short for the setting."""
    assert parse_sandbox("local:network=true", unsafe=True) == Local(unsafe=True, network=True)


def test_every_sandbox_spec_can_be_named() -> None:
    """No kind of sandbox is missing on the command line."""
    ours = {kind for kind in SandboxSpec.__subclasses__() if kind.__module__.startswith("greenroom.")}
    assert set(KINDS.values()) == ours
