# Every target makes what it needs first: `make demo` and `make test` work in a fresh clone.

# The first Python that is new enough; `make ... PYTHON=/opt/python3.13` chooses another.
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
endif
BIN := .venv/bin
ARGS ?=

.PHONY: install run-environment test-environment demo test test-all check format bare calendar oracle agents blame bench docs compatibility lock lock-agents uv clean bubblewrap

# What the targets need and no more: `demo` downloads a third of the packages that `check` does.
run-environment test-environment install: bubblewrap
	@test -n '$(PYTHON)' || { echo 'greenroom needs Python 3.11 or newer, and finds none: make $(MAKECMDGOALS) PYTHON=...' >&2; exit 1; }
	@'$(PYTHON)' tools/environment.py $(if $(filter install,$@),dev,$(@:-environment=))

# Local sandboxes are sealed by bubblewrap. Root gets it at once; everybody else is told by what needs it.
bubblewrap:
	@command -v bwrap >/dev/null 2>&1 || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1 || { \
		echo 'installing bubblewrap, which seals local sandboxes'; \
		timeout 180 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 180 apt-get install -qq -y \
			--no-install-recommends bubblewrap >/dev/null; } || echo '*** bubblewrap could not be installed' >&2

demo: run-environment
	$(BIN)/python examples/demo/run.py $(ARGS)

# Several processes share the tests, unless `make test ARGS="tests/kernel -x"` asks for some.
SHARED := -n auto --maxprocesses 4

test: test-environment
	@$(BIN)/python -m pytest $(or $(ARGS),$(SHARED))

test-all: install
	@$(BIN)/python -m pytest --tier all $(SHARED) $(ARGS)

check: install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# The README's commands as newcomers run them, on every bare machine that CI draws from; and what a later year could break.
bare:
	.ci/bare all

calendar:
	.ci/calendar

# The same trees and scripts on our supervisor and on Erlang/OTP's: `make oracle N=5000`. Needs Debian's erlang-base.
N ?= 1000
oracle: install
	GREENROOM_ORACLE_CASES=$(N) $(BIN)/python -m pytest tests/oracle $(ARGS)

# Every agent that is called proved, the real programs at their pinned versions; the six-minute replies side by side.
agents: install
	GREENROOM_AGENTS=all $(BIN)/python -m pytest tests/agents $(ARGS)

# Every way in which something can fail around an agent, in local sandboxes and, where there is an engine, in containers.
blame: install
	GREENROOM_BLAME=all $(BIN)/python -m pytest tests/world/blame $(ARGS)

bench: install
	@set -e; for file in $(wildcard bench/[a-z]*.py); do echo "== $$file"; $(BIN)/python "$$file" $(ARGS); done

compatibility: install
	$(BIN)/python tools/compatibility.py

docs: install
	$(BIN)/zensical build --strict --clean --config-file mkdocs.yml

# Pins again whatever pyproject.toml asks for. The files hold names, versions and hashes, never an address.
lock: uv
	$(COMPILE) --upgrade $(EXTRAS) --group dev --output-file constraints.txt
	$(COMPILE) --constraints constraints.txt $(EXTRAS) --group test --output-file constraints-test.txt
	$(COMPILE) --constraints constraints.txt --extra cli --group install --output-file constraints-run.txt

COMPILE := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml
EXTRAS := --extra cli --extra lock --extra parquet --extra terminal-bench --extra trio

# Locks the agents that ship again, or those of NAMES, with what the registries have today within what recipes pin.
lock-agents: install uv
	PATH="$(CURDIR)/.venv-lock/bin:$$PATH" $(BIN)/python -m greenroom.sandboxes.locking $(NAMES)

# The pinned uv, in an environment of its own, for it has to work when pins do not.
uv:
	@'$(PYTHON)' -m venv --clear .venv-lock
	@sed -n '/^uv==/,/[^\\]$$/p' constraints.txt >.venv-lock/uv.txt
	@.venv-lock/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r .venv-lock/uv.txt

clean:
	rm -rf .venv .venv-lock dist site .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
