#!/bin/sh
# Makes sure that Docker Compose is there, for the tests of exported files: either generation will do.
set -eu

say() { printf 'ensure-compose: %s\n' "$*" >&2; }

if docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    say "install Docker Compose: neither 'docker compose' nor 'docker-compose' is here"
    exit 1
fi
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
say "installing docker-compose"
$sudo apt-get install -y -q docker-compose >&2 || {
    $sudo apt-get update -q >&2
    $sudo apt-get install -y -q docker-compose >&2
}
