"""A search guided by coverage, with atheris: ``python -m tests.fuzz.guided SECONDS``; fails if it finds something."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

atheris: Any = importlib.import_module("atheris")  # from C++, without types

with atheris.instrument_imports(include=["greenroom.interception"]):
    targets = importlib.import_module("tests.fuzz.targets")

from tests.fuzz.mutation import mutated  # noqa: E402 - what has to be instrumented is imported first
from tests.fuzz.words import vocabulary  # noqa: E402

TARGETS: list[Callable[[bytes], None]] = list(targets.TARGETS.values())
WORDS: list[list[str]] = [vocabulary(targets.dialect_in(name)) for name in targets.TARGETS]


def one(data: bytes) -> None:
    """The first byte says which parser gets the rest."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def mutation(data: bytes, size: int, seed: int) -> bytes:
    """What to try next: half of the time something that knows of JSON, else what the fuzzer has a mind to."""
    if not data or seed % 2:
        mutation: bytes = atheris.Mutate(data, size)
        return mutation
    random = Random(seed)  # noqa: S311 - no secret
    return data[:1] + mutated(data[1:], random, WORDS[data[0] % len(TARGETS)])[: size - 1]


def seeds(corpus: Path) -> None:
    """What to begin with: what each parser reads on a good day."""
    for number, name in enumerate(targets.TARGETS):
        for at, good in enumerate(targets.GOOD[name]):
            (corpus / f"{name}-{at}").write_bytes(bytes([number]) + good)


def main() -> None:
    """Search."""
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place) / "corpus"
        corpus.mkdir()
        seeds(corpus)
        arguments = [f"-max_total_time={float(sys.argv[1]):.0f}", "-max_len=4000", "-timeout=10"]
        argv = [sys.argv[0], *arguments, f"-artifact_prefix={place}/", str(corpus)]
        atheris.Setup(argv, one, custom_mutator=mutation)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
