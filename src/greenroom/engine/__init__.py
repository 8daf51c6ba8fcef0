"""The engine, its store, and the tasks it takes."""

from greenroom.engine.blocking import BlockingEngine, open_engine
from greenroom.engine.engine import Engine
from greenroom.engine.groups import Group
from greenroom.engine.stream import EngineError, OutcomeStream

__all__ = ["BlockingEngine", "Engine", "EngineError", "Group", "OutcomeStream", "open_engine"]
