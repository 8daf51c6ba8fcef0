"""Every command and its options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from greenroom import __version__

_JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
_ENGINE = click.option("--engine", "engine", metavar="NAME|PID", help="Which engine, when several run.")
_TEMPLATE = click.option(
    "--template",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A task whose {{ columns }} each row of TASKS fills, a .jsonl or .parquet file.",
)
_IGNORE = click.option(
    "--ignore",
    multiple=True,
    metavar="FIELD",
    help="Do without this field although tasks ask for it, such as environment.image; may be given several times.",
)
_UNSAFE = click.option("--unsafe", is_flag=True, help="Accept sandboxes without isolation.")
_ALLOW = click.option(
    "--allow-changes",
    multiple=True,
    metavar="FIELD",
    help="What may differ from the run in the directory, such as deadline or model.base_url; several with commas.",
)
_CONCURRENCY = click.option("--concurrency", type=click.IntRange(min=1), help="Rollouts at a time.")
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
    help="Where: local, docker, simulated, or with settings: docker:memory=2g,pids=256.",
)
@click.option("--image", metavar="NAME", help="What Docker sandboxes are made of: short for docker:image=NAME.")
@_UNSAFE
@click.option(
    "--model",
    metavar="SPEC",
    help="Who answers: a script (FILE.toml, scripted:FILE) or an http(s) URL.  [default: $OPENAI_BASE_URL]",
)
@click.option("--model-name", metavar="NAME", help="What the model is called there.  [default: $GREENROOM_MODEL]")
@click.option(
    "--api-key-env", metavar="VAR", help="Variable that holds the key.  [default: OPENAI_API_KEY, if it is set]"
)
@_ALLOW
@click.option("--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Rollouts of each task.")
@_CONCURRENCY
@click.option(
    "--attempts", type=click.IntRange(min=1), help="Tries of each rollout, when sandbox, model or engine fail."
)
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time of one rollout, all of its attempts included.",
)
@click.option(
    "--model-wait",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="For how long the model may hold calls before that counts as the agent's time.",
)
@_TEMPLATE
@_IGNORE
@click.option("--task", "only", multiple=True, metavar="ID", help="Only this task; may be given several times.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many tasks.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the results go.  [default: runs/<now>]"
)
@click.option(
    "--trials", type=click.Path(path_type=Path), metavar="DIR", help="Write them there too, in Harbor's trial layout."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: start, every outcome, end.")
@click.option("--quiet", is_flag=True, help="Say only how it ended.")
@click.pass_context
def run(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401 - one per option, checked by `RunOptions`
    """Run TASKS: a .toml, .jsonl or .parquet file, a task's directory (Harbor's too), or a directory of those."""
    from greenroom.cli.options import RunOptions
    from greenroom.cli.run import run_tasks

    context.exit(run_tasks(RunOptions(**options)))


@app.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--sandbox", metavar="SPEC", help="Other ones than before, as for `greenroom run`.")
@_UNSAFE
@click.option("--model", metavar="SPEC", help="Another one than before, as for `greenroom run`.")
@click.option("--model-name", metavar="NAME", help="What it is called there, if --model is given.")
@click.option("--api-key-env", metavar="VAR", help="Variable that holds its key, if --model is given.")
@_CONCURRENCY
@click.option("--attempts", type=click.IntRange(min=1), help="Other than before.")
@click.option("--deadline", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Other than before.")
@click.option("--model-wait", type=click.FloatRange(min=0), metavar="SECONDS", help="Other than before.")
@_ALLOW
@click.option(
    "--trials", type=click.Path(path_type=Path), metavar="DIR", help="Write them there too, in Harbor's trial layout."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: start, every new outcome, end.")
@click.option("--quiet", is_flag=True, help="Say only how it ended.")
@click.pass_context
def resume(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401 - one per option, checked by `ResumeOptions`
    """Finish RUN, a directory of results: what has its outcome is not run again. Refused if anything differs."""
    from greenroom.cli.resume import ResumeOptions, resume_run

    context.exit(resume_run(ResumeOptions(**options)))


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


@app.command("set")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE...")
@_ENGINE
@_JSON
def set_(changes: tuple[str, ...], engine: str | None, *, as_json: bool) -> None:
    """Change limits of a running engine: concurrency=400, per_image=8, image:python:3.12=4, free_memory=2g, load=none.

    circuits=closed tries again what has failed again and again. All of it is changed, or nothing.
    """
    from greenroom.cli.set import change

    change(engine, changes, as_json=as_json)


@app.command()
@_JSON
@click.pass_context
def doctor(context: click.Context, /, *, as_json: bool) -> None:
    """Say what this machine can run, and what to install for the rest."""
    from greenroom.cli import doctor

    context.exit(doctor.report(as_json=as_json))


@app.group(invoke_without_command=True)
@_JSON
@click.pass_context
def agents(context: click.Context, /, *, as_json: bool) -> None:
    """List the agents that can be run, or try one."""
    if context.invoked_subcommand is None:
        from greenroom.cli import agents

        agents.report(as_json=as_json)


@agents.command("try")
@click.argument("spec")
@click.option("--sandbox", metavar="SPEC", default="local", show_default=True, help="Where, as for `greenroom run`.")
@_UNSAFE
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for all of it, once the agent is installed.",
)
@_JSON
@click.pass_context
def try_agent(
    context: click.Context, /, spec: str, sandbox: str, timeout: float, *, unsafe: bool, as_json: bool
) -> None:
    """Try SPEC, the name of an agent or FILE.py:NAME: install it, start it against a scripted model, say what works."""
    from greenroom.cli import agents_try

    context.exit(agents_try.try_agent(spec, sandbox=sandbox, unsafe=unsafe, seconds=timeout, as_json=as_json))


@app.group()
def tasks() -> None:
    """See what tasks there are, check them, convert others."""


def _selects(command: Callable[..., None]) -> Callable[..., None]:
    """Options and argument that say which tasks, and where they would run."""
    sandbox = click.option(
        "--sandbox", metavar="SPEC", default="local", show_default=True, help="Where, as for `greenroom run`."
    )
    unsafe = click.option("--unsafe", is_flag=True, help="Accept sandboxes without isolation.")
    path = click.argument("path", type=click.Path(path_type=Path))
    for add in (_JSON, _IGNORE, _TEMPLATE, unsafe, sandbox, path):
        command = add(command)
    return command


@tasks.command("list")
@_selects
def list_tasks(*, as_json: bool, **selection: Any) -> None:  # noqa: ANN401 - checked by `Selection`
    """List the tasks at PATH, and whether the sandbox can be what they ask for."""
    from greenroom.cli import tasks

    tasks.list_tasks(tasks.Selection(**selection), as_json=as_json)


@tasks.command("check")
@_selects
@click.option("--concurrency", type=click.IntRange(min=1), default=4, show_default=True, help="Rollouts at a time.")
@click.option(
    "--passing",
    type=float,
    default=1.0,
    show_default=True,
    metavar="REWARD",
    help="From which reward on one is solved.",
)
@click.pass_context
def check_tasks(
    context: click.Context,
    /,
    *,
    as_json: bool,
    concurrency: int,
    passing: float,
    **selection: Any,  # noqa: ANN401 - checked by `Selection`
) -> None:
    """Try the tasks at PATH with their own solution and with nothing: they should be solved by the one alone."""
    from greenroom.cli import tasks

    chosen = tasks.Selection(**selection)
    context.exit(tasks.check(chosen, concurrency=concurrency, passing=passing, as_json=as_json))


@tasks.command("convert")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@_JSON
def convert_tasks(source: Path, target: Path, *, as_json: bool) -> None:
    """Make Harbor's task directories in TARGET from SOURCE, a Terminal-Bench 1 task or a directory of them."""
    from greenroom.cli import tasks

    tasks.convert(source, target, as_json=as_json)


@app.command()
@_JSON
def sandboxes(*, as_json: bool) -> None:
    """List the containers of all engines, and say which were left behind."""
    from greenroom.cli import containers

    containers.report(as_json=as_json)


@app.command()
@click.option("--all", "everything", is_flag=True, help="Those of engines that run, too.")
@_JSON
def reap(*, everything: bool, as_json: bool) -> None:
    """Remove the containers that engines left behind when they died."""
    from greenroom.cli import containers

    containers.reap(everything=everything, as_json=as_json)


@app.group()
def image() -> None:
    """Make images for Docker sandboxes."""


@image.command()
@click.option("--agent", required=True, metavar="NAME", help="Who is to work in it; see `greenroom agents`.")
@click.option("--image", "base", default="", metavar="NAME", help="What it is made of.")
@click.option("--dockerfile", metavar="PATH", help="The same, as a Dockerfile or a directory with one.")
def build(agent: str, base: str, dockerfile: str | None) -> None:
    """Make an image with an agent installed, once, and try whether the agent runs in it."""
    from greenroom.cli import image

    image.build(agent, base, dockerfile)
