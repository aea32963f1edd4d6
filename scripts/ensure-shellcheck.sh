#!/bin/sh
# Installs shellcheck, with which the tests check every script.
set -eu
. "$(dirname "$0")/common.sh"

has shellcheck && exit 0
has apt-get || fail "shellcheck is missing, and this is not Debian or Ubuntu" \
    "Install it with your system's packages (https://www.shellcheck.net), then run this again."
say "shellcheck is missing; installing it from the distribution's packages"
install_packages shellcheck
