"""From what the user writes to what answers calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.interception import model_for
from greenroom.interception.gate import GateModel
from greenroom.interception.script import ScriptError
from greenroom.interception.scripted import ScriptedModel
from greenroom.interception.upstream import UpstreamModel
from greenroom.messages import Completion, ModelCall, Text
from greenroom.specs import Gate, ModelSpec, Scripted, Upstream
from tests.interception.talk import quick

CALL = ModelCall(id="", dialect="chat", model="m", messages=())


@pytest.mark.anyio
async def test_each_spec_has_its_model(tmp_path: Path) -> None:
    """Every spec opens the model it names, and closing one that was not used is fine, twice."""
    (tmp_path / "s.toml").write_text("script = []")
    specs = [Upstream("http://x/v1", model="m"), Gate(), Scripted(str(tmp_path / "s.toml"))]
    models = [model_for(spec) for spec in specs]
    assert [type(model) for model in models] == [UpstreamModel, GateModel, ScriptedModel]
    for model in models * 2:
        await model.close()


@pytest.mark.anyio
async def test_any_async_callable_is_a_model() -> None:
    """A function, a bound method or an object with an async call answers calls, and must return completions."""

    async def wrong(call: ModelCall) -> str:
        return call.model

    async def cut(call: ModelCall) -> Completion:
        return Completion(parts=(Text("\ud83d"),))

    assert (await model_for(quick)(CALL)).text == "answer 0"
    assert (await model_for(model_for(quick))(CALL)).text == "answer 0"
    assert (await model_for(cut)(CALL)).text == "?"
    with pytest.raises(TypeError, match="expected a Completion, got str"):
        await model_for(wrong)(CALL)
    await model_for(quick).close()


@pytest.mark.anyio
async def test_a_function_of_the_conversation_is_a_script() -> None:
    """A plain function answers with text or a completion, and anything else it returns is an error."""

    def says(call: ModelCall) -> object:
        return {"m": f"{len(call.messages)} so far", "n": Completion(finish_reason="length")}.get(call.model)

    model = model_for(Scripted(says))
    assert await model(CALL) == Completion(parts=(Text("0 so far"),))
    assert (await model(replace(CALL, model="n"))).finish_reason == "length"
    with pytest.raises(TypeError, match="expected a Completion, got NoneType"):
        await model(replace(CALL, model="o"))
    with pytest.raises(TypeError, match="expected a path or a function, got int"):
        model_for(Scripted(3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await model.close()


@pytest.mark.parametrize("nonsense", ["Qwen3-8B", None, ModelSpec(), 3])
def test_what_is_no_model(nonsense: object) -> None:
    """Anything else is refused with what would be allowed."""
    with pytest.raises(TypeError, match="expected Upstream, Gate, Scripted, BlackBox or an async callable, got"):
        model_for(nonsense)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_script_that_is_not_there() -> None:
    """A script file that cannot be used is reported when the model is opened, before anything starts."""
    with pytest.raises(ScriptError, match=r"nowhere\.toml"):
        model_for(Scripted("nowhere.toml"))


@pytest.mark.real_time
def test_importing_the_room_is_light() -> None:
    """The room can be imported, and a gate or a script opened, without loading aiohttp or an event loop library."""
    probe = (
        "import sys, greenroom.interception as i; from greenroom.specs import Gate; i.model_for(Gate());"
        "import greenroom.interception.scripted; print({'aiohttp', 'trio', 'structlog'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=50)
    assert done.stdout.strip() == "set()"
