"""How many moments are tried, and which."""

from __future__ import annotations

import os

SEED = int(os.environ.get("GREENROOM_SEED") or "0")
"""The moments of a run; another seed tries others."""
