# cipherstream: `make demo` and `make test` work from a fresh clone. Downloads and builds are kept in the user's
# cache (XDG_CACHE_HOME, ~/.cache by default), so they happen once per machine and change.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.8.22
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cipherstream
# A Python without wheels of the locked versions would fail late, in the middle of a compilation.
CHECK_PYTHON := import sys; found = "%d.%d" % sys.version_info[:2]; \
  sys.exit(None if found in ("3.11", "3.12") else "Python 3.11 or 3.12 is needed, not " + found + ": make PYTHON=python3.11")
# The wheels' builder and uv find each other on the path.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help
help:
	@echo "make install   the environment, the native wheels and the devnet's servers"
	@echo "make demo      an encrypted transfer, from the chain to its digest on the gateway"
	@echo "make test      lint, strict types and every test, those of the Rust kernel too"
	@echo "make lint      lint and strict types only"

.PHONY: install
install: wheels
	@$(BIN)/python -m streams.devnet.install

.PHONY: wheels
wheels: $(INSTALLED)
	@$(BIN)/python tools/build_wheels.py --python $(BIN)/python

$(INSTALLED): requirements.lock pyproject.toml
	@python="$(BIN)/python"; test -x "$$python" || python="$(PYTHON)"; "$${python:-python3}" -c '$(CHECK_PYTHON)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test "$$($(BIN)/uv --version 2>/dev/null | cut -d' ' -f2)" = $(UV_VERSION) \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: install
	@$(BIN)/cipherstream demo $(DEMO_FLAGS)

.PHONY: lint
lint: wheels
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright

# Where the wheels were built: what cargo needs is on this machine already, and nothing is compiled twice.
.PHONY: test-kernel
test-kernel: wheels
	@CARGO_TARGET_DIR="$(CACHE)/target" RUSTFLAGS= cargo test --release --locked --quiet \
	  --manifest-path native/Cargo.toml --package cipherstream-kernel --no-default-features

# Two at a time: tests of servers mostly wait, those of the engines mostly compute (groups: tests/conftest.py).
# The long groups come first, so that the short ones fill what is left.
.PHONY: test
test: install lint test-kernel
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder tests/acceptance tests/integration tests/unit
