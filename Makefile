# Every target makes what it needs first: `make demo` and `make test` work in a fresh clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP = $(BIN)/python -m pip install -qq --disable-pip-version-check
UV := uv==0.13.8
ARGS ?=

# The stamp's name says what the environment was made from, so a changed pin makes a new one and touched files do not.
KEY := $(shell cat pyproject.toml constraints.txt | cksum | tr ' ' '-')
STAMP := $(VENV)/.made-from-$(KEY)

.PHONY: install demo test check format oracle agents bench docs lock lock-agents uv clean bubblewrap

install: bubblewrap $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "greenroom needs Python 3.11 or newer: make install PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' \
		|| { echo "Python cannot make virtual environments. Debian, Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) from constraints.txt, with $$($(PYTHON) --version); this takes about half a minute"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r constraints.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.made-from-*
	@touch $@

# The local sandbox seals agents with bubblewrap; everything else works without it.
bubblewrap:
	@command -v bwrap >/dev/null 2>&1 || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends bubblewrap; } \
		|| printf '%s\n' '' '*** bubblewrap is not installed: local sandboxes cannot be sealed and will be refused.' \
			'*** Debian, Ubuntu: apt-get install bubblewrap    Fedora: dnf install bubblewrap' '' >&2

demo: install
	$(BIN)/python examples/demo/run.py $(ARGS)

test: install
	@$(BIN)/python -m pytest $(ARGS)

check: install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# The same trees and scripts on our supervisor and on Erlang/OTP's: `make oracle N=5000`. Needs Debian's erlang-base.
N ?= 1000
oracle: install
	GREENROOM_ORACLE_CASES=$(N) $(BIN)/python -m pytest tests/oracle $(ARGS)

# Every agent that is called proved, the real programs at their pinned versions; the six-minute replies side by side.
agents: install
	GREENROOM_AGENTS=all $(BIN)/python -m pytest tests/agents $(ARGS)

bench: install
	@set -e; for file in $(wildcard bench/[a-z]*.py); do echo "== $$file"; $(BIN)/python "$$file" $(ARGS); done

docs: install
	$(BIN)/zensical build --strict --clean --config-file mkdocs.yml

# Pins again whatever pyproject.toml asks for. The file holds names, versions and hashes, never an address.
lock: uv
	.venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group dev --extra cli --extra parquet --extra terminal-bench --extra trio --extra uvloop \
		pyproject.toml --output-file constraints.txt

# Locks the agents that ship again, or those of NAMES, with what the registries have today within what recipes pin.
lock-agents: install uv
	PATH="$(CURDIR)/.venv-lock/bin:$$PATH" $(BIN)/python -m greenroom.sandboxes.locking $(NAMES)

uv:
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install -qq --disable-pip-version-check '$(UV)'

clean:
	rm -rf $(VENV) .venv-lock dist site .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
