# shellcheck shell=sh
# How the scripts of this directory tell what they do; each reads this file and does nothing by that.

say() { printf '%s: %s\n' "${HOST:-deploy}" "$*" >&2; }

fail() {
    say "error: $1"
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}
