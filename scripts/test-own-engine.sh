#!/bin/sh
# Runs the tests that need root: they start a Docker daemon in a separate network namespace, or mount files over the
# kernel's.
set -eu
. "$(dirname "$0")/common.sh"

set -- "${CARGO:-cargo}" test --locked --test it -- --ignored docker::own_engine docker::wall docker::swarm docker::doctor
if [ "$(id -u)" -eq 0 ]; then
    exec "$@"
elif has sudo && sudo -n true 2>/dev/null; then
    say "these tests start their own Docker daemon, with sudo"
    exec sudo -E env "PATH=$PATH" "$@"
fi
say "NOT RUN: the tests with their own Docker daemon need root; run 'make test' as root or with sudo"
