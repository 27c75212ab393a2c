# The menu: `make` prints it, and every target shows the command that it runs.
.DEFAULT_GOAL := menu
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UV := $(or $(shell command -v uv 2>/dev/null),$(BIN)/uv)
# Recursive, so that the interpreters are started only by the one recipe that needs a path.
PYTHON = $(or $(firstword $(foreach v,3 3.13 3.12 3.11 3.14,$(shell command -v python$v >/dev/null 2>&1 && \
    python$v -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo python$v))),python3)
ARGS ?=

# Jobs run in containers where a Docker engine answers, else on the embedded stack; STACK=embedded or STACK=compose forces one.
ifneq ($(filter-out embedded compose,$(STACK)),)
  $(error STACK is '$(STACK)': use STACK=embedded or STACK=compose)
endif
ENGINE = $(shell docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 && echo compose || echo embedded)
JOB_STACK = $(or $(STACK),$(ENGINE))
DEMO_STACK = $(or $(STACK),embedded)

NO_ENGINE = "No Docker engine answers: 'docker info' or 'docker compose version' failed." \
    "Next: start Docker, or leave STACK=compose out: the embedded stack needs no Docker."

EMBEDDED := $(BIN)/shoreline --embedded
COMPOSE := docker compose run --rm

.PHONY: menu
menu:
	@awk -F':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nOptions of a job:          make restore ARGS="--into scratch"\nHelp for a job:            make restore ARGS=--help\n'

##@ Start here
.PHONY: demo test
demo: ## run the whole loop: backup, restore, lake, cleanup
	@$(MAKE) in-$(DEMO_STACK) JOB=demo

# One more than there are cores, because tests wait for the servers.
TESTERS = $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)))

# The bytecode of the tests is kept, so that pytest rewrites their assertions once.
test: $(INSTALLED) ## all tests except the container tests
	@echo "stack: embedded" >&2
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(TESTERS) --dist worksteal $(ARGS)

##@ The stack
.PHONY: up down
up: ## start PostgreSQL and LocalStack
	@$(MAKE) up-$(JOB_STACK)
down: ## stop them
	@$(MAKE) down-$(JOB_STACK)

##@ Backups
.PHONY: setup database backup backups restore drill prune status
setup: ## create the bucket (private, encrypted, tagged)
database: ## create the sample database
backup: ## write a verified dump to S3
backups: ## list the backups
restore: ## restore a backup into a database
drill: ## prove that the newest backup restores
prune: ## delete the backups that retention does not keep
status: ## show the newest backup, the last drill, what is stale

##@ Lake
.PHONY: lake generate export upload compact athena
# Only generate gets ARGS, because each job refuses the options of another.
lake: ## generate, upload, athena; ARGS are generate's
	@$(MAKE) in-$(JOB_STACK) JOB=generate
	@$(MAKE) in-$(JOB_STACK) JOB=upload ARGS=
	@$(MAKE) in-$(JOB_STACK) JOB=athena ARGS=
generate: ## write sample orders and events as Parquet
export: ## write PostgreSQL's tables as Parquet
upload: ## send the Parquet files to S3
compact: ## merge the small files of a day
athena: ## create the tables, run the sample queries

##@ Afterwards
.PHONY: cleanup cost
cleanup: ## delete everything that Shoreline created, verify it
cost: $(INSTALLED) ## write COST_ANALYSIS.md from prices and measurements
	$(BIN)/shoreline cost $(ARGS)

# These jobs are not on the menu.
.PHONY: query tables preflight iam audit prices receipts schedule
setup database backup backups restore drill prune status generate export upload compact athena cleanup \
query tables preflight iam audit prices receipts schedule:
	@$(MAKE) in-$(JOB_STACK) JOB=$@

##@ Development
.PHONY: check contracts test-containers bench bench-check fuzz clean
check: $(INSTALLED) ## lint, spelling, types, imports, COST_ANALYSIS.md
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tests.class_names
	$(BIN)/shoreline cost --check

contracts: $(INSTALLED) ## record new JSON keys, options, settings, formats
	@echo "stack: embedded" >&2
	$(BIN)/pytest tests/contracts/test_runs.py tests/contracts/test_names.py --record-contracts $(ARGS)

test-containers: $(INSTALLED) ## the container tests; needs a Docker engine
	@echo "stack: compose" >&2
	$(BIN)/pytest tests/containers $(ARGS)

bench: $(INSTALLED) ## compare with other programs: BENCH=NAME, SIZE=small
	@echo "stack: embedded" >&2
	$(BIN)/python -m benchmarks $(BENCH) --size $(or $(SIZE),medium) $(ARGS)

bench-check: $(INSTALLED) ## fail when a measured ratio has halved
	@echo "stack: embedded" >&2
	$(BIN)/python -m benchmarks $(BENCH) --check $(ARGS)

fuzz: $(INSTALLED) ## check 10,000 mutated queries against the guard
	$(BIN)/python -m benchmarks.fuzz $(ARGS)

clean: ## stop the embedded stack, remove what make created here
	@if [ -x $(BIN)/shoreline ]; then $(BIN)/shoreline down; fi
	rm -rf .local output receipts $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: in-embedded in-compose up-embedded up-compose down-embedded down-compose
in-embedded: $(INSTALLED)
	@echo "stack: embedded" >&2
	$(EMBEDDED) $(JOB) $(ARGS)

in-compose: engine .env
	@echo "stack: compose" >&2
	$(COMPOSE) $(JOB) $(ARGS)

up-embedded: $(INSTALLED)
	@echo "stack: embedded" >&2
	$(BIN)/shoreline up

up-compose: engine .env
	@echo "stack: compose" >&2
	docker compose up --detach --wait postgres localstack

down-embedded: $(INSTALLED)
	@echo "stack: embedded" >&2
	$(BIN)/shoreline down

down-compose: engine .env
	@echo "stack: compose" >&2
	docker compose down
	@echo "Kept: PostgreSQL's data. Gone: LocalStack's objects, which include the offline backups." >&2

# Needed for STACK=compose only: otherwise make chose containers because an engine answered.
.PHONY: engine
engine:
	@$(if $(and $(filter compose,$(STACK)),$(filter embedded,$(ENGINE))),printf '%s\n' $(NO_ENGINE) >&2; exit 22)

.env: | engine
	cp .env.example .env

$(INSTALLED): pyproject.toml uv.lock
	@test -x "$(UV)" || { echo "installing uv into $(VENV)" >&2; $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; }
	@test -e $@ || echo "first use: Python packages, PostgreSQL and LocalStack take 1-2 minutes and 1.2 GB; 'make clean' removes them" >&2
	@echo "installing Python packages into $(VENV)" >&2
	$(UV) sync --frozen --inexact --quiet
	@touch $@
