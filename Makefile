# What to do with this repository. `make` alone tells; every target may be run again at any time.

CARGO ?= cargo
RCUP = target/release/rcup
ROUNDS ?= 100
CHAOS ?= 200

export RUSTDOCFLAGS = -D warnings

.DEFAULT_GOAL := help
.PHONY: help up down check lint test test-hosts api bench bench-fixture soak soak-suite chaos images build clean

help: ## Tell what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  Variables: ARGS (more flags for up, bench and soak), ROUNDS (of the soak; $(ROUNDS)), CHAOS (runs; $(CHAOS))."

up: build ## Start a cluster of 3 masters with a replica each, and validate it
	scripts/ensure-docker.sh
	scripts/ensure-images.sh one
	$(RCUP) up --masters 3 --replicas 1 $(ARGS)
	@command -v rcup >/dev/null || echo 'rcup is $(RCUP); `cargo install --path .` puts it on the PATH'

down: build ## Remove all clusters that rcup has started
	$(RCUP) down --all

check: ## The fast part of the tests: format, lints, unit tests (no Docker)
	scripts/ensure-toolchain.sh
	$(MAKE) --no-print-directory lint
	$(CARGO) test --locked --lib

# As in the tests of the whole, so that both share what is compiled.
lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings

test: ## All tests, on a real engine, which is started if none answers
	scripts/check-commits.sh
	scripts/ensure-toolchain.sh
	scripts/ensure-docker.sh
	$(MAKE) --no-print-directory lint
	$(CARGO) doc --locked --no-deps --all-features
	$(CARGO) test --locked --no-run
	RCUP=target/debug/rcup scripts/ensure-images.sh tests
	scripts/ensure-compose.sh
	scripts/ensure-python.sh
	scripts/ensure-node.sh
	scripts/ensure-shellcheck.sh
	scripts/ensure-neighbours.sh
	scripts/ensure-sshd.sh
	scripts/test-all.sh
	$(CARGO) test --locked --test it -- --ignored api::

test-hosts: ## All tests of the deployment over SSH, also on machines with Valkey
	scripts/ensure-docker.sh
	$(CARGO) build --locked
	scripts/test-bare-metal.sh all
	RCUP_HOST_SUITE=trixie RCUP_HOST_ENGINE=valkey scripts/test-bare-metal.sh

api: ## Compare the library's public items with docs/api.txt (UPDATE_API=1 writes them)
	$(CARGO) test --locked --test it -- --ignored api::

bench: build ## Measure beside the raw API and the classic way (10 to 20 minutes)
	scripts/ensure-docker.sh
	scripts/ensure-images.sh one
	scripts/ensure-neighbours.sh
	$(CARGO) bench --locked --bench side_by_side -- $(ARGS)

bench-fixture: ## Measure what a fixture costs: sharing, resetting, reusing, ten at once (some minutes)
	scripts/ensure-docker.sh
	$(CARGO) build --locked
	RCUP=target/debug/rcup scripts/ensure-images.sh one
	$(CARGO) bench --locked --bench fixture -- $(ARGS)

soak: build ## Start, use and remove ROUNDS clusters, tolerating no error
	scripts/ensure-docker.sh
	scripts/ensure-images.sh tests
	$(CARGO) bench --locked --bench soak -- --rounds $(ROUNDS) $(ARGS)

chaos: ## End CHAOS runs by signals at random moments, and sweep once
	scripts/ensure-docker.sh
	$(CARGO) build --locked
	RCUP=target/debug/rcup scripts/ensure-images.sh tests
	RCUP_CHAOS=$(CHAOS) $(CARGO) test --locked --test it -- --nocapture docker::chaos::one_sweep

soak-suite: build ## Validate healthy clusters ROUNDS times, tolerating no alarm
	scripts/ensure-docker.sh
	scripts/ensure-images.sh tests
	$(CARGO) bench --locked --bench soak -- --healthy $(ROUNDS) $(ARGS)

images: build ## Make the local images that the tests use, where they are missing
	scripts/ensure-docker.sh
	scripts/ensure-images.sh tests

build: ## Build the released binary, target/release/rcup
	scripts/ensure-toolchain.sh
	$(CARGO) build --release --locked

clean: ## Remove what was compiled; clusters and images stay
	$(CARGO) clean
