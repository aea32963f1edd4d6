#!/bin/sh
# A pod's command. Its address changes with every start; its identity stays in nodes.conf on its volume.
set -eu
password=$(cat /run/secrets/redis/password)
umask 077
{
    printf 'include /etc/redis/redis.conf\n'
    printf 'cluster-announce-ip %s\n' "$POD_IP"
    printf 'requirepass "%s"\nmasterauth "%s"\n' "$password" "$password"
} > /data/own.conf

# Where all pods got new addresses at once, none knows another's any more. Names do not change, so this pod
# introduces itself by them once it answers: a MEET with a node that is known only renews the address.
(
    export REDISCLI_AUTH="$password"
    until [ "$("$CLI" -p "$PORT" PING 2>/dev/null)" = PONG ]; do sleep 0.2; done
    if [ "$("$CLI" -p "$PORT" CLUSTER NODES | wc -l)" -gt 1 ]; then
        for peer in $PEERS; do
            address=$(getent hosts "$peer" | cut -d ' ' -f 1) || continue
            if [ -n "$address" ]; then "$CLI" -p "$PORT" CLUSTER MEET "$address" "$PORT" >/dev/null || true; fi
        done
    fi
) &
exec "$SERVER" /data/own.conf
