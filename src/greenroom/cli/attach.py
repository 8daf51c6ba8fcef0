"""Looking at a running engine."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import click
import msgspec

from greenroom.cli.errors import BadInput, Failed
from greenroom.introspection import render
from greenroom.introspection.client import Client, ConsoleError, Engine, engines


def ps(engine: str | None, sort: str, *, as_json: bool) -> None:
    """Print the actors, one a line, and what admission is about."""
    with attach(engine) as client:
        rows = client.rows()
        below = _admission(client)
    if as_json:
        rows.sort(key=render.SORTS[sort])
    show(rows, f"{render.ps(rows, sort)}\n\n{below}", as_json=as_json)


def tree(engine: str | None, path: str, *, as_json: bool) -> None:
    """Print the actors under their supervisors."""
    with attach(engine) as client:
        rows = client.rows(_absolute(path))
        below = _admission(client)
    show(rows, f"{render.tree(rows)}\n\n{below}", as_json=as_json)


def inspect(engine: str | None, path: str, *, as_json: bool) -> None:
    """Print everything about one actor."""
    with attach(engine) as client:
        found = client.inspect(_absolute(path))
    show(found, render.detail(found), as_json=as_json)


def events(engine: str | None, *, as_json: bool) -> None:
    """Print what happens, one event a line."""
    with attach(engine) as client:
        happenings = client.events()
        click.echo("Listening; Ctrl-C ends it.", err=True)
        for event in happenings:
            show(event, render.event(event), as_json=as_json)


def _admission(client: Client) -> str:
    snapshot: object = client.snapshot()
    return render.admission(cast("dict[str, Any]", snapshot)) if isinstance(snapshot, dict) else ""


@contextmanager
def attach(wanted: str | None) -> Generator[Client]:
    """A connection to the engine that is meant. Raises `BadInput` and `Failed`."""
    try:
        with Client(_choose(wanted, engines()).socket) as client:
            yield client
    except ConsoleError as error:
        raise Failed(str(error)) from error


def _choose(wanted: str | None, found: list[Engine]) -> Engine:
    if not found:
        raise Failed("no engine is running; `greenroom run` starts one")
    names = ", ".join(f"{engine.hello.name} ({engine.hello.pid})" for engine in found)
    if wanted is not None:
        fitting = [engine for engine in found if wanted in {engine.hello.name, str(engine.hello.pid)}]
        if not fitting:
            raise BadInput(f"--engine {wanted}: no such engine; running are: {names}")
        found = fitting
    if len(found) > 1:
        raise BadInput(f"--engine: several engines are running, choose one by its number: {names}")
    return found[0]


def show(value: object, text: str, *, as_json: bool) -> None:
    """Print it, for people or for machines."""
    click.echo(msgspec.json.encode(value) if as_json else text)


def _absolute(path: str) -> str:
    return f"/{path.strip('/')}"
