#!/bin/sh
# Runs the tests that need root: they start a Docker daemon in a separate network namespace, mount files over the
# kernel's, or run Podman.
set -eu
. "$(dirname "$0")/common.sh"

if [ "${1:-}" = as-root ]; then
    code=0
    "${CARGO:-cargo}" test --locked --test it -- --ignored docker::own_engine docker::wall docker::swarm docker::doctor || code=$?
    "$(dirname "$0")/test-engines.sh" podman-4.3 || code=$?
    exit "$code"
fi
set -- "$0" as-root
if [ "$(id -u)" -eq 0 ]; then
    exec "$@"
elif has sudo && sudo -n true 2>/dev/null; then
    say "these tests start their own Docker daemon, with sudo"
    exec sudo -E env "PATH=$PATH" "$@"
fi
say "NOT RUN: the tests with their own Docker daemon need root; run 'make test' as root or with sudo"
