#!/bin/sh
# Ensures that rcup can be compiled: requires a Rust toolchain, and installs the linker that it needs.
#
# Does nothing if both are there.
set -eu
. "$(dirname "$0")/common.sh"

# rustc calls cc to link, and cc needs the C library's start files.
ensure_linker() {
    has cc && return 0
    has apt-get || fail "there is no C compiler, which rustc needs to link" \
        "Install gcc (or clang) and the C library's development files with your system's packages."
    say "there is no C compiler, which rustc needs to link; installing gcc"
    install_packages gcc libc6-dev
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
