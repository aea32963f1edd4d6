#!/bin/sh
# Makes sure that there are images to start clusters from.
#
#   ensure-images.sh one     at least one image: the official one, or a local one, which is made if need be
#   ensure-images.sh tests   the local images that the tests and the soak run on
#
# What is there already is left alone. RCUP names the program to use (default: target/release/rcup).
set -eu
. "$(dirname "$0")/common.sh"

RCUP=${RCUP:-target/release/rcup}
OFFICIAL=redis:8

# Whether rcup has made an image whose name matches the pattern.
is_local() {
    "$RCUP" image list | grep -q "$1"
}

is_official() {
    has docker && docker image inspect "$OFFICIAL" >/dev/null 2>&1
}

build() {
    say "making a local image: rcup image build $*"
    "$RCUP" image build "$@"
}

# The registry answers or it does not; rcup itself gives up on it after 8 seconds and says why.
can_pull() {
    has docker && has timeout && timeout 120 docker pull -q "$OFFICIAL" >/dev/null 2>&1
}

ensure_one() {
    if is_local 'rcup/redis:'; then
        say "a local image of Redis is here; nothing to do"
    elif is_official; then
        say "$OFFICIAL is here; nothing to do"
    elif can_pull; then
        say "$OFFICIAL has been pulled"
    else
        say "$OFFICIAL is not here and cannot be pulled"
        build --engine redis ||
            say "that failed; rcup will say what else can be done"
    fi
}

# One image: pattern of its name, engine, suite.
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
        say "the images of the tests are here"
        return 0
    fi
    # Not a Debian, or one whose mirrors do not hold these suites: take what this machine can have.
    say "could not be made from Debian's suites:$missing; taking the nearest versions instead"
    is_local 'rcup/redis:' || build --engine redis || true
    is_local 'rcup/valkey:' || build --engine valkey || true
    if ! is_local 'rcup/redis:'; then
        fail "there is no local image of Redis, and none could be made" \
            "See what rcup says above, and images/README.md for the ways to have one."
    fi
    is_local 'rcup/valkey:' || say "without Valkey: its tests will say so"
}

[ -x "$RCUP" ] || fail "$RCUP is not built" "Run: cargo build --release"
case ${1:-one} in
    one) ensure_one ;;
    tests) ensure_tests ;;
    *) fail "unknown argument: $1" "Use: one, or tests" ;;
esac
