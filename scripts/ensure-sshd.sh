#!/bin/sh
# Makes sure that the test of an engine behind ssh:// finds an ssh and an sshd. The server is not installed, which would
# start one for everybody: where there is none, its package is unpacked into target/sshd.
#
# Running it again does nothing.
set -eu
. "$(dirname "$0")/common.sh"
cd "$(dirname "$0")/.."

PLACE=target/sshd

has ssh || install_packages openssh-client >&2
# As root, the server wants the user of its package, as whom it speaks to whoever has not logged in yet.
if [ "$(id -u)" -eq 0 ] && ! id sshd >/dev/null 2>&1; then
    useradd --system --no-create-home --home-dir /run/sshd --shell /usr/sbin/nologin --gid nogroup sshd
fi
if [ -x /usr/sbin/sshd ] || [ -x "$PLACE/usr/sbin/sshd" ]; then exit 0; fi
has apt-get || fail "sshd is not here" "Install OpenSSH's server."
say "unpacking openssh-server into $PLACE"
mkdir -p "$PLACE"
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
# Downloading needs no root, but lists that know the packages.
download() { (cd "$packages" && apt-get -q -o APT::Sandbox::User=root download openssh-server libwrap0 >&2); }
download || { as_root apt-get -q update >&2 && download; }
for package in "$packages"/*.deb; do dpkg -x "$package" "$PLACE"; done
[ -x "$PLACE/usr/sbin/sshd" ] || fail "the package of openssh-server has no sshd"
