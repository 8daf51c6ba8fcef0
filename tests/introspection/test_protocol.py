from __future__ import annotations

from greenroom.introspection.protocol import Detail, Row
from greenroom.kernel import ActorStatus
from greenroom.kernel._status import ActorDetail


def test_rows_carry_what_the_kernel_tells() -> None:
    """The words on the wire have the kernel's fields, all of them, by the same names."""
    assert Row.__struct_fields__ == ActorStatus.__struct_fields__
    assert Detail.__struct_fields__ == ActorDetail.__struct_fields__
