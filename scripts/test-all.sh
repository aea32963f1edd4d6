#!/bin/sh
# Runs all tests. The few that start their own Docker daemon mostly wait, so they run in parallel with the others; their
# output is shown at the end. After an interruption they continue, and remove their daemons at the end.
set -eu
. "$(dirname "$0")/common.sh"

mkdir -p target
log=target/own-engine.log
"$(dirname "$0")/test-own-engine.sh" </dev/null >"$log" 2>&1 &
beside=$!
code=0
# More threads than tests that may use Docker at a time: the others wait for their turn, without using a processor.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-8} "${CARGO:-cargo}" test --locked || code=$?
wait "$beside" || code=$?
say "output of the tests with their own Docker daemon:"
cat "$log"
exit "$code"
