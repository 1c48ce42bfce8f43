SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The Python that makes the virtual environment: the first that is new enough, looked up before .venv is on PATH.
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.version_info < (3, 11) and sys.exit(1); print(sys.executable)' 2>/dev/null && break; \
	done)
endif
ifeq ($(PYTHON),)
PYTHON := python3
endif

# How the rehearsal's approvals are answered: auto, or by-hand (in the Prefect UI).
APPROVE ?= auto
export APPROVE
# Which drill, and the seeds that choose stage and time of its fault.
NAME ?=
SEED ?= 1
SEEDS ?= 1
# Which cells of the kill matrix: full or short.
KILLMATRIX ?= full
export PATH := $(CURDIR)/.tools/bin:$(CURDIR)/.venv/bin:$(PATH)

# Tests of real servers break when the machine is busy with other things. What fails is run once more, alone, and both
# results stand in the output: a defect fails twice.
define tested
$(1) </dev/null || { [ $$? -eq 1 ] && \
	printf '\n=== Failed at first: once more, one at a time, and nothing beside it ===\n' && \
	$(1) --numprocesses 0 --last-failed --last-failed-no-failures none </dev/null; }
endef
PYTEST := .venv/bin/python -m pytest
by_file := --dist loadfile --no-loadscope-reorder
# Three workers fill two cores: half of a test's time is a window of the guard's or a start of a server.
side_by_side := --numprocesses 3 $(by_file)

.PHONY: help bench setup rehearsal drill drills killmatrix lint test slow ci clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)$$/\1\t\2/p' Makefile | \
	while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: ## install everything the checkout needs, inside the checkout
	@"$(PYTHON)" -m deployments.setup

rehearsal: setup ## run the whole checklist on this machine (APPROVE=auto|by-hand)
	@.venv/bin/python -m deployments.rehearsal run

drill: setup ## a rehearsal with one fault injected: NAME=prisma-pool|…|healthy SEED=1
	@.venv/bin/python -m deployments.rehearsal.drills run "$(NAME)" --seed "$(SEED)"

drills: setup ## every drill, with a table at the end (SEEDS="1 2 3")
	@.venv/bin/python -m deployments.rehearsal.drills all --seed $(SEEDS)

killmatrix: setup ## runs that die in every way, and what is left (hours; goes on where it stopped; KILLMATRIX=short is CI's part)
	$(call tested,KILLMATRIX="$(KILLMATRIX)" $(PYTEST) --numprocesses 2 --maxschedchunk 1 tests/killmatrix$(if $(filter short,$(KILLMATRIX)),/test_cells.py))

lint: setup ## style, types and import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test: lint ## lint, then unit and integration tests (the long ones are CI's)
	$(call tested,$(PYTEST) $(side_by_side) -m "not long" tests/integration tests/unit)

ci: ## test, the long tests, then runs that are stopped, refused and clicked through, then a rehearsal and the tests of its result
	@$(MAKE) --no-print-directory test </dev/null
	$(call tested,$(PYTEST) $(side_by_side) -m long tests/integration tests/unit)
	@$(MAKE) --no-print-directory killmatrix KILLMATRIX=short
	$(call tested,$(PYTEST) --numprocesses 2 $(by_file) \
		tests/rehearsal tests/browser -m "not slow" --ignore tests/rehearsal/test_complete_run.py)
	@$(MAKE) --no-print-directory rehearsal APPROVE=auto </dev/null
	$(PYTEST) tests/rehearsal/test_complete_run.py </dev/null

slow: setup ## what CI leaves out for its time: a drill, approvals in a browser, a continuous ramp, Ctrl-C while applying, the dead-man alarm
	$(PYTEST) tests/rehearsal -m slow </dev/null

bench: setup ## measure stopping, approving and analysing (about an hour; goes on where it stopped; BENCH=10x3 is shorter)
	$(PYTEST) tests/bench -s </dev/null

clean: ## remove what setup and rehearsals made; results in runs/ stay
	@if [ -x .venv/bin/python ]; then for stack in .rehearsal/stack.json .rehearsal/*/stack.json; do \
		if [ -f "$$stack" ]; then REHEARSAL_HOME="$${stack%/stack.json}" .venv/bin/python -m deployments.rehearsal down; fi; \
	done; fi
	rm -rf .venv .tools .rehearsal .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
