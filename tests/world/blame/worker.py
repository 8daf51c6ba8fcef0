"""The agent of real sandboxes: asks its model four times, leaves a file, and ends as its first argument says.

A program of its own: nothing but the standard library, and nothing of the tests.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time
from urllib.parse import urlsplit

CALLS = 4
TRIES = 40
"""Of each call, where it is tried again: enough to outlast a server that is being restarted."""


def ask(messages: list[dict[str, str]]) -> http.client.HTTPConnection:
    """Send one request."""
    url = urlsplit(os.environ["URL"])
    connection = http.client.HTTPConnection(url.netloc, timeout=100)
    headers = {"Authorization": f"Bearer {os.environ['KEY']}", "Content-Type": "application/json"}
    body = json.dumps({"model": "m", "messages": messages})
    connection.request("POST", f"{url.path}/chat/completions", body, headers)
    return connection


def answer(messages: list[dict[str, str]]) -> str:
    """One answer. Raises `OSError`, `http.client.HTTPException`."""
    connection = ask(messages)
    reply = connection.getresponse()
    body = reply.read()
    print(reply.status, flush=True)  # noqa: T201 - for its log
    if reply.status != 200:
        raise http.client.HTTPException(str(reply.status))
    text: str = json.loads(body)["choices"][0]["message"]["content"]
    return text


def persist(messages: list[dict[str, str]], character: str) -> str | None:
    """One answer, if there is one. Where nobody answers it is asked for again, by the patient after errors, too."""
    again = (OSError, http.client.HTTPException) if character == "patient" else OSError
    for _ in range(1 if character == "brittle" else TRIES):
        try:
            return answer(messages)
        except again as error:
            print(type(error).__name__, flush=True)  # noqa: T201 - for its log
            time.sleep(0.05)
        except http.client.HTTPException:
            return None
    return None


def work(character: str) -> bool:
    """Do it. Whether all calls were answered."""
    messages = [{"role": "user", "content": sys.stdin.read()}]
    for _ in range(CALLS):
        text = persist(messages, character)
        if text is None:
            return False
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": "Go on."}]
    with open("done", "w") as file:  # noqa: PTH123 - pathlib takes as long to import as all the rest
        file.write("done")
    return True


def main(character: str) -> int:
    """Work, and end."""
    if character == "silent":
        return 0
    if character == "greedy":
        bytearray(1 << 30)
    if character == "obstructs":
        os.makedirs("in/way/of")  # noqa: PTH103 - pathlib takes as long to import as all the rest
    if character in {"killed", "leaves"}:
        connection = ask([{"role": "user", "content": "x"}])
        if character == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        connection.close()
        time.sleep(1000)
    worked = work(character)
    if character == "hangs":
        time.sleep(1000)
    if character == "careless":
        return 0
    return 3 if character == "fails" else int(not worked)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
