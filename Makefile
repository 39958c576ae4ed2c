# Two commands do everything on a machine with Python 3.11+, make and git: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
CONSTRAINTS := constraints.txt
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS)

# Rooms whose tests are quick and start no processes. Tracing every line makes Python half as fast again before 3.12, so
# the coverage is measured on these, with SQLite alone.
COVERED := tests/hashing tests/encoding tests/ingest tests/search tests/store tests/web/routes

# Rooms whose answers come from loops that differ with the processor: numba's, numpy's and torch's.
PATHS := tests/index tests/search tests/hashing tests/encoding
ON_PATHS = $(BIN)/python -m pytest --numprocesses 2 -m "not long" -k "not postgres" $(PYTEST_ARGS) $(PATHS)

.PHONY: help demo demo-images test test-long test-oldest test-paths coverage lint clean

help:
	@echo "make demo         learn codes of the docstrings on this machine, serve them on 127.0.0.1:8000"
	@echo "make demo-images  the same of scikit-learn's handwritten digits, and var/demo-images/neighbors.png"
	@echo "make test         run the tests, on SQLite and on a real PostgreSQL"
	@echo "make test-long    run the slow tests that make test leaves out: real processes, long trainings, many examples"
	@echo "make test-oldest  the tests with the oldest versions that pyproject.toml allows, on Python 3.11 in .venv-oldest"
	@echo "make test-paths   the tests of what computes, as on processors without AVX-512, without AVX, and without numba"
	@echo "make coverage     the share of lines of service/ that the quick tests of its rooms run, on SQLite"
	@echo "make lint         style, types, import contracts"
	@echo "make clean        remove what make made (.venv, .venv-oldest, var)"

demo: $(VENV)/.installed
	@$(BIN)/nearbit demo

demo-images: $(VENV)/.installed
	@$(BIN)/nearbit demo-images

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses 2 -m "not long" $(PYTEST_ARGS)

test-long: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses 2 -m "long or hypothesis" --hypothesis-profile=thorough $(PYTEST_ARGS)

test-oldest:
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt

test-paths: $(VENV)/.installed-test
	NEARBIT_KERNEL=numpy $(ON_PATHS)
	NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES= $(ON_PATHS)
	NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4" ATEN_CPU_CAPABILITY=default $(ON_PATHS)

coverage: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses 2 -m "not long" -k "not postgres" --cov --cov-report=term $(COVERED)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v tsc >/dev/null; then tsc -p service/web/ui/jsconfig.json; \
	else echo "no tsc on this machine: the types of the page are not checked"; fi

$(VENV)/.installed: pyproject.toml client/pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nearbit needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing nearbit into $(VENV) (a few minutes the first time)"
	@$(PIP) torch
	@$(PIP) --editable ./client
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(PIP) --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-oldest .coverage var build *.egg-info client/build client/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
