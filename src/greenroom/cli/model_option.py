"""``--model``: a script's file, a recorded run or a server's address, made into a spec."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from greenroom.cli.errors import BadInput
from greenroom.engine.replay import check_recorded, run_of
from greenroom.interception.recording import RecordedModel
from greenroom.interception.script import ScriptError, load
from greenroom.specs import ModelSpec, Scripted, Upstream

_FORMS: Final = "scripted:FILE, FILE.toml, a run's directory, outcomes in FILE.jsonl, http://HOST/v1 or https://HOST/v1"


def parse_model(text: str | None, name: str | None, key_env: str | None) -> ModelSpec:
    """The spec, completed from the environment. Raises `BadInput` that names the option and what is allowed."""
    if text is None:
        text = os.environ.get("OPENAI_BASE_URL")
        if not text:
            raise BadInput(f"--model is missing, and OPENAI_BASE_URL is not set; give {_FORMS}")
    if "://" not in text and (text.endswith((".toml", ".json", ".jsonl")) or Path(text).is_dir()):
        return _scripted(text.removeprefix("scripted:"))
    kind, colon, rest = text.partition(":")
    if kind == "scripted" and colon:
        return _scripted(rest)
    if kind in {"http", "https"} and colon:
        return _upstream(text, name, key_env)
    raise BadInput(f"--model {text}: not a model; allowed are {_FORMS}")


def _scripted(path: str) -> Scripted:
    try:
        _check_script(path)
    except ScriptError as error:
        raise BadInput(f"--model scripted:{path}: {error}") from error
    return Scripted(str(Path(path).absolute()))


def _check_script(path: str) -> None:
    if (run := run_of(path)) is not None:
        check_recorded(run)
    elif path.endswith(".jsonl"):
        RecordedModel.read(path)
    else:
        load(path)


def _upstream(url: str, name: str | None, key_env: str | None) -> Upstream:
    parts = _split(url)
    if parts is None or not parts.hostname:
        raise BadInput(f"--model {url}: not an address; allowed are {_FORMS}")
    if parts.username or parts.password:
        # Said without the address, which holds the key.
        raise BadInput(
            "--model: the address holds a user or key; put the key into a variable and name it with --api-key-env"
        )
    name = name or os.environ.get("GREENROOM_MODEL")
    if not name:
        raise BadInput(f"--model-name is missing, and GREENROOM_MODEL is not set; give the model's name at {url}")
    return Upstream(base_url=url, model=name, api_key_env=_key_env(key_env))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _key_env(key_env: str | None) -> str | None:
    if key_env is None:
        return "OPENAI_API_KEY" if os.environ.get("OPENAI_API_KEY") else None
    if not os.environ.get(key_env):
        raise BadInput(f"--api-key-env {key_env}: this variable is not set")
    return key_env
