#!/bin/sh
# Ensures that there are images to start clusters from.
#
#   ensure-images.sh one     at least one image: the official one, or a local one, which is built if necessary
#   ensure-images.sh tests   the local images for the tests and the soak
#
# Existing images are kept. RCUP names the program to use (default: target/release/rcup).
set -eu
. "$(dirname "$0")/common.sh"

RCUP=${RCUP:-target/release/rcup}
OFFICIAL=redis:8

# Whether there is a local image whose name matches the pattern.
is_local() {
    "$RCUP" image list | grep -q "$1"
}

is_official() {
    has docker && docker image inspect "$OFFICIAL" >/dev/null 2>&1
}

build() {
    say "building a local image: rcup image build $*"
    "$RCUP" image build "$@"
}

# Whether the registry answers. rcup itself gives up after 8 seconds and reports why.
can_pull() {
    has docker && has timeout && timeout 120 docker pull -q "$OFFICIAL" >/dev/null 2>&1
}

ensure_one() {
    if is_local 'rcup/redis:'; then
        say "found a local Redis image; nothing to do"
    elif is_official; then
        say "found $OFFICIAL; nothing to do"
    elif can_pull; then
        say "pulled $OFFICIAL"
    else
        say "$OFFICIAL is missing and cannot be pulled"
        build --engine redis ||
            say "the build failed; rcup will print the alternatives"
    fi
}

# Arguments: pattern of the image's name, server, Debian suite.
ensure_local() {
    if is_local "$1"; then
        return 0
    fi
    build --engine "$2" --from "$3"
}

ensure_tests() {
    missing=''
    ensure_local 'rcup/redis:7\.0\.' redis bookworm || missing="$missing redis-7.0"
    ensure_local 'rcup/redis:8\.0\.' redis trixie || missing="$missing redis-8.0"
    ensure_local 'rcup/valkey:8\.1\.' valkey trixie || missing="$missing valkey-8.1"
    if [ -z "$missing" ]; then
        say "found all images for the tests"
        return 0
    fi
    # Not Debian, or its mirrors do not have these suites: use what this machine can install.
    say "could not build from Debian suites:$missing; using the nearest versions instead"
    is_local 'rcup/redis:' || build --engine redis || true
    is_local 'rcup/valkey:' || build --engine valkey || true
    if ! is_local 'rcup/redis:'; then
        fail "there is no local Redis image, and none could be built" \
            "See the output above, and images/README.md for other ways."
    fi
    is_local 'rcup/valkey:' || say "no Valkey image: tests that need it will fail"
}

[ -x "$RCUP" ] || fail "$RCUP is not built" "Run: cargo build --release"
case ${1:-one} in
    one) ensure_one ;;
    tests) ensure_tests ;;
    *) fail "unknown argument: $1" "Use: one, or tests" ;;
esac
