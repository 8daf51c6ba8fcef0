"""What all rollouts of an engine share. Plain data that outlives any one actor, so that restarts lose nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable

from msgspec import Struct, field

from greenroom.actors.board import Board
from greenroom.interception.desk import Desk
from greenroom.interception.flow import Provider
from greenroom.interception.routes import Answer, Route, Routes
from greenroom.interception.valve import Valve
from greenroom.kernel import Ref
from greenroom.sandboxes.base import Backend, Sandbox
from greenroom.specs import AgentSpec, HostTool


class RouteOpened(Struct, frozen=True):
    """To the interception: close this mailbox's route when the mailbox is gone, whatever ended it."""

    mailbox: Ref


class SandboxLeased(Struct, frozen=True):
    """To the sandboxes: close what this actor leased when the actor is gone, whatever ended it."""

    owner: Ref


class Doors(Struct, eq=False):
    """Ways from agents to their models, each owned by an actor whose end closes it."""

    routes: dict[Ref, Route] = field(default_factory=dict[Ref, Route])
    """By mailbox."""
    listeners: dict[Ref, socket.socket] = field(default_factory=dict[Ref, socket.socket])
    """By sandbox: sockets that live inside it."""
    serving: bool = False
    """Whether agents can reach their models at the moment."""
    outages: int = 0
    """How often they no longer could."""


def _no_desk(_rollout_id: str) -> None:
    """Nobody does."""


class Stage(Struct, frozen=True, kw_only=True, eq=False):
    """Handed down from the engine to every actor of a rollout."""

    agent: AgentSpec
    backend: Backend
    model: Answer
    model_name: str
    """What agents are told the model is called."""
    prefix: str
    """Where the agent is installed on this machine; empty without a recipe."""
    routes: Routes
    board: Board
    interception: Ref
    sandboxes: Ref
    journal: Ref | None = None
    """Keeps leases for the next engine; ``None`` when there is no store, and so no next one."""
    tools: tuple[HostTool, ...] = ()
    """What models may use beside the tools of their agents."""
    provider: Provider | None = None
    """Where requests go as they are, if they do."""
    valve: Valve = field(default_factory=Valve)
    """Calls wait here before they go to the model."""
    desk_of: Callable[[str], Desk | None] = _no_desk
    """The desk where somebody answers a rollout's calls one by one, if it has one."""
    doors: Doors = field(default_factory=Doors)
    leases: dict[Ref, Sandbox | None] = field(default_factory=dict[Ref, Sandbox | None])
    """Sandboxes by the actor that has to close them and then strikes them off; ``None`` while one is being made.

    A lease is written before its sandbox is made, so that a reaper that is restarted in between knows of it.
    """
