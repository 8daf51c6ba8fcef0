"""How long to look for trouble."""

from __future__ import annotations

import os

from hypothesis import HealthCheck

SECONDS = float(os.environ.get("GREENROOM_FUZZ_SECONDS") or (60 if os.environ.get("CI") else 5))
"""For the search on the parsers: ``GREENROOM_FUZZ_SECONDS``, or a minute in CI and five seconds elsewhere."""
EXAMPLES = int(min(SECONDS, 10) * 20)
"""For each search that counts examples instead of seconds."""
CALM = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]
"""What Hypothesis is not to mind: bodies are big, and the machine may be busy."""
