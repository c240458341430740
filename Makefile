# Two commands are all a newcomer needs: `make demo` and `make test`. Each sets up what it needs first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
JOBS ?= 2
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo test evidence release-check check format clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## Create .venv and install everything at the pinned versions

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null \
		|| { echo "error: Python 3.11 or 3.12 is needed; install it or run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "error: Python's venv module is missing; install it (Debian, Ubuntu: apt-get install python3-venv) and run this again" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup ## See the whole product work on a simulated retail world, then keep serving its page
	@$(BIN)/thousandfaces demo

test: setup check ## Lint, types, import contracts and every test
	$(BIN)/coverage erase
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --cov --cov-report=term --cov-fail-under=85

evidence: setup ## The privacy evidence at full counts, what is missing or stale alone (JOBS=2 ONLY=PATTERN LIST=1 FORGET=1)
	$(BIN)/python -m experiments.evidence run --jobs $(JOBS) --only '$(ONLY)' $(if $(LIST),--list) $(if $(FORGET),--forget)

release-check: setup ## Whether the privacy evidence is whole, unedited and measured on the present code
	$(BIN)/python -m experiments.evidence check

check: setup ## Formatting, lint, types and import contracts only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: setup ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the virtual environment and everything the demo wrote
	rm -rf .venv .thousandfaces .coverage* .pytest_cache .mypy_cache .ruff_cache
