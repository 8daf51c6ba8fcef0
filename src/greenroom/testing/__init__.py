"""The kit for testing what is built on greenroom: virtual time, seeded schedules, and the leak check."""

from __future__ import annotations

from greenroom.kernel.testing import (
    BACKENDS,
    Backend,
    Deadlock,
    Leaked,
    VirtualLoop,
    leak_check,
    run_virtual,
    virtual_backend_options,
)

__all__ = [
    "BACKENDS",
    "Backend",
    "Deadlock",
    "Leaked",
    "VirtualLoop",
    "leak_check",
    "run_virtual",
    "virtual_backend_options",
]
