# On a fresh machine, two commands do everything: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test coverage lint format docs build clean

demo: $(VENV)/.demo
	$(BIN)/ner-retriever demo

test: lint
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest --nbmake examples

# Report the lines of the package that no test runs; code run in subprocesses counts as well.
coverage: $(VENV)/.test
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-report=xml

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

build: $(BIN)/python
	$(PIP) build
	$(BIN)/python -m build

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing into $(VENV) (some minutes the first time)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PIP) --editable ".[train,eval,dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.demo
	$(PIP) --editable ".[docs]"
	@touch $@

clean:
	rm -rf $(VENV) site dist .pytest_cache .mypy_cache .ruff_cache
