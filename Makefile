# Run `make` to list the targets. Every target can be run again at any time.

CARGO ?= cargo
RCUP = target/release/rcup
ROUNDS ?= 100
CHAOS ?= 200

export RUSTDOCFLAGS = -D warnings

.DEFAULT_GOAL := help
.PHONY: help up down check lint test-fast test test-hosts test-engines api bench bench-fixture soak soak-suite chaos images build clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  Variables: ARGS (extra flags for up, bench and soak), ROUNDS (soak; $(ROUNDS)), CHAOS (runs; $(CHAOS))."

up: build ## Start a cluster of 3 masters and 3 replicas; installs Docker and gets an image if needed
	scripts/ensure-docker.sh
	scripts/ensure-images.sh one
	$(RCUP) up --masters 3 --replicas 1 $(ARGS)
	@command -v rcup >/dev/null || echo 'rcup is $(RCUP); `cargo install --path .` puts it on the PATH'

down: build ## Remove all clusters that rcup started
	$(RCUP) down --all

check: test-fast ## Same as test-fast

# The same cargo flags as in `make test`, so that both share compiled code.
lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked --no-default-features -- -D warnings

test-fast: ## Everything that needs no Docker: format, lints, docs, unit and integration tests
	scripts/check-commits.sh
	scripts/ensure-toolchain.sh
	$(MAKE) --no-print-directory lint
	$(CARGO) doc --locked --no-deps --all-features
	$(CARGO) test --locked --lib --bins
	scripts/ensure-python.sh
	scripts/ensure-node.sh
	scripts/ensure-shellcheck.sh
	$(CARGO) test --locked --test it -- --skip docker::

test: ## All tests, on a real Docker daemon; installs and starts one if needed
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
	scripts/ensure-registry.sh
	scripts/ensure-sshd.sh
	scripts/test-all.sh
	$(CARGO) test --locked --test it -- --ignored api::

test-hosts: ## All tests of `export bare-metal`: deployments over SSH, with Redis and with Valkey
	scripts/ensure-docker.sh
	$(CARGO) build --locked
	scripts/test-bare-metal.sh all
	RCUP_HOST_SUITE=trixie RCUP_HOST_ENGINE=valkey scripts/test-bare-metal.sh

test-engines: ## Every command on other container engines: Podman, rootless Docker, newer Docker
	scripts/ensure-docker.sh
	$(CARGO) build --locked
	RCUP=target/debug/rcup scripts/ensure-images.sh tests
	scripts/test-engines.sh

api: ## Compare the public API with docs/api.txt (UPDATE_API=1 rewrites the file)
	$(CARGO) test --locked --test it -- --ignored api::

bench: build ## Compare rcup with the raw Docker API and with docker-compose (10 to 20 minutes)
	scripts/ensure-docker.sh
	scripts/ensure-images.sh one
	scripts/ensure-neighbours.sh
	$(CARGO) bench --locked --bench side_by_side -- $(ARGS)

bench-fixture: ## Measure test fixtures: share, reset, reuse, ten in parallel (a few minutes)
	scripts/ensure-docker.sh
	$(CARGO) build --locked
	RCUP=target/debug/rcup scripts/ensure-images.sh one
	$(CARGO) bench --locked --bench fixture -- $(ARGS)

soak: build ## Start, use and remove ROUNDS clusters; fail on the first error
	scripts/ensure-docker.sh
	scripts/ensure-images.sh tests
	$(CARGO) bench --locked --bench soak -- --rounds $(ROUNDS) $(ARGS)

chaos: ## Kill CHAOS runs at random moments, then prune once and check that nothing is left
	scripts/ensure-docker.sh
	$(CARGO) build --locked
	RCUP=target/debug/rcup scripts/ensure-images.sh tests
	RCUP_CHAOS=$(CHAOS) $(CARGO) test --locked --test it -- --nocapture docker::chaos::one_sweep

soak-suite: build ## Validate healthy clusters ROUNDS times; fail on the first false alarm
	scripts/ensure-docker.sh
	scripts/ensure-images.sh tests
	$(CARGO) bench --locked --bench soak -- --healthy $(ROUNDS) $(ARGS)

images: build ## Build the local images that the tests use, if missing
	scripts/ensure-docker.sh
	scripts/ensure-images.sh tests

build: ## Build the release binary, target/release/rcup
	scripts/ensure-toolchain.sh
	$(CARGO) build --release --locked

clean: ## Remove build output; clusters and images stay
	$(CARGO) clean
