#!/bin/sh
# Makes sure that target/node has node-redis, with which the tests run what `rcup env` says.
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
    # Modules of the distribution lie where only its own Node.js looks for them.
    ln -sfn /usr/share/nodejs/redis "$home/node_modules/redis"
elif has npm; then
    say "installing node-redis into $home"
    npm install --prefix "$home" --no-audit --no-fund redis >&2
else
    fail "there is neither apt-get nor npm" "Install Node.js with npm."
fi
works || fail "node-redis was installed, and does not work"
