# Two commands for people: `make demo` and `make test`. Both make the virtual environment they need.
PYTHON ?= python3
VENV ?= .venv
OUT ?= out
BIN := $(VENV)/bin

.PHONY: demo test lint types unit clean

demo: $(VENV)/installed
	$(BIN)/nigra bids_example $(OUT) participant group --registration fast
	@echo "The pages: $(abspath $(OUT))/index.html"

test: lint types unit

lint: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-for-tests
	@mkdir -p .venv/src && ln -sfn ../.. .venv/src/nigra
	$(BIN)/mypy

unit: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest --numprocesses auto

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "nigra needs Python 3.11 to 3.13; try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-for-tests: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) $(OUT)
