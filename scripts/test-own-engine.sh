#!/bin/sh
# Runs the tests that need root: they start an engine of their own in a network namespace of its own, or put files of
# their own over the kernel's.
set -eu
. "$(dirname "$0")/common.sh"

set -- "${CARGO:-cargo}" test --locked --test it -- --ignored docker::own_engine docker::wall docker::swarm docker::doctor
if [ "$(id -u)" -eq 0 ]; then
    exec "$@"
elif has sudo && sudo -n true 2>/dev/null; then
    say "these tests start an engine of their own, with sudo"
    exec sudo -E env "PATH=$PATH" "$@"
fi
say "NOT RUN: the tests with an engine of their own need root; run 'make test' as root or with sudo"
