#!/bin/sh
# probe.sh ready: the node reports cluster_state:ok and, if it is a replica, the link to its master is up.
# probe.sh alive: the server answers, even if it loads its data, or its password is not the one in the secret.
set -eu
if [ -e /run/secrets/redis/password ]; then
    REDISCLI_AUTH=$(cat /run/secrets/redis/password)
    export REDISCLI_AUTH
fi

# Points replication at the master's current address. Redis (7.0 and 8.0) takes the new address of a failed master
# from gossip but keeps replicating from the old one (clusterProcessGossipSection); Valkey since 8.0 does not. Such a
# replica never gets ready and cannot take over.
follow_master() {
    host=$(printf '%s\n' "$1" | sed -n 's/^master_host://p')
    master=$("$CLI" -p "$PORT" CLUSTER NODES | awk -v host="$host" '
        $3 ~ /myself/ { master = $4 }
        { address[$1] = $2 }
        END {
            at = address[master]
            sub(/:[0-9]*@.*/, "", at)
            if (at != "" && at != host) print master
        }')
    [ -z "$master" ] || "$CLI" -p "$PORT" CLUSTER REPLICATE "$master"
}

case $1 in
    alive)
        case $("$CLI" -p "$PORT" PING) in PONG | *LOADING* | *MASTERDOWN* | *NOAUTH* | *WRONGPASS*) ;; *) exit 1 ;; esac
        ;;
    ready)
        replication=$("$CLI" -p "$PORT" INFO replication | tr -d '\r')
        case $replication in
            *master_link_status:down*)
                follow_master "$replication"
                exit 1
                ;;
        esac
        case $("$CLI" -p "$PORT" CLUSTER INFO) in *cluster_state:ok*) ;; *) exit 1 ;; esac
        ;;
esac
