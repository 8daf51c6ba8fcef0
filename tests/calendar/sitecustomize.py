"""Lets Python sleep under ``faketime``: on its path, this is run when an interpreter starts.

    PYTHONPATH=tests/calendar faketime --exclude-monotonic '+6 years' .venv/bin/python -m pytest

Python sleeps until a moment of the monotonic clock. faketime 0.9.10 takes its years off that moment as well, although
it was told to leave the clock alone, and the sleep fails.
"""

from __future__ import annotations

import os
import select
import time
from typing import SupportsFloat, SupportsIndex

if "FAKETIME" in os.environ:

    def _sleep(seconds: SupportsFloat | SupportsIndex, /) -> None:
        select.select([], [], [], float(seconds))

    time.sleep = _sleep
