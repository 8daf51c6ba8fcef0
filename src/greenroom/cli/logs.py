"""Where log lines go: everything into a file, warnings to the terminal too unless something is drawn there."""

from __future__ import annotations

import logging
from pathlib import Path

from greenroom.introspection.render import escape


class _Lines(logging.Formatter):
    """One record, one line, nothing in it that a terminal obeys."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return escape(super().format(record))


def log_to(path: Path | None, *, terminal: bool) -> None:
    """Set up logging for the whole process."""
    import structlog

    logging.raiseExceptions = False  # a full disk must not fill the terminal as well
    handlers: list[logging.Handler] = []
    if path is not None:
        handlers.append(logging.FileHandler(path, encoding="utf-8", delay=True))
    if terminal:
        handlers.append(logging.StreamHandler())
        handlers[-1].setLevel(logging.WARNING)
    for handler in handlers:
        handler.setFormatter(_Lines("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=handlers or [logging.NullHandler()], force=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
