# Two commands do everything on a machine with Python 3.11+, make and git: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# Rooms whose tests are quick and start no processes. Tracing every line makes Python half as fast again before 3.12, so
# the coverage is measured on these, with SQLite alone.
COVERED := tests/hashing tests/encoding tests/ingest tests/search tests/store tests/web/routes

.PHONY: help demo test test-long coverage lint clean

help:
	@echo "make demo       learn codes of the docstrings on this machine, serve them on 127.0.0.1:8000"
	@echo "make test       run the tests, on SQLite and on a real PostgreSQL"
	@echo "make test-long  run the slow tests that make test leaves out: real processes, long trainings, many examples"
	@echo "make coverage   the share of lines of service/ that the quick tests of its rooms run, on SQLite"
	@echo "make lint       style, types, import contracts"
	@echo "make clean      remove what make made (.venv, var)"

demo: $(VENV)/.installed
	@$(BIN)/nearbit demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses 2 -m "not long" $(PYTEST_ARGS)

test-long: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses 2 -m "long or hypothesis" --hypothesis-profile=thorough $(PYTEST_ARGS)

coverage: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses 2 -m "not long" -k "not postgres" --cov --cov-report=term $(COVERED)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nearbit needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing nearbit into $(VENV) (a few minutes the first time)"
	@$(PIP) torch
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(PIP) --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) .coverage var build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
