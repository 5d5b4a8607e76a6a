.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
ROWS ?=
DATA ?= ../shared/data
SEED ?= 1
export PYTHONDONTWRITEBYTECODE ?=

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml
	@echo "Setting up $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	@echo "Adding the tools for tests and checks (once)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/run.stamp ## set up the virtual environment only

run: $(VENV)/run.stamp ## set up, start the service and replay a made-up week of a city
	@$(BIN)/tanpuhui serve --demo

test: $(VENV)/dev.stamp ## run all tests on the embedded PostgreSQL and Redis
	@$(BIN)/python -m pytest -q -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

$(VENV)/spark.stamp: $(VENV)/dev.stamp requirements/spark.txt
	@echo "Adding PySpark, some 450 MB (once)"
	@$(PIP) install --require-hashes -r requirements/spark.txt
	@touch $@

test-spark: $(VENV)/spark.stamp ## the backtest's tests with PySpark in local mode; needs Java 17 or newer
	@java -version > /dev/null 2>&1 || { echo "test-spark needs a Java runtime, 17 or newer (java on the PATH)"; exit 1; }
	@$(BIN)/python -m pytest -q tests/backtest

lint: $(VENV)/dev.stamp ## ruff, strict types, import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/dev.stamp ## measure everything, write bench.json (ROWS=name,name for some)
	@$(BIN)/tanpuhui bench --rows "$(ROWS)"

bench-quick: $(VENV)/dev.stamp ## the same, smaller, in under 5 minutes
	@$(BIN)/tanpuhui bench --quick --rows "$(ROWS)"

bench-dedup: $(VENV)/dev.stamp ## how well one act is told from two (DATA=folder SEED=number)
	@$(BIN)/tanpuhui bench-dedup --data "$(DATA)" --seed "$(SEED)"

openapi: $(VENV)/run.stamp ## export the OpenAPI document
	@$(BIN)/tanpuhui openapi --out openapi/openapi.json

methodologies: $(VENV)/run.stamp ## write the catalogue page to docs/methodologies.md
	@$(BIN)/python -m app.catalogue_page

verify: $(VENV)/run.stamp ## check every invariant over the database
	@$(BIN)/tanpuhui verify

lock: ## compile the pinned requirements anew (needs uv)
	@uv pip compile pyproject.toml requirements/build.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate -q --custom-compile-command "make lock" -o requirements/run.txt
	@uv pip compile pyproject.toml requirements/build.in --extra dev -c requirements/run.txt --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate -q --custom-compile-command "make lock" -o requirements/dev.txt
	@uv pip compile pyproject.toml requirements/build.in --extra dev --extra spark -c requirements/dev.txt --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate -q --custom-compile-command "make lock" -o requirements/spark.txt

.PHONY: help setup run test test-spark lint bench bench-quick bench-dedup openapi methodologies verify lock
