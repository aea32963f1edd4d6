#!/bin/sh
# The preStop hook: before its pod ends, a master hands its role to a replica in sync, so that clients need not wait for
# a failover.
set -eu
if [ -e /run/secrets/redis/password ]; then
    REDISCLI_AUTH=$(cat /run/secrets/redis/password)
    export REDISCLI_AUTH
fi

is_master() { "$CLI" -p "$PORT" INFO replication | grep -q role:master; }

# The addresses of the replicas in sync, the one with the highest offset first.
replicas() {
    "$CLI" -p "$PORT" INFO replication | tr -d '\r' |
        sed -n 's/^slave[0-9]*:ip=\([^,]*\),.*state=online,offset=\([0-9]*\).*/\2 \1/p' | sort -rn | cut -d ' ' -f 2
}

# Whether most masters can vote. If not, for example because all pods are being deleted, no failover succeeds.
can_elect() {
    "$CLI" -p "$PORT" CLUSTER NODES | awk '
        $3 !~ /master/ || NF < 9 { next }
        { masters++ }
        $3 !~ /noaddr|(^|,)fail/ { votes++ }
        END { exit votes * 2 <= masters }'
}

# Until this node is a replica, for at most six seconds: a replica gives up after five, without a message, if the others
# do not vote or this node does not pause its clients. A replica that ends is not waited for.
handed_over_to() {
    waited=0
    gone=0
    while is_master; do
        # A replica that takes over disconnects too, shortly before this node learns of its new role.
        if replicas | grep -q -x -F -e "$1"; then gone=0; else gone=$((gone + 1)); fi
        if [ "$waited" -ge 30 ] || [ "$gone" -ge 5 ]; then return 1; fi
        sleep 0.2
        waited=$((waited + 1))
    done
}

# One replica after the other, for as long as terminationGracePeriodSeconds allows.
tries=0
while is_master && [ "$tries" -lt 8 ]; do
    all=$(replicas)
    if [ -z "$all" ] || ! can_elect; then exit 0; fi
    count=$(printf '%s\n' "$all" | grep -c .)
    replica=$(printf '%s\n' "$all" | sed -n "$((tries % count + 1))p")
    # A replica whose machine is down is still listed as online for a while.
    timeout 2 "$CLI" -h "$replica" -p "$PORT" CLUSTER FAILOVER >/dev/null || true
    handed_over_to "$replica" || true
    tries=$((tries + 1))
done
