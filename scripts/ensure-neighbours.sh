#!/bin/sh
# Makes sure that the kernel's neighbour table holds the largest clusters of the tests and the benchmark.
#
# N nodes on one network need N*N entries, and Linux keeps 1024 for all network namespaces together unless it
# is told otherwise. The change lasts until the machine restarts.
set -eu
. "$(dirname "$0")/common.sh"

WANTED=16384
FILE=/proc/sys/net/ipv4/neigh/default/gc_thresh3

[ -r "$FILE" ] || exit 0
now=$(cat "$FILE")
[ "$now" -lt "$WANTED" ] || exit 0
say "raising the limit of neighbour entries from $now to $WANTED, for clusters of 60 nodes"
raise() {
    "$@" sysctl -q -w "net.ipv4.neigh.default.gc_thresh3=$WANTED" \
        "net.ipv4.neigh.default.gc_thresh2=$((WANTED / 2))"
}
if [ "$(id -u)" -eq 0 ]; then
    raise env
elif has sudo; then
    raise sudo
else
    say "this needs root; without it, clusters of more than some 30 nodes are refused"
fi
