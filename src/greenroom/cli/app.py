"""Every command and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from greenroom import __version__

_JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
_ENGINE = click.option("--engine", "engine", metavar="NAME|PID", help="Which engine, when several run.")
_SORTS = click.Choice(["path", "mailbox", "handled", "restarts", "age"])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="greenroom")
def app() -> None:
    """Run coding agents in sandboxes, and see what they are doing."""


@app.command()
@click.argument("tasks", type=click.Path(path_type=Path))
@click.option("--agent", metavar="NAME", help="Who works; see `greenroom agents`.  [default: bash]")
@click.option(
    "--sandbox",
    metavar="SPEC",
    default="local",
    show_default=True,
    help="Where: local, simulated, or with settings: local:unsafe=true.",
)
@click.option("--unsafe", is_flag=True, help="Accept sandboxes without isolation.")
@click.option(
    "--model",
    metavar="SPEC",
    help="Who answers: a script (FILE.toml, scripted:FILE) or an http(s) URL.  [default: $OPENAI_BASE_URL]",
)
@click.option("--model-name", metavar="NAME", help="What the model is called there.  [default: $GREENROOM_MODEL]")
@click.option(
    "--api-key-env", metavar="VAR", help="Variable that holds the key.  [default: OPENAI_API_KEY, if it is set]"
)
@click.option("--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Rollouts of each task.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Rollouts at a time.")
@click.option(
    "--attempts", type=click.IntRange(min=1), help="Tries of each rollout, when sandbox, model or engine fail."
)
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time of one rollout, all of its attempts included.",
)
@click.option("--task", "only", multiple=True, metavar="ID", help="Only this task; may be given several times.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many tasks.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the results go.  [default: runs/<now>]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: start, every outcome, end.")
@click.option("--quiet", is_flag=True, help="Say only how it ended.")
@click.pass_context
def run(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401 - one per option, checked by `RunOptions`
    """Run TASKS: a .toml or .jsonl file, a task's directory, or a directory of those."""
    from greenroom.cli.options import RunOptions
    from greenroom.cli.run import run_tasks

    context.exit(run_tasks(RunOptions(**options)))


@app.command()
@click.option("--sort", type=_SORTS, default="path", show_default=True, help="What stands first.")
@_ENGINE
@_JSON
def ps(sort: str, engine: str | None, *, as_json: bool) -> None:
    """List the actors of a running engine."""
    from greenroom.cli import attach

    attach.ps(engine, sort, as_json=as_json)


@app.command()
@click.argument("path", default="/")
@_ENGINE
@_JSON
def tree(path: str, engine: str | None, *, as_json: bool) -> None:
    """Show the actors of a running engine under their supervisors, from PATH down."""
    from greenroom.cli import attach

    attach.tree(engine, path, as_json=as_json)


@app.command()
@click.argument("path")
@_ENGINE
@_JSON
def inspect(path: str, engine: str | None, *, as_json: bool) -> None:
    """Show everything about the actor at PATH, as `greenroom ps` lists it."""
    from greenroom.cli import attach

    attach.inspect(engine, path, as_json=as_json)


@app.command()
@_ENGINE
@_JSON
def events(engine: str | None, *, as_json: bool) -> None:
    """Follow what happens to the actors of a running engine, until Ctrl-C or its end."""
    from greenroom.cli import attach

    attach.events(engine, as_json=as_json)


@app.command()
@_JSON
@click.pass_context
def doctor(context: click.Context, /, *, as_json: bool) -> None:
    """Say what this machine can run, and what to install for the rest."""
    from greenroom.cli import doctor

    context.exit(doctor.report(as_json=as_json))


@app.command()
@_JSON
def agents(*, as_json: bool) -> None:
    """List the agents that can be run."""
    from greenroom.cli import agents

    agents.report(as_json=as_json)
