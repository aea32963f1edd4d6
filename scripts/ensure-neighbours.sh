#!/bin/sh
# Ensures that the kernel's neighbour table is large enough for the tests and the benchmark.
#
# N nodes on one network need N*N entries. Linux keeps 1024 for all network namespaces together by default. The
# change lasts until the machine restarts.
set -eu
. "$(dirname "$0")/common.sh"

WANTED=16384
FILE=/proc/sys/net/ipv4/neigh/default/gc_thresh3

[ -r "$FILE" ] || exit 0
now=$(cat "$FILE")
[ "$now" -lt "$WANTED" ] || exit 0
say "raising the neighbour table limit from $now to $WANTED, for clusters of 60 nodes"
raise() {
    "$@" sysctl -q -w "net.ipv4.neigh.default.gc_thresh3=$WANTED" \
        "net.ipv4.neigh.default.gc_thresh2=$((WANTED / 2))"
}
if [ "$(id -u)" -eq 0 ]; then
    raise env
elif has sudo; then
    raise sudo
else
    say "this needs root; without it, clusters of more than about 30 nodes are refused"
fi
