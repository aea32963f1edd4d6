#!/bin/sh
# Installs node-redis in target/node. The tests use it to run the code that `rcup env` prints.
set -eu
. "$(dirname "$0")/common.sh"
cd "$(dirname "$0")/.."

home=target/node
works() {
    has node && (cd "$home" 2>/dev/null && NODE_PATH=/usr/share/nodejs node --input-type=module -e "import 'redis'" 2>/dev/null)
}

works && exit 0
mkdir -p "$home/node_modules"
if has apt-get; then
    set -- node-redis
    has node || set -- nodejs "$@"
    say "installing $*"
    install_packages "$@" >&2
    # Only the distribution's own Node.js searches its module directory.
    ln -sfn /usr/share/nodejs/redis "$home/node_modules/redis"
elif has npm; then
    say "installing node-redis into $home"
    npm install --prefix "$home" --no-audit --no-fund redis >&2
else
    fail "found neither apt-get nor npm" "Install Node.js with npm."
fi
works || fail "node-redis was installed, but does not work"
