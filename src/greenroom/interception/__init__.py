"""Between agents and models: agents talk to greenroom as if it were their provider, and whoever owns the model answers.

The map. Pure, and the same on any event loop: `dialects` (bytes to neutral words and back), `session` (which requests
are one call), `script`, `verdict`. On asyncio and trio: `routes` (whose key is this), `endpoint` (a request in, a
response out), `gate`, `scripted`. asyncio only, and never imported from here: `server` (the aiohttp rim) and
`upstream`.
"""

from __future__ import annotations

from greenroom.interception.endpoint import Endpoint
from greenroom.interception.errors import ModelError
from greenroom.interception.limits import Limits
from greenroom.interception.models import OpenModel, model_for
from greenroom.interception.routes import Answer, Route, Routes
from greenroom.interception.wire import Request, Response

__all__ = [
    "Answer",
    "Endpoint",
    "Limits",
    "ModelError",
    "OpenModel",
    "Request",
    "Response",
    "Route",
    "Routes",
    "model_for",
]
