# Every verb works from a fresh clone that has git, make and Python 3.11 or newer: it sets up .venv first.
# Another interpreter: make PYTHON=python3.12 test. More arguments: make test ARGS='tests/unit -k merkle'.

PYTHON ?= python3
ARGS   ?=

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check install -qq

# One stamp for each step of the set-up, so that a second run costs nothing.
VENV_STAMP := $(VENV)/.stamp-venv
RUN_STAMP  := $(VENV)/.stamp-run
DEV_STAMP  := $(VENV)/.stamp-dev

PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all run demo test lint format bench slow model simulate clean help

all: lint test  ## lint and tests (the default)

run: $(RUN_STAMP)  ## run the demonstration, then serve it on 127.0.0.1:8000
	$(BIN)/yongzhi demo $(ARGS)

demo: $(RUN_STAMP)  ## run the demonstration and stop
	$(BIN)/yongzhi demo --no-serve $(ARGS)

test: $(DEV_STAMP)  ## all tests but the slow ones
	$(PYTEST) -n 2 --dist loadfile -m "not slow and not bench" $(ARGS)

slow: $(DEV_STAMP)  ## fault and scale tests, minutes each
	$(PYTEST) -m slow $(ARGS)

bench: $(DEV_STAMP)  ## measure, as ratios to baselines of the same run; ARGS="--quick --only ingest,audit"
	$(BIN)/python -m tests.bench $(ARGS)

model: $(DEV_STAMP)  ## check the transfer protocol with Spin; ARGS=--long for larger bounds
	$(BIN)/python -m tests.model $(ARGS)

simulate: $(DEV_STAMP)  ## regions under random faults; ARGS="--seeds 10000" for more
	$(BIN)/python -m tests.simulation $(ARGS)

lint: $(DEV_STAMP)  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(DEV_STAMP)  ## rewrite the code in the agreed style
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

# ./var is left alone: it may hold a ledger and its keys.
clean:  ## remove the environment and everything derived
	rm -rf $(VENV) .cache build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find ledger projections api tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/\1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

$(VENV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	    echo "Name another one, for example: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
	    exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(RUN_STAMP): pyproject.toml $(VENV_STAMP)
	@echo "Installing what yongzhi needs ..."
	@$(PIP) -e .
	@touch $@

# What is needed to develop includes what is needed to run.
$(DEV_STAMP): pyproject.toml $(VENV_STAMP)
	@echo "Installing what yongzhi and its tests need ..."
	@$(PIP) -e '.[dev]'
	@touch $(RUN_STAMP) $@
