#!/bin/sh
# Before a pod ends: a master hands its role to a replica that is in sync, so that nobody waits for a failover.
set -eu
REDISCLI_AUTH=$(cat /run/secrets/redis/password)
export REDISCLI_AUTH

is_master() { "$CLI" -p "$PORT" INFO replication | grep -q role:master; }

# The replicas that are in sync, the furthest first.
replicas() {
    "$CLI" -p "$PORT" INFO replication | tr -d '\r' |
        sed -n 's/^slave[0-9]*:ip=\([^,]*\),.*state=online,offset=\([0-9]*\).*/\2 \1/p' | sort -rn | cut -d ' ' -f 2
}

# A replica gives up after five seconds, without a word: when the others do not vote, or its master does not wait
# for it. So each gets six, and then the next one is asked, for as long as the pod has before it is ended as it is.
tries=0
while is_master && [ "$tries" -lt 8 ]; do
    all=$(replicas)
    [ -n "$all" ] || exit 0
    count=$(printf '%s\n' "$all" | grep -c .)
    replica=$(printf '%s\n' "$all" | sed -n "$((tries % count + 1))p")
    "$CLI" -h "$replica" -p "$PORT" CLUSTER FAILOVER >/dev/null || true
    waited=0
    while is_master && [ "$waited" -lt 30 ]; do
        sleep 0.2
        waited=$((waited + 1))
    done
    tries=$((tries + 1))
done
