"""Virtual time on asyncio and trio, and the leak check.

Inside: `_loop` (virtual asyncio), `_autojump` (virtual trio), `_schedule` (seeded order), `_deadlock`, `_threads`;
`_virtual` offers both backends under one name; `_leaks` compares what was alive before with what is alive after.
"""

from __future__ import annotations

from greenroom.kernel.testing._deadlock import Deadlock
from greenroom.kernel.testing._leaks import Leaked, leak_check
from greenroom.kernel.testing._loop import VirtualLoop
from greenroom.kernel.testing._virtual import BACKENDS, Backend, run_virtual, virtual_backend_options

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
