#!/bin/sh
# Before a pod ends: a master hands its role to a replica that is in sync, so that nobody waits for a failover.
set -eu
REDISCLI_AUTH=$(cat /run/secrets/redis/password)
export REDISCLI_AUTH
own=$("$CLI" -p "$PORT" INFO replication)
case $own in *role:master*) ;; *) exit 0 ;; esac
replica=$(printf '%s\n' "$own" | tr -d '\r' | sed -n 's/^slave[0-9]*:ip=\([^,]*\),.*state=online.*/\1/p' | head -n 1)
[ -n "$replica" ] || exit 0
"$CLI" -h "$replica" -p "$PORT" CLUSTER FAILOVER >/dev/null
# As long as the grace period lasts; then the pod ends as it is.
until "$CLI" -p "$PORT" INFO replication | grep -q role:slave; do sleep 0.2; done
