# Two commands set everything up: `make demo` and `make test`. Python 3.11 to 3.13 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# On all cores, where pip takes one. Not left to the first use: where Python may not write what it
# compiles (PYTHONDONTWRITEBYTECODE), TensorFlow starts in 19 s instead of 10, and each process of our
# own code takes a tenth of a second to half a second more. Some packages hold templates that are no
# Python: those fail, and need not do otherwise. Nobody runs their own tests, imports what mypy is
# compiled from, or looks for one of 500 languages to colour or of 100 services to notify.
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/(tests?|mypyc?|pygments/lexers|apprise/plugins)/' \
  $(VENV)/lib artemis flows cli.py || true
# Two processes, each with a Prefect server and a browser of its own (three take longer on two cores).
# A file's tests stay together, in the order of tests/conftest.py. (Groups of one's own, `loadgroup`, are
# passed over without a word by pytest 9.2: github.com/pytest-dev/pytest-xdist/issues/1386.)
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help demo setup train-setup dask-setup openvino-setup dev-setup test check format lock samples screenshots reference clean

help:            ## List the targets.
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: .*## /\t/' | expand -t 16

demo: setup      ## Set up and classify the sample batch with both trained models.
	$(BIN)/artemis-cli classify-batch data/samples

setup: $(VENV)/.base            ## Install what classifying and reporting need (no TensorFlow).
train-setup: $(VENV)/.train     ## Install what training needs as well.
dask-setup: $(VENV)/.dask       ## Install what `--engine dask` needs as well.
openvino-setup: $(VENV)/.openvino  ## Install what ARTEMIS_RUNTIME=openvino needs as well.
dev-setup: $(VENV)/.dev         ## Install what the checks and tests need as well.

test: $(VENV)/.dev $(VENV)/.chromium $(VENV)/.axe  ## Set up and pass all tests, fast ones first.
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

check: $(VENV)/.dev             ## ruff, and mypy in strict mode.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev            ## Mend what ruff can mend.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

samples: $(VENV)/.dev           ## Make data/samples again.
	$(BIN)/python tests/make_samples.py data/samples

screenshots: $(VENV)/.dev $(VENV)/.chromium  ## Make reports/example and its pictures again.
	$(BIN)/python tests/make_screenshots.py

reference: $(VENV)/.base        ## Make docs/reference.md again, out of the code.
	$(BIN)/python -m tests.make_reference

lock:            ## Resolve the locks anew: versions and hashes, no addresses.
	$(PYTHON) tests/make_locks.py

clean:           ## Remove what `make` made; runs, labels and models in data/ stay.
	rm -rf $(VENV) tests/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Artemis needs Python 3.11 to 3.13; choose one: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Could not make a virtual environment. On Debian: apt-get install python3-venv" >&2; exit 1; }

# --no-deps: the lock is complete, and what it does not name must not come in.
$(VENV)/.base: requirements/base.txt pyproject.toml $(VENV)/bin/python
	@echo "Installing Artemis (the first time takes a few minutes) ..."
	$(PIP) install --no-compile --require-hashes --no-deps -r requirements/base.txt
	@$(COMPILE)
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.train: requirements/train.txt $(VENV)/.base
	@echo "Installing TensorFlow ..."
	$(PIP) install --no-compile --require-hashes --no-deps -r requirements/train.txt
	@$(COMPILE)
	@touch $@

$(VENV)/.dask: requirements/dask.txt $(VENV)/.base
	@echo "Installing Dask ..."
	$(PIP) install --no-compile --require-hashes --no-deps -r requirements/dask.txt
	@$(COMPILE)
	@touch $@

$(VENV)/.openvino: requirements/openvino.txt $(VENV)/.base
	@echo "Installing OpenVINO ..."
	$(PIP) install --no-compile --require-hashes --no-deps -r requirements/openvino.txt
	@$(COMPILE)
	@touch $@

# By two processes, since pip unpacks on one core: no lock names what another does. And no more of
# them: each start of pip, and each look for what is to be compiled, takes seconds.
EXTRAS := dask openvino dev
$(VENV)/.dev: requirements/train.txt $(EXTRAS:%=requirements/%.txt) $(VENV)/.base
	@echo "Installing TensorFlow, Dask, OpenVINO and the tools of the checks and tests ..."
	$(PIP) install --no-compile --require-hashes --no-deps -r requirements/train.txt & beside=$$!; \
	$(PIP) install --no-compile --require-hashes --no-deps $(EXTRAS:%=-r requirements/%.txt); \
	ended=$$?; wait $$beside && exit $$ended
	@$(COMPILE)
	@touch $(VENV)/.train $(EXTRAS:%=$(VENV)/.%)

# The accessibility tests use axe-core, of a pinned hash; without npm they are skipped and say so.
$(VENV)/.axe: tests/node/package-lock.json $(VENV)/bin/python
	@if command -v npm >/dev/null; then npm ci --prefix tests/node --ignore-scripts --no-audit --no-fund --silent \
	  || echo "axe-core could not be installed: its tests will be skipped."; \
	  else echo "No npm found: the accessibility tests will be skipped. On Debian: apt-get install npm"; fi
	@touch $@

# The browser tests use the system's Chromium; without one they are skipped and say so.
$(VENV)/.chromium: $(VENV)/bin/python
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	  || command -v google-chrome >/dev/null \
	  || echo "No Chromium found: browser tests will be skipped. On Debian: apt-get install chromium"
	@touch $@
