#!/bin/sh
# Provides ssh and sshd for the test of a Docker daemon behind ssh://. The server is not installed, because that would
# start it for the whole machine: if it is missing, its package is unpacked into target/sshd.
#
# Does nothing if both are there.
set -eu
. "$(dirname "$0")/common.sh"
cd "$(dirname "$0")/.."

PLACE=target/sshd

has ssh || install_packages openssh-client >&2
# As root, sshd needs its privilege separation user, which the package would create.
if [ "$(id -u)" -eq 0 ] && ! id sshd >/dev/null 2>&1; then
    useradd --system --no-create-home --home-dir /run/sshd --shell /usr/sbin/nologin --gid nogroup sshd
fi
if [ -x /usr/sbin/sshd ] || [ -x "$PLACE/usr/sbin/sshd" ]; then exit 0; fi
has apt-get || fail "sshd is missing" "Install the OpenSSH server."
say "unpacking openssh-server into $PLACE"
mkdir -p "$PLACE"
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
# Downloading needs no root, but up-to-date package lists.
download() { (cd "$packages" && apt-get -q -o APT::Sandbox::User=root download openssh-server libwrap0 >&2); }
download || { as_root apt-get -q update >&2 && download; }
for package in "$packages"/*.deb; do dpkg -x "$package" "$PLACE"; done
[ -x "$PLACE/usr/sbin/sshd" ] || fail "the package openssh-server contains no sshd"
