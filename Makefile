# Every target sets up what it needs: `make demo` on a fresh clone is enough.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
ARGS ?=
SCREENSHOTS ?= screenshots
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --extra embedded

# Some machines forbid it; then each of the many processes of a test run compiles all its modules anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test soak simulate model fuzz threats audit check bench screenshots lock docs messages wheel
.PHONY: lint format types clean

help: ## this list
	@$(PYTHON) -c 'import re; [print(f"make {n:11} {t}") for n, t in re.findall(r"^([a-z]+):.*?## (.*)", open("Makefile").read(), re.M)]'

setup: .venv/.installed ## the environment, in .venv

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) .ci/environment.py requirements.lock && : > $@

.venv/.dev: .venv/.installed requirements-dev.lock
	@$(PYTHON) .ci/environment.py requirements-dev.lock && : > $@

demo: setup ## first run: starts everything, sends an issue to a local inbox (ARGS=--once exits after the messages)
	@$(BIN)/digest up --demo $(ARGS)

test: .venv/.dev ## all tests; says what ran on which server, and what was skipped for want of one
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

soak: .venv/.dev ## what takes an hour: real time-outs, random faults, ten thousand messages (ARGS="--soak-minutes 60")
	@$(BIN)/python -m pytest tests/soak --soak $(ARGS)

model: .venv/.dev ## every order of two workers, a crash and a fault, by the product's own steps (ARGS="--without journal")
	@$(BIN)/python -m benchmarks.model $(ARGS)

FUZZED := tests/ledger/test_both_databases.py tests/ledger/test_totals.py tests/subscribers/test_any_life.py
PROPERTIES = $(shell grep -rl --include="*.py" "^@given" tests)

fuzz: .venv/.dev ## long random histories, many examples of properties, and 15 minutes of hostile bytes (ARGS="--seconds 10")
	@TRACES=400 HISTORIES=400 LIVES=400 $(BIN)/python -m pytest $(FUZZED) -n 0 --timeout 3600
	@$(BIN)/python -m pytest $(PROPERTIES) -n auto --hypothesis-profile many --timeout 3600
	@$(BIN)/python -m benchmarks.fuzz $(ARGS) || [ $$? = 3 ]

threats: .venv/.dev ## takes out each defence of docs/security.md: its test must fail (ARGS="T4 T9" for some)
	@$(BIN)/python -m benchmarks.threats $(ARGS)

audit: .venv/.dev ## known vulnerabilities and licences of the pinned packages (ARGS="--data all.zip" without internet)
	@$(BIN)/python -m benchmarks.audit $(ARGS)

simulate: .venv/.dev ## delivery on a virtual clock with crashes and faults, a new seed each run (ARGS="--runs 20000 --state FILE")
	@$(BIN)/python -m benchmarks.simulate --runs 200 $(ARGS)

check: lint types test ## what CI runs: lint, types, imports, tests

lint: .venv/.dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: .venv/.dev
	@$(BIN)/mypy

# Small ones, a few minutes in all; docs/delivery.md has the full ones. Exit code 3: this machine lacks what it needs.
BENCHMARKS := "compose" "ranking" "delivery --subscribers 5000 --rounds 1 --obvious" "faults --kills 4 --mails 2000" "halting"

bench: .venv/.dev ## every benchmark, small, as ratios to a reference in the same run (ARGS=--json)
	@for run in $(BENCHMARKS); do \
	  echo "benchmarks.$$run" >&2; $(BIN)/python -m benchmarks.$$run $(ARGS) || [ $$? = 3 ] || exit 1; done

screenshots: .venv/.dev ## pictures of every page and email, side by side, in SCREENSHOTS=screenshots
	@$(BIN)/python -m tests.support.pictures $(SCREENSHOTS)

# No header with the time of day, so that nothing changes when no text has changed.
BABEL := $(BIN)/pybabel --quiet

messages: .venv/.dev ## collect the texts for subscribers into locale/ (docs/languages.md)
	@$(BABEL) extract -F pyproject.toml -k n_:1,2 -c Translators: -s --omit-header --no-location --sort-output -o locale/digest.pot digest templates
	@$(BABEL) update -D digest -i locale/digest.pot -d locale --ignore-pot-creation-date

wheel: setup ## what to install elsewhere, in dist/
	@$(BIN)/python -m hatchling build -t wheel

docs: setup ## regenerate .env.example, docs/configuration.md and docs/openapi.json
	@$(BIN)/python -m digest.settings.reference
	@$(BIN)/python -m digest.web.api.reference

format: .venv/.dev ## let ruff format and mend
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: .venv/.dev ## regenerate the lock files: hashes, no download address
	@$(COMPILE) --upgrade --group build -o requirements.lock
	@$(COMPILE) --upgrade --group dev --constraint requirements.lock -o requirements-dev.lock

clean: ## remove the environment and the demo's data, never an installation's
	rm -rf .venv .digest/demo dist
