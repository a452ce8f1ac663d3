# Commands for people: `make demo`, `make docs` and `make test`. Each makes the virtual environment it needs.
PYTHON ?= python3
VENV ?= .venv
OUT ?= out
BIN := $(VENV)/bin

.PHONY: demo docs docs-links test lint types unit clean

demo: $(VENV)/installed
	$(BIN)/nigra bids_example $(OUT) participant group
	@echo "The pages: $(abspath $(OUT))/index.html"

# A folder for each version; pages of other versions stay.
docs: $(VENV)/installed-for-docs
	$(BIN)/python -m sphinx -W --keep-going -b html -d build/doctrees docs build/docs/$$($(BIN)/python -m nigra --version | cut -d' ' -f2)
	@echo "The pages: $(abspath build/docs)"

# Needs a network: links to elsewhere.
docs-links: $(VENV)/installed-for-docs
	$(BIN)/python -m sphinx -W --keep-going -b linkcheck -d build/doctrees docs build/links

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
	$(BIN)/python -m pip install --quiet --editable '.[docs,test]'
	@touch $@ $(VENV)/installed

$(VENV)/installed-for-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) $(OUT)
