#!/bin/sh
# Makes sure that rcup can be compiled: a Rust toolchain is asked for, the linker that it needs is installed.
#
# Running it again does nothing.
set -eu

say() { printf 'ensure-toolchain: %s\n' "$*" >&2; }

fail() {
    say "$1"
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        fail "this needs root: $*" "Run the script as root, or install sudo."
    fi
}

# rustc calls cc to link, and cc needs the C library's start files.
ensure_linker() {
    has cc && return 0
    has apt-get || fail "there is no C compiler, which rustc needs to link" \
        "Install gcc (or clang) and the C library's development files with your system's packages."
    say "there is no C compiler, which rustc needs to link; installing gcc"
    as_root apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends gcc libc6-dev
}

ensure_component() {
    cargo "$1" --version >/dev/null 2>&1 && return 0
    has rustup || fail "cargo $1 is missing" "Install your distribution's package for it, or use rustup."
    say "adding $2 with rustup"
    rustup component add "$2"
}

has cargo || fail "there is no Rust toolchain" \
    "Install one with rustup (https://rustup.rs), then run this again." \
    "If it is installed, put ~/.cargo/bin on the PATH."
ensure_linker
ensure_component fmt rustfmt
ensure_component clippy clippy
