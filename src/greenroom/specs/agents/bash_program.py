"""The reference agent: one shell tool, one conversation, nothing but the standard library.

It reads the instruction from standard input and talks OpenAI chat completions to ``OPENAI_BASE_URL`` with
``OPENAI_API_KEY`` and ``OPENAI_MODEL``. Each command the model asks for runs in the current directory; each step is
one line of JSON on standard output. Exit status: 0 the model has finished, 1 the model failed, 3 too many turns.
``BASH_AGENT_STREAM=1`` asks for streamed replies, ``BASH_AGENT_TURNS`` bounds the turns, ``BASH_AGENT_REPLY_SECONDS``
one reply, and ``BASH_AGENT_COMMAND_SECONDS`` one command.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
OUTPUT_LIMIT = 20_000  # bytes of a command's output that the model is shown
RETRY_DELAYS = (0.5, 1.0, 2.0, 4.0)  # seconds before each further try
SYSTEM = "You work in a directory on a Linux machine. Use the bash tool to do the job; say so when it is done."
PARAMETERS = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
ABOUT = "Run a shell command in the work directory. Gives its exit code and output."
BASH = {"type": "function", "function": {"name": "bash", "description": ABOUT, "parameters": PARAMETERS}}


class ModelError(Exception):
    """The model does not answer, or not in a way that makes sense."""


class Model:
    """A chat completions endpoint."""

    def __init__(self) -> None:
        self.url = urlsplit(os.environ["OPENAI_BASE_URL"])
        self.name = os.environ["OPENAI_MODEL"]
        self.stream = os.environ.get("BASH_AGENT_STREAM", "0") != "0"
        self.seconds = float(os.environ.get("BASH_AGENT_REPLY_SECONDS", "3600"))
        key = os.environ.pop("OPENAI_API_KEY", "")  # popped: the commands have no use for it
        self.headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}

    def ask(self, messages: list[Json]) -> Json:
        """The model's next message. What may pass by itself is tried again a few times."""
        body = json.dumps({"model": self.name, "messages": messages, "tools": [BASH], "stream": self.stream})
        for delay in (*RETRY_DELAYS, None):
            try:
                return self.post(body)
            except (OSError, http.client.HTTPException, EOFError) as error:
                if delay is None:
                    raise ModelError(str(error) or type(error).__name__) from error
                say("retry", error=str(error) or type(error).__name__, seconds=delay)
            time.sleep(delay)
        raise AssertionError("unreachable")

    def post(self, body: str) -> Json:
        """One request. Raises `OSError`, `HTTPException` or `EOFError` for what may pass, else `ModelError`."""
        kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.url.hostname or "", self.url.port, timeout=self.seconds)
        try:
            connection.request("POST", self.url.path.rstrip("/") + "/chat/completions", body, self.headers)
            return self.read(connection.getresponse())
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(f"not a chat completion: {error!r}") from error
        finally:
            connection.close()

    def read(self, response: http.client.HTTPResponse) -> Json:
        """The message in a response."""
        if response.status != http.client.OK:
            passing = response.status in {408, 409, 425, 429} or response.status >= http.client.INTERNAL_SERVER_ERROR
            text = f"HTTP {response.status}: {response.read(2000).decode('utf-8', 'replace')}"
            raise ConnectionError(text) if passing else ModelError(text)
        message: Json = join(response) if self.stream else json.loads(response.read())["choices"][0]["message"]
        for call in message.get("tool_calls") or ():
            _ = call["id"], call["function"]["name"], call["function"]["arguments"]
        return message


def join(lines: http.client.HTTPResponse) -> Json:
    """Put a streamed reply together. Raises `EOFError` if it was cut."""
    text, calls = "", list[Json]()
    for line in lines:
        data = line.decode("utf-8").strip().removeprefix("data:").strip()
        if data == "[DONE]":
            return {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}
        for choice in json.loads(data)["choices"][:1] if data.startswith("{") else ():
            text += choice["delta"].get("content") or ""
            for part in choice["delta"].get("tool_calls") or ():
                if part["index"] == len(calls):
                    calls.append({"id": part["id"], "type": "function", "function": {"name": "", "arguments": ""}})
                for key in ("name", "arguments"):
                    calls[part["index"]]["function"][key] += part["function"].get(key) or ""
    raise EOFError("the reply was cut")


def run(command: str) -> Json:
    """Run a command. What it leaves in the background may go on, but nobody waits for it."""
    # A file and not a pipe, because a background process that keeps a pipe open would hold up the agent.
    with tempfile.TemporaryFile() as output:
        shell = ["/bin/sh", "-c", command]
        child = subprocess.Popen(shell, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        pidfd = os.pidfd_open(child.pid)
        ended, _, _ = select.select([pidfd], [], [], float(os.environ.get("BASH_AGENT_COMMAND_SECONDS", "120")))
        os.close(pidfd)
        if not ended:
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - OUTPUT_LIMIT))
        return {"exit_code": code, "timed_out": not ended, "output": output.read().decode("utf-8", "replace")}


def use(call: Json) -> Json:
    """Carry out one tool call. One that makes no sense is answered, not fatal: the model may do better."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    try:
        result = run(json.loads(arguments)["command"]) if name == "bash" else {"error": "the only tool is bash"}
    except (ValueError, LookupError, TypeError, OSError) as error:
        result = {"error": f"cannot run this: {error!r}"}
    say("tool", name=name, arguments=arguments, **result)
    return {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)}


def say(step: str, **fields: object) -> None:
    """Print one step."""
    print(json.dumps({"step": step, **fields}), flush=True)


def work(model: Model, instruction: str) -> int:
    """Talk to the model until it is done. Gives the exit status."""
    messages: list[Json] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": instruction}]
    for _ in range(int(os.environ.get("BASH_AGENT_TURNS", "1000"))):
        reply = model.ask(messages)
        messages.append(reply)
        say("assistant", text=reply.get("content"))
        if not reply.get("tool_calls"):
            return 0
        messages += [use(call) for call in reply["tool_calls"]]
    say("error", error="too many turns")
    return 3


if __name__ == "__main__":
    try:
        sys.exit(work(Model(), sys.stdin.buffer.read().decode("utf-8")))
    except ModelError as error:
        say("error", error=str(error))
        sys.exit(1)
