# shellcheck shell=sh
# What the scripts beside this file share; each reads it with `.` and does nothing by that.

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

# What went wrong, and in further arguments what to do.
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

# Packages of Debian or Ubuntu, whose lists may be missing or old.
install_packages() {
    as_root apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
}
