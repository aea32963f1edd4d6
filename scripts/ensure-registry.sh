#!/bin/sh
# Provides docker-registry for the test of a pull with a login. The server is not installed, because that would start it
# for the whole machine: if it is missing, its package is unpacked into target/registry.
#
# Does nothing if it is there.
set -eu
. "$(dirname "$0")/common.sh"
cd "$(dirname "$0")/.."

PLACE=target/registry

if has docker-registry || [ -x "$PLACE/usr/bin/docker-registry" ]; then exit 0; fi
has apt-get || fail "docker-registry is missing" "Install the registry of the CNCF project Distribution."
say "unpacking docker-registry into $PLACE"
mkdir -p "$PLACE"
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
# Downloading needs no root, but up-to-date package lists.
download() { (cd "$packages" && apt-get -q -o APT::Sandbox::User=root download docker-registry >&2); }
download || { as_root apt-get -q update >&2 && download; }
for package in "$packages"/*.deb; do dpkg -x "$package" "$PLACE"; done
[ -x "$PLACE/usr/bin/docker-registry" ] || fail "the package docker-registry contains no docker-registry"
