"""``python -m greenroom`` is the same as ``greenroom``."""

from __future__ import annotations

import sys

from greenroom.cli import main

if __name__ == "__main__":
    sys.exit(main())
