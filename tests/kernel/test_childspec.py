from __future__ import annotations

import math
from typing import Any

import pytest

from greenroom.kernel import Actor, ChildSpec, Supervisor
from greenroom.kernel._childspec import Grace


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": ""}, "id='' must be a non-empty string without '/'"),
        ({"id": "a/b"}, "id='a/b' must be"),
        ({"restart": "always"}, "restart='always' must be permanent, transient or temporary"),
        ({"shutdown": -1}, "shutdown=-1 must be seconds, inf or 'brutal'"),
        ({"shutdown": "gently"}, "shutdown='gently' must be"),
        ({"start_timeout": -1.0}, "start_timeout=-1.0 must be seconds"),
        ({"lifetime": "long"}, "lifetime='long' must be seconds"),
        ({"significant": True}, "significant=True must be False for a permanent child"),
        ({"mailbox": -3}, "mailbox=-3 must be 1 or more"),
        ({"rest": 0.0}, "rest=0.0 must be more than 0 seconds, for a child that is restarted"),
        ({"rest": math.inf}, "rest=inf must be more than 0 seconds"),
        ({"rest": "long"}, "rest='long' must be more than 0 seconds"),
        ({"rest": 5.0, "restart": "temporary"}, "rest=5.0 must be .* for a child that is restarted"),
        ({"overflow": "spill"}, "overflow='spill' must be one of fail, block, drop_new, drop_old"),
    ],
)
def test_a_mistake_is_told_when_the_spec_is_made(fields: dict[str, Any], text: str) -> None:
    """Each field is checked, and the error names the child, the field and what is allowed."""
    with pytest.raises(ValueError, match=text):
        ChildSpec(fields.pop("id", "a"), Actor, **fields)


@pytest.mark.parametrize(
    ("actor", "shutdown", "grace"),
    [
        (Actor(), None, 5.0),
        (Supervisor(), None, math.inf),
        (Actor(), 0.5, 0.5),
        (Supervisor(), 3, 3),
        (Actor(), "brutal", "brutal"),
    ],
)
def test_the_budget_to_stop(actor: Actor, shutdown: Grace | None, grace: Grace) -> None:
    """Five seconds for workers, no bound for supervisors, whose children have their own; unless it is given."""
    assert ChildSpec("a", lambda: actor, shutdown=shutdown).grace(actor) == grace
