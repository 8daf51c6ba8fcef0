#!/bin/sh
# One way to solve the task; `greenroom tasks check` tries it.
set -eu

cat > slugs.py <<'PY'
"""Titles to URL parts."""

import re
import unicodedata


def slugify(title, separator="-"):
    """Lower-case words of ``title`` without accents, joined by ``separator``."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return separator.join(re.findall(r"[a-z0-9]+", plain.lower()))
PY
