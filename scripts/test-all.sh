#!/bin/sh
# Runs all tests: beside those that use the common engine, the few that start one of their own, which mostly wait. What
# these say is shown when they are done. After an interruption they go on to their end, where they remove their engines.
set -eu
. "$(dirname "$0")/common.sh"

mkdir -p target
log=target/own-engine.log
"$(dirname "$0")/test-own-engine.sh" </dev/null >"$log" 2>&1 &
beside=$!
code=0
# More threads than tests have their turn at a time: the rest wait for theirs, and need no processor for that.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-8} "${CARGO:-cargo}" test --locked || code=$?
wait "$beside" || code=$?
say "what the tests with an engine of their own have said"
cat "$log"
exit "$code"
