#!/bin/sh
# Installs both generations of Docker Compose for the tests of exported files: docker-compose 1.29, if the distribution
# still has it, and Compose v2, from a newer Debian's package in target/compose if necessary.
#
# Does nothing if both are installed.
set -eu
. "$(dirname "$0")/common.sh"
cd "$(dirname "$0")/.."

PLACE=target/compose
# The newer Debian release. Its package contains one self-contained program.
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

# The mirror from which this machine gets its packages.
site() {
    apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\([^']*\)/dists/[^/']*-updates/.*|\1|p; s|^'\([^']*/debian\)/dists/.*|\1|p" |
        head -n 1
}

# apt with separate lists and configuration, so that the machine's own do not change.
apart() {
    apt-get -q -q \
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

fetch_second() {
    mirror=$(site)
    [ -n "$mirror" ] || fail "found no Debian mirror in apt's configuration" "Install Docker Compose v2."
    say "downloading Compose v2 from Debian $SUITE at $mirror into $PLACE"
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
    [ -n "$program" ] || fail "the package from Debian $SUITE contains no docker-compose"
    mv "$program" "$PLACE/docker-compose"
    rm -rf "$apt"
    has_second || fail "the docker-compose from the package does not run on this machine" "Install Docker Compose v2."
}

if ! has_any; then
    has apt-get || fail "neither 'docker compose' nor 'docker-compose' is installed" "Install Docker Compose."
    say "installing docker-compose"
    install_packages docker-compose >&2
fi
if ! has_second; then
    has apt-get || fail "Compose v2 is not installed" "Install Docker Compose v2."
    fetch_second
fi
