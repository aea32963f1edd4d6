# shellcheck shell=sh
# Functions shared by the scripts in this directory, which source this file. Sourcing it has no effect.

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

# Prints an error, and in further arguments what to do, then exits.
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

# Installs Debian or Ubuntu packages. Updates the package lists first, which may be missing or old.
install_packages() {
    as_root apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
}
