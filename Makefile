# Everything there is to do with this project. Each target sets up what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export CARGO_TARGET_DIR ?= $(CURDIR)/target
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

BIN := $(CARGO_TARGET_DIR)/debug/hallpass
SITE := target/site/.stamp
SITE_INPUTS := $(shell find src/domain src/islands src/server/ui src/lib.rs style public Cargo.toml Cargo.lock package-lock.json -type f 2>/dev/null)

.PHONY: help run test check bench fuzz fmt setup setup-browser setup-proxies setup-postgres site clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup site ## Build and serve a demo with its own login, no configuration needed
	@scripts/step "Building the server (a few minutes the first time, seconds afterwards)" cargo build --features ssr --bin hallpass
	@exec $(BIN) serve --demo

test: setup setup-browser setup-proxies setup-postgres site ## Run every check and test
	@scripts/test

check: setup ## Format, lints and fast tests only
	@scripts/step "Checking the format" cargo fmt --check
	@scripts/step "Linting the server" cargo clippy --features ssr --all-targets -- -D warnings
	@scripts/step "Linting the browser part" cargo clippy --lib --features hydrate --target wasm32-unknown-unknown -- -D warnings
	@scripts/step "Running the tests beside the code" cargo nextest run --features ssr --lib

bench: setup site ## Measure /check against a bare handler, in release mode (ARGS="--only hot")
	@scripts/bench $(ARGS)

fuzz: setup site ## Fuzz the reading of credentials for ten minutes
	@scripts/fuzz

fmt: ## Format the code
	@cargo fmt

setup:
	@scripts/setup

setup-browser:
	@scripts/setup-browser

setup-proxies:
	@scripts/setup-proxies

setup-postgres:
	@scripts/setup-postgres

site: $(SITE)

$(SITE): $(SITE_INPUTS) | setup
	@scripts/step "Building the browser part (about 3 minutes the first time)" cargo leptos build --release --frontend-only --precompress
	@touch $@

clean: ## Remove what was built
	@rm -rf target node_modules
