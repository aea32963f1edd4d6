#!/bin/sh
# Makes sure that both generations of Docker Compose are there, for the tests of exported files: docker-compose 1.29 where
# the distribution still has it, and Compose v2, if need be from the package of a newer Debian, in target/compose.
#
# Running it again does nothing.
set -eu
. "$(dirname "$0")/common.sh"
cd "$(dirname "$0")/.."

PLACE=target/compose
# The newer Debian whose package it is. What it holds is one program that needs nothing else.
SUITE=trixie

is_second() {
    case $("$@" version --short 2>/dev/null) in
        '' | 1.* | v1.*) return 1 ;;
    esac
}

has_second() {
    is_second docker compose || is_second "$PLACE/docker-compose" || is_second docker-compose
}

has_any() { docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1; }

# The site from which this machine gets its own packages.
site() {
    apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\([^']*\)/dists/[^/']*-updates/.*|\1|p; s|^'\([^']*/debian\)/dists/.*|\1|p" |
        head -n 1
}

# apt with lists and a configuration of its own, so that nothing of the machine's changes.
apart() {
    apt-get -q -q \
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

fetch_second() {
    mirror=$(site)
    [ -n "$mirror" ] || fail "no mirror of Debian stands in apt's configuration" "Install Docker Compose v2."
    say "getting Compose v2 from Debian $SUITE at $mirror into $PLACE"
    mkdir -p "$PLACE"
    apt=$(cd "$PLACE" && pwd)/apt
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb [signed-by=$keys] $mirror $SUITE main" > "$apt/sources.list"
    apart update >&2
    (cd "$apt" && apart download docker-compose >&2)
    dpkg -x "$apt"/docker-compose_*.deb "$apt/root"
    program=$(find "$apt/root/usr" -type f -name docker-compose -perm -u+x | head -n 1)
    [ -n "$program" ] || fail "the package of Debian $SUITE has no docker-compose"
    mv "$program" "$PLACE/docker-compose"
    rm -rf "$apt"
    has_second || fail "what was in the package does not run here" "Install Docker Compose v2."
}

if ! has_any; then
    has apt-get || fail "neither 'docker compose' nor 'docker-compose' is here" "Install Docker Compose."
    say "installing docker-compose"
    install_packages docker-compose >&2
fi
if ! has_second; then
    has apt-get || fail "Compose v2 is not here" "Install Docker Compose v2."
    fetch_second
fi
