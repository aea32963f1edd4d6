#!/bin/sh
# probe.sh ready: the node calls the cluster ok, and its link to its master, if it has one, is up.
# probe.sh alive: the server answers, be it that it loads its data or has another password than the secret has now.
set -eu
REDISCLI_AUTH=$(cat /run/secrets/redis/password)
export REDISCLI_AUTH
case $1 in
    alive)
        case $("$CLI" -p "$PORT" PING) in PONG | *LOADING* | *MASTERDOWN* | *NOAUTH* | *WRONGPASS*) ;; *) exit 1 ;; esac
        ;;
    ready)
        case $("$CLI" -p "$PORT" CLUSTER INFO) in *cluster_state:ok*) ;; *) exit 1 ;; esac
        case $("$CLI" -p "$PORT" INFO replication) in *master_link_status:down*) exit 1 ;; esac
        ;;
esac
