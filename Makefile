# `make demo` and `make test` are all a fresh machine needs; each sets up .venv by itself, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test lint format docs examples release-check clean

setup: $(STAMP)

# torch goes first and alone: asked for by another package it may come as another build. Nothing is fetched again until
# pyproject.toml or constraints.txt change, so that everything after works without a network.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/predictor demo

# Two workers: the tests score models, and each worker keeps one core busy. In the order of the folders: by number of tests,
# the long soak test would come last and be waited for alone.
test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Runs the commands whose output pages show, and writes the output into the pages.
examples: setup
	$(BIN)/python docs/site/examples.py --write

# Builds sdist and wheel, installs the wheel outside the checkout, and makes a forecast, a report and a short demo with it.
release-check: setup
	containers/release_check.sh $(BIN)/python

clean:
	rm -rf $(VENV) demo build dist
