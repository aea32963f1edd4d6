#!/bin/sh
# Makes sure that Docker Compose is there, for the tests of exported files: either generation will do.
set -eu
. "$(dirname "$0")/common.sh"

if docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1; then
    exit 0
fi
has apt-get || fail "neither 'docker compose' nor 'docker-compose' is here" "Install Docker Compose."
say "installing docker-compose"
install_packages docker-compose >&2
