# Every target sets up what it needs: `make demo` on a fresh clone is enough.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
BIN := .venv/bin
ARGS ?=

.PHONY: help setup demo test check bench lock docs lint format types clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.installed ## the environment, in .venv

.venv/.installed: requirements.lock pyproject.toml
	@PYTHON=$(PYTHON) sh .ci/environment

demo: setup ## first run: starts everything, sends an issue to a local inbox (ARGS=--once exits after the mail)
	@$(BIN)/digest up --demo $(ARGS)

test: setup ## all tests; says what ran on which server, and what was skipped for want of one
	@$(BIN)/python -m pytest $(ARGS)

check: lint types test ## what CI runs: lint, types, imports, tests

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-logo

types: setup
	@$(BIN)/mypy

bench: setup ## every benchmark that is there, as ratios to a reference in the same run
	@for file in benchmarks/[a-z]*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py) $(ARGS) || exit 1; done

docs: setup ## regenerate .env.example and docs/configuration.md from the settings
	@$(BIN)/python -m digest.settings_reference

format: setup
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: setup ## regenerate requirements.lock: hashes, no download address
	@$(BIN)/uv pip compile pyproject.toml --extra embedded --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements.lock

clean: ## remove the environment and the demo's data
	rm -rf .venv .digest dist
