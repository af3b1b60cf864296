# Each target makes what it needs: a .venv pinned by constraints.txt, and Overscan installed into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := $(shell find core service plugins proto examples -type f -not -path '*/__pycache__/*' 2>/dev/null)

# Three at a time on two cores: many tests wait for processes. Those of one file stay together, for they share what they
# set up; files go in their own order, for by their number of tests the longest would come last, with nothing beside it.
AT_ONCE ?= 3
PYTEST := $(BIN)/python -m pytest -n $(AT_ONCE) --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all lint format types quick-tests all-tests benchmark clean

demo: $(VENV)/installed ## extend the example plate, and say how well it went
	$(BIN)/overscan demo --out demo

test: format $(VENV)/installed-models ## format, lint, types, and every test but the slow ones
	$(MAKE) --jobs=2 types quick-tests

test-all: format $(VENV)/installed-models ## the slow and load tests too
	$(MAKE) --jobs=2 types all-tests

quick-tests: $(VENV)/installed-models
	$(PYTEST) -m "not slow"

all-tests: $(VENV)/installed-models
	$(PYTEST)

lint: format types

format: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	cd proto && ../$(BIN)/buf lint

types: $(VENV)/installed
	$(BIN)/mypy -p overscan.chunks -p overscan.core -p overscan.service -p overscan.client -p overscan.cli -p overscan_host -p overscan_nuke -p overscan_resolve

DATA ?= ../shared/data
SUITES ?=
benchmark: $(VENV)/installed-benchmarks ## all tables, for hours; DATA=folder, SUITES="hdr speed"
	$(BIN)/python benchmarks/run.py $(SUITES) --data $(DATA)

clean:
	rm -rf $(VENV) build *.egg-info demo .mypy_cache .pytest_cache .ruff_cache

# Nothing is installed in editable mode: type checkers cannot see through such an install's folder mapping.
$(VENV)/installed: $(VENV)/build-tools pyproject.toml setup.py $(SOURCES)
	rm -rf build
	$(PIP) install --constraint constraints.txt --no-build-isolation '.[dev]'
	touch $@

# What learned engines run with: large, and nothing but they and their tests need it.
$(VENV)/installed-models: $(VENV)/installed
	$(PIP) install --constraint constraints.txt --no-build-isolation '.[models]'
	touch $@

$(VENV)/installed-benchmarks: $(VENV)/installed
	$(PIP) install --constraint constraints.txt --no-build-isolation '.[benchmarks]'
	touch $@

$(VENV)/build-tools: constraints.txt $(VENV)/bin/python
	$(PIP) install --constraint constraints.txt setuptools wheel grpcio-tools mypy-protobuf
	touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "Overscan needs Python 3.10 or later; point make at one: make PYTHON=python3.11 demo"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
	  || { echo "This Python cannot make virtual environments. On Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
