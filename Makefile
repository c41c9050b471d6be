# make demo   from nothing to a Pareto front of exported networks
# make test   lint, types and tests
# make bench  the benchmarks, in their quick form
# make setup  .venv alone

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := search methods surrogates actors cluster __init__.py py.typed

.PHONY: setup demo test lint types bench clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "secateur needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version); call: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/secateur search

test: lint types
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Type checkers cannot follow an editable install of a package mapped onto the root: give them links.
types: setup
	@mkdir -p build/typing/secateur
	@ln -sfn $(addprefix $(CURDIR)/,$(ROOMS)) build/typing/secateur/
	$(BIN)/mypy

bench: setup
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark --quick || exit 1; done

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
