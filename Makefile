# The commands of a checkout. Each makes its own virtual environment, and needs only Python, make
# and a package index: `make demo`, `make test`, `make check`, `make bench`, `make docs`,
# `make clean`.

PYTHON ?= python3
VENV ?= .venv
# What `make test` installs: "test", or "test-plain" to test without Numba.
TEST_EXTRA ?= test
# Processes that run the tests ("auto": one per core), further options for pytest and for pip install.
JOBS ?= auto
PYTEST_FLAGS ?=
PIP_FLAGS ?=

BIN = $(VENV)/bin
DOCTEST = --doctest-modules --doctest-glob='*.rst' \
	--ignore=docs/api/generated --ignore=docs/auto_gallery --ignore=docs/conf.py --ignore=docs/gallery

.DELETE_ON_ERROR:
.PHONY: help demo test check bench docs clean

help:
	@echo 'make demo   run docs/gallery/quickstart.py: a table, and a figure under build/'
	@echo 'make test   run all tests'
	@echo 'make check  ruff, mypy, import-linter, doctests, documentation without warnings'
	@echo 'make bench  time lazyop beside its peers: a table, JSON and a figure in benchmarks/results/'
	@echo 'make docs   build the documentation into build/docs'
	@echo 'make clean  remove what these made'

demo: $(VENV)/installed-demo
	MPLBACKEND=Agg $(BIN)/python docs/gallery/quickstart.py

bench: $(VENV)/installed-bench
	$(BIN)/python benchmarks/compare.py

# One BLAS thread in each process, as the processes already fill the cores.
test: $(VENV)/installed-$(TEST_EXTRA)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_FLAGS)

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir build/cache/import-linter
	$(BIN)/python -m pytest $(DOCTEST) lazyop docs
	$(MAKE) docs

docs: $(VENV)/installed-dev
	rm -rf docs/api/generated
	$(BIN)/sphinx-build -q -W --keep-going -b html -d build/doctrees docs build/docs

clean:
	rm -rf .venv build dist docs/api/generated docs/auto_gallery docs/sg_execution_times.rst .hypothesis .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for each extra, so that a second call installs nothing unless pyproject.toml changed.
$(VENV)/installed-%: pyproject.toml $(VENV)/made
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) --editable '.[$*]'
	@touch $@

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lazyop needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@
